package dev.heng.conformance.suite;

import dev.heng.spi.Backend;
import dev.heng.spi.Batch;
import dev.heng.spi.Bindings;
import dev.heng.spi.Buffer;
import dev.heng.spi.BufferRequest;
import dev.heng.spi.NumericsProfile.Determinism;
import dev.heng.spi.graph.Value;
import dev.heng.spi.tensor.DType;
import dev.heng.spi.tensor.Dim;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.locks.ReentrantLock;
import java.util.function.Supplier;

/**
 * Experiments with time: repeats, batches, two programs and two threads at once, memory reused and freed while work is queued, and
 * collections of garbage during native calls. Results are judged as those of the chains that run, not merely compared.
 */
final class AsynchronyExperiments {

    private AsynchronyExperiments() {}

    /** One experiment of this class, with two chains that the device supports. */
    @FunctionalInterface
    private interface Trial {
        Experiment.Finding conduct(Backend device, List<Scenario> chains);
    }

    static void addTo(CaseList cases) {
        add(
                cases,
                Level.SMOKE,
                "RUN-013",
                "repeatsBitForBit",
                "100-runs",
                (device, chains) -> repeats(device, chains, 100));
        add(
                cases,
                Level.NIGHTLY,
                "RUN-013",
                "repeatsBitForBit",
                "10000-runs",
                (device, chains) -> repeats(device, chains, 10_000));
        add(cases, Level.SMOKE, "RUN-001", "interleavesTwoPrograms", "20-rounds", AsynchronyExperiments::interleaved);
        add(cases, Level.SMOKE, "RUN-001", "servesTwoThreads", "2-threads", AsynchronyExperiments::threads);
        add(
                cases,
                Level.SMOKE,
                "RUN-001",
                "takesHostMemoryBeforeWriteReturns",
                "30-rounds",
                AsynchronyExperiments::host);
        add(cases, Level.SMOKE, "RUN-008", "keepsFreedBuffersForQueuedWork", "20-rounds", AsynchronyExperiments::freed);
        add(
                cases,
                Level.SMOKE,
                "RUN-010",
                "survivesCollections",
                "8",
                (device, chains) -> collections(device, chains, 8));
        add(
                cases,
                Level.NIGHTLY,
                "RUN-010",
                "survivesCollections",
                "300",
                (device, chains) -> collections(device, chains, 300));
        cases.experiment(
                Level.SMOKE,
                "Asynchrony",
                "any",
                List.of("RUN-013"),
                "givesARowTheSameBitsInAnyBatch",
                "model",
                (id, seed, bench) -> batches(id, seed, bench.device()));
    }

    private static void add(CaseList cases, Level level, String rule, String title, String variant, Trial trial) {
        cases.experiment(level, "Asynchrony", "any", List.of(rule), title, variant, (id, seed, bench) -> {
            for (DType dtype : List.of(DType.BF16, DType.F32, DType.F16)) {
                List<Scenario> chains = List.of(
                        ChainFamilies.attentionChain(id, seed, ModelShape.deepSeekV3(), dtype),
                        ChainFamilies.expertsChain(id, seed, ModelShape.deepSeekV2Lite(), dtype, 7));
                if (chains.stream()
                        .allMatch(
                                chain -> Session.refusal(bench.device(), chain).isEmpty())) {
                    return trial.conduct(bench.device(), chains);
                }
            }
            Scenario first = ChainFamilies.attentionChain(id, seed, ModelShape.deepSeekV3(), DType.BF16);
            String refusal = Session.refusal(bench.device(), first);
            return Experiment.Finding.declined(
                    refusal.isEmpty() ? "no activation type supports both of the experiment's chains" : refusal);
        });
    }

    /** Judges what a session returned, as the chain itself is judged. */
    private static List<Check> judge(Backend device, Scenario chain, List<Map<String, HostTensor>> outputs) {
        List<Check> checks = new ArrayList<>();
        for (int step = 0; step < outputs.size(); step++) {
            checks.addAll(chain.judge().judge(step, outputs.get(step), device.numerics()));
        }
        return checks;
    }

    /** Returns where two executions differ, or nothing. */
    private static String difference(List<Map<String, HostTensor>> first, List<Map<String, HostTensor>> second) {
        for (int step = 0; step < first.size(); step++) {
            for (Map.Entry<String, HostTensor> output : first.get(step).entrySet()) {
                HostTensor other = Checks.output(second.get(step), output.getKey());
                int at = output.getValue().mismatch(other);
                if (at >= 0) {
                    return "output '" + output.getKey() + "' of step " + step + " differs at element " + at;
                }
            }
        }
        return "";
    }

    private static Experiment.Finding repeats(Backend device, List<Scenario> chains, int times) {
        if (device.numerics().determinism() == Determinism.NONE) {
            return Experiment.Finding.declined("the profile promises nothing about repeating a run");
        }
        List<String> breaches = new ArrayList<>();
        for (Scenario chain : chains) {
            try (Session session = Session.open(device, chain)) {
                List<Map<String, HostTensor>> first = session.all();
                for (int time = 1; time < times && breaches.isEmpty(); time++) {
                    String difference = difference(first, session.all());
                    if (!difference.isEmpty()) {
                        breaches.add("repeat " + time + " of " + chain.graph().name() + ": " + difference);
                    }
                }
            }
        }
        return Experiment.Finding.of(List.of(times + " runs of two chains gave the same bits"), breaches);
    }

    private static Experiment.Finding interleaved(Backend device, List<Scenario> chains) {
        List<Check> checks = new ArrayList<>();
        List<String> breaches = new ArrayList<>();
        Scenario attention = chains.get(0);
        Scenario experts = chains.get(1);
        try (Session first = Session.open(device, attention);
                Session second = Session.open(device, experts);
                Session twin = Session.open(device, attention)) {
            List<List<Map<String, HostTensor>>> rounds = new ArrayList<>();
            for (int round = 0; round < 20; round++) {
                first.reset();
                twin.reset();
                List<Map<String, HostTensor>> ofFirst = new ArrayList<>();
                List<Map<String, HostTensor>> ofTwin = new ArrayList<>();
                List<Map<String, HostTensor>> ofSecond = new ArrayList<>();
                for (int step = 0; step < attention.steps().size(); step++) {
                    // Three programs are queued before anything is read: scratch that they share would show.
                    first.write(step);
                    twin.write(step);
                    second.write(0);
                    first.run(step);
                    second.run(0);
                    twin.run(step);
                    ofTwin.add(twin.read(step));
                    ofFirst.add(first.read(step));
                    ofSecond = List.of(second.read(0));
                }
                if (round == 0) {
                    checks.addAll(judge(device, attention, ofFirst));
                    checks.addAll(judge(device, attention, ofTwin));
                    checks.addAll(judge(device, experts, ofSecond));
                    rounds.add(ofFirst);
                } else if (device.numerics().determinism() != Determinism.NONE) {
                    String difference = difference(rounds.getFirst(), ofFirst);
                    String other = difference(rounds.getFirst(), ofTwin);
                    if (!difference.isEmpty() || !other.isEmpty()) {
                        breaches.add("round " + round + " beside other programs: " + difference + other);
                    }
                }
            }
        }
        return new Experiment.Finding(checks, breaches, List.of("20 rounds of three programs in turns"), "");
    }

    private static Experiment.Finding threads(Backend device, List<Scenario> chains) {
        if (device.threading() == Backend.Threading.CONFINED) {
            return Experiment.Finding.declined("threading CONFINED: only the thread that opened the device may call");
        }
        boolean concurrent = device.threading() == Backend.Threading.CONCURRENT;
        ReentrantLock turn = new ReentrantLock(true);
        List<Check> checks = new ArrayList<>();
        try (ExecutorService pool = Executors.newFixedThreadPool(2)) {
            List<Future<List<List<Map<String, HostTensor>>>>> futures = new ArrayList<>();
            for (Scenario chain : chains) {
                futures.add(pool.submit(() -> {
                    List<List<Map<String, HostTensor>>> executions = new ArrayList<>();
                    Session session = inTurn(turn, concurrent, () -> Session.open(device, chain));
                    try {
                        for (int round = 0; round < 15; round++) {
                            executions.add(inTurn(turn, concurrent, session::all));
                        }
                    } finally {
                        inTurn(turn, concurrent, () -> {
                            session.close();
                            return session;
                        });
                    }
                    return executions;
                }));
            }
            for (int index = 0; index < chains.size(); index++) {
                List<List<Map<String, HostTensor>>> executions =
                        futures.get(index).get();
                checks.addAll(judge(device, chains.get(index), executions.getFirst()));
                checks.addAll(judge(device, chains.get(index), executions.getLast()));
            }
        } catch (ExecutionException failure) {
            return Experiment.Finding.of(
                    List.of(), List.of("a second thread, " + device.threading() + ": " + failure.getCause()));
        } catch (InterruptedException interrupted) {
            Thread.currentThread().interrupt();
            return Experiment.Finding.of(List.of(), List.of("interrupted while two threads worked"));
        }
        return Experiment.Finding.of(checks);
    }

    private static <T> T inTurn(ReentrantLock turn, boolean concurrent, Supplier<T> work) {
        if (concurrent) {
            return work.get();
        }
        turn.lock();
        try {
            return work.get();
        } finally {
            turn.unlock();
        }
    }

    /** When a write returns, the source may be reused: it is overwritten at once, in memory outside the heap too. */
    private static Experiment.Finding host(Backend device, List<Scenario> chains) {
        Scenario chain = chains.get(1);
        List<Check> checks = new ArrayList<>();
        try (Session session = Session.open(device, chain);
                Arena arena = Arena.ofConfined()) {
            for (int round = 0; round < 30; round++) {
                for (Map.Entry<String, HostTensor> input :
                        chain.steps().getFirst().inputs().entrySet()) {
                    byte[] bytes = input.getValue().bytes();
                    MemorySegment source = arena.allocate(Math.max(1, bytes.length));
                    MemorySegment.copy(MemorySegment.ofArray(bytes), 0, source, 0, bytes.length);
                    session.buffer(input.getKey()).write(source.asSlice(0, bytes.length), 0);
                    source.fill((byte) 0x7f);
                }
                session.run(0);
                Map<String, HostTensor> outputs = session.read(0);
                if (round % 10 == 0) {
                    checks.addAll(judge(device, chain, List.of(outputs)));
                }
            }
        }
        return Experiment.Finding.of(checks);
    }

    /** Buffers that a queued run uses are closed, and memory as large is taken and filled, before the result is read. */
    private static Experiment.Finding freed(Backend device, List<Scenario> chains) {
        Scenario chain = chains.get(1);
        Scenario.Step step = chain.steps().getFirst();
        List<Check> checks = new ArrayList<>();
        try (Session session = Session.open(device, chain)) {
            for (int round = 0; round < 20; round++) {
                Map<String, Buffer> buffers = new HashMap<>(session.bindings(0).buffers());
                List<Buffer> own = new ArrayList<>();
                for (Value input : chain.graph().inputs()) {
                    Buffer buffer = device.allocate(
                            new BufferRequest(input.name(), BufferRequest.Usage.TENSOR, input.type(), step.dims()));
                    own.add(buffer);
                    buffers.put(input.name(), buffer);
                    buffer.write(
                            MemorySegment.ofArray(
                                    Checks.output(step.inputs(), input.name()).bytes()),
                            0);
                }
                session.program().run(new Bindings(step.dims(), Batch.NONE, buffers));
                own.forEach(Buffer::close);
                List<Buffer> taken = new ArrayList<>();
                for (Value input : chain.graph().inputs()) {
                    Buffer buffer = device.allocate(
                            new BufferRequest("taken", BufferRequest.Usage.TENSOR, input.type(), step.dims()));
                    buffer.fill((byte) 0x7f);
                    taken.add(buffer);
                }
                Map<String, HostTensor> outputs = session.read(0);
                taken.forEach(Buffer::close);
                if (round % 5 == 0) {
                    checks.addAll(judge(device, chain, List.of(outputs)));
                }
            }
        }
        return Experiment.Finding.of(checks);
    }

    private static Experiment.Finding collections(Backend device, List<Scenario> chains, int times) {
        List<Check> checks = new ArrayList<>();
        long collected = 0;
        for (Scenario chain : chains) {
            try (Session session = Session.open(device, chain)) {
                for (int time = 0; time < times; time++) {
                    Thread storm = Thread.ofPlatform().daemon().start(AsynchronyExperiments::collect);
                    List<Map<String, HostTensor>> outputs = session.all();
                    try {
                        storm.join();
                    } catch (InterruptedException interrupted) {
                        Thread.currentThread().interrupt();
                    }
                    collected++;
                    if (time == 0 || time == times - 1) {
                        checks.addAll(judge(device, chain, outputs));
                    }
                }
            }
        }
        return new Experiment.Finding(checks, List.of(), List.of(collected + " collections during runs"), "");
    }

    /** Moves what the collector may move: heap memory that a native call still used would be elsewhere afterwards. */
    private static void collect() {
        byte[][] garbage = new byte[64][];
        for (int index = 0; index < 512; index++) {
            garbage[index % garbage.length] = new byte[16_384];
        }
        if (garbage[0].length > 0) {
            System.gc();
        }
    }

    /** A row alone, in a batch, and in a chunked prompt: the same bits where that is declared (RUN-013). */
    private static Experiment.Finding batches(String id, long seed, Backend device) {
        if (device.numerics().determinism() != Determinism.BATCH_INVARIANT) {
            return Experiment.Finding.declined("the profile declares "
                    + device.numerics().determinism() + ", not BATCH_INVARIANT: rows may depend on their batch");
        }
        int length = 9;
        List<int[][]> plans = List.of(new int[][] {{length}}, new int[][] {{4}, {5}, {length}}, oneByOne(length));
        List<HostTensor> last = new ArrayList<>();
        List<String> breaches = new ArrayList<>();
        for (int[][] plan : plans) {
            Scenario model = ChainFamilies.modelChain(id, seed, ModelShape.deepSeekV3(), DType.BF16, plan, false);
            String refusal = Session.refusal(device, model);
            if (!refusal.isEmpty()) {
                return Experiment.Finding.declined(refusal);
            }
            try (Session session = Session.open(device, model)) {
                last.add(Checks.output(session.all().getLast(), "logits"));
            }
            if (last.getFirst().mismatch(last.getLast()) >= 0) {
                breaches.add("logits of the last token differ between one run and " + plan.length + " runs");
            }
        }
        breaches.addAll(rows(id, seed, device));
        return Experiment.Finding.of(
                List.of("logits after one run, three chunks and " + length + " steps agree"), breaches);
    }

    private static int[][] oneByOne(int length) {
        int[][] plan = new int[length][1];
        for (int step = 0; step < length; step++) {
            plan[step][0] = step + 1;
        }
        return plan;
    }

    /** Experts' rows count as rows: a token alone and the same token among 33. */
    private static List<String> rows(String id, long seed, Backend device) {
        ModelShape shape = ModelShape.deepSeekV2Lite();
        Scenario many = ChainFamilies.expertsChain(id, seed, shape, DType.BF16, 33);
        List<String> breaches = new ArrayList<>();
        byte[] all;
        try (Session session = Session.open(device, many)) {
            all = Checks.output(session.all().getFirst(), "y").bytes();
        }
        HostTensor x = Checks.output(many.steps().getFirst().inputs(), "x");
        int bytes = all.length / 33;
        for (int row : new int[] {0, 16, 32}) {
            HostTensor one = new HostTensor(
                    DType.BF16,
                    new int[] {1, shape.hidden()},
                    Arrays.copyOfRange(x.bytes(), row * bytes, (row + 1) * bytes));
            Scenario alone = new Scenario(
                    many.graph(),
                    many.weights(),
                    List.of(Scenario.Step.of(Map.of(Dim.TOKENS, 1L), Map.of("x", one))),
                    many.judge(),
                    many.degeneracy(),
                    true);
            try (Session session = Session.open(device, alone)) {
                byte[] got = Checks.output(session.all().getFirst(), "y").bytes();
                if (!Arrays.equals(got, Arrays.copyOfRange(all, row * bytes, (row + 1) * bytes))) {
                    breaches.add("row " + row + " alone has other bits than among 33");
                }
            }
        }
        return breaches;
    }
}
