package dev.heng.conformance.suite;

import dev.heng.spi.Backend;
import dev.heng.spi.BackendException;
import dev.heng.spi.Batch;
import dev.heng.spi.Bindings;
import dev.heng.spi.Buffer;
import dev.heng.spi.BufferRequest;
import dev.heng.spi.CompileOptions;
import dev.heng.spi.Program;
import dev.heng.spi.Support;
import dev.heng.spi.WeightSource;
import dev.heng.spi.graph.GraphBuilder;
import dev.heng.spi.graph.Node;
import dev.heng.spi.graph.Op;
import dev.heng.spi.graph.Value;
import dev.heng.spi.tensor.DType;
import dev.heng.spi.tensor.Dim;
import dev.heng.spi.tensor.Shape;
import dev.heng.spi.tensor.TensorType;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.stream.Collectors;

/** Experiments with the rules RUN: order of calls, bounds, bindings, ownership, weights, memory, plan and support. */
final class ContractExperiments {

    private static final int TOKENS = 6;
    static final int WIDTH = 5;

    private ContractExperiments() {}

    static void addTo(CaseList cases) {
        add(cases, List.of("RUN-001"), "ordersWritesFillsRunsAndReads", ContractExperiments::order);
        add(cases, List.of("RUN-002"), "refusesSizesOutsideTheBounds", ContractExperiments::bounds);
        add(cases, List.of("RUN-003"), "refusesMissingSmallAndForeignBuffers", ContractExperiments::bindings);
        add(cases, List.of("RUN-004"), "readsAnInputAsItWasBeforeTheRun", ContractExperiments::oneBuffer);
        add(cases, List.of("RUN-005"), "namesNodeAndValueOfBadData", ContractExperiments::names);
        add(cases, List.of("RUN-016"), "plansEveryNodeOnceOnThisDevice", ContractExperiments::plan);
        add(
                cases,
                List.of("RUN-017", "COMM-004"),
                "declinesBeforeCompilingAndAtCompile",
                ContractExperiments::declined);
    }

    /** One experiment of this class. */
    @FunctionalInterface
    interface Contract {
        Experiment.Finding conduct(Experiment.Bench bench, Scenario scenario);
    }

    static void add(CaseList cases, List<String> rules, String title, Contract contract) {
        cases.experiment(Level.SMOKE, "Contract", "any", rules, title, "add", (_, _, bench) -> {
            for (DType dtype : List.of(DType.F32, DType.BF16, DType.F16)) {
                Scenario scenario = sums(dtype);
                if (Session.refusal(bench.device(), scenario).isEmpty()) {
                    return contract.conduct(bench, scenario);
                }
            }
            return Experiment.Finding.declined(Session.refusal(bench.device(), sums(DType.F32)));
        });
    }

    /** Returns y = a + b and z = y + a on integers, exact in every type, in two steps of unlike data. */
    private static Scenario sums(DType dtype) {
        GraphBuilder builder = new GraphBuilder("contract");
        TensorType type = TensorType.of(dtype, Dim.of(Dim.TOKENS), Dim.of(WIDTH));
        Value a = builder.input("a", type);
        Value b = builder.input("b", type);
        Value y = builder.plus("first", a, b);
        builder.output("y", y);
        builder.output("z", builder.plus("second", y, a));
        List<Scenario.Step> steps = new ArrayList<>();
        for (int step = 0; step < 2; step++) {
            steps.add(Scenario.Step.of(
                    Map.of(Dim.TOKENS, (long) TOKENS),
                    Map.of("a", numbers(dtype, 3 + 40 * step), "b", numbers(dtype, 11 + 30 * step))));
        }
        return new Scenario(
                builder.build(),
                Map.of(),
                steps,
                (_, _, _) -> List.of(),
                dev.heng.conformance.fill.Degeneracy.of(),
                true);
    }

    private static HostTensor numbers(DType dtype, int first) {
        double[] values = new double[TOKENS * WIDTH];
        for (int index = 0; index < values.length; index++) {
            values[index] = first + index;
        }
        return HostTensor.floats(dtype, new int[] {TOKENS, WIDTH}, values);
    }

    private static double[] expected(Scenario scenario, int step, String output) {
        Map<String, HostTensor> inputs = scenario.steps().get(step).inputs();
        double[] a = Checks.output(inputs, "a").doubles();
        double[] b = Checks.output(inputs, "b").doubles();
        for (int index = 0; index < a.length; index++) {
            a[index] = output.equals("y") ? a[index] + b[index] : 2 * a[index] + b[index];
        }
        return a;
    }

    static Check sum(String what, Scenario scenario, int step, Map<String, HostTensor> outputs, String name) {
        return Checks.rounded(what, Checks.output(outputs, name), expected(scenario, step, name));
    }

    static DType dtype(Scenario scenario) {
        return scenario.graph().inputs().getFirst().type().dtype();
    }

    private static Experiment.Finding order(Experiment.Bench bench, Scenario scenario) {
        Notes notes = new Notes();
        try (Session session = Session.open(bench.device(), scenario);
                Session other = Session.open(bench.device(), scenario)) {
            for (int round = 0; round < 20; round++) {
                // Nothing is read until everything is queued: each run must see the writes before it and none after.
                session.write(0);
                session.run(0);
                Bindings elsewhere = new Bindings(
                        scenario.steps().get(1).dims(),
                        Batch.NONE,
                        Map.of(
                                "a", session.buffer("a"),
                                "b", session.buffer("b"),
                                "y", other.buffer("y"),
                                "z", other.buffer("z")));
                session.write(1);
                session.program().run(elsewhere);
                session.buffer("a").fill((byte) 0x7f);
                session.buffer("b").fill((byte) 0x7f);
                Map<String, HostTensor> first = session.read(0);
                Map<String, HostTensor> second = other.read(1);
                if (round == 0 || round == 19) {
                    notes.checks.add(sum("round " + round + ", first run: z", scenario, 0, first, "z"));
                    notes.checks.add(sum("round " + round + ", second run: z", scenario, 1, second, "z"));
                }
                offsets(notes, session.buffer("y"));
                session.buffer("y").fill((byte) 0x11);
                byte[] filled = new byte[8];
                session.buffer("y").read(0, MemorySegment.ofArray(filled));
                if (filled[0] != 0x11 || filled[7] != 0x11) {
                    notes.breaches.add(
                            "round " + round + ": a read before which a buffer was filled shows other bytes");
                }
            }
        }
        return notes.finding();
    }

    /** Writes and reads in the middle of a buffer. */
    private static void offsets(Notes notes, Buffer buffer) {
        buffer.fill((byte) 0x22);
        buffer.write(MemorySegment.ofArray(new byte[] {1, 2, 3}), 5);
        byte[] around = new byte[6];
        buffer.read(4, MemorySegment.ofArray(around));
        if (!java.util.Arrays.equals(around, new byte[] {0x22, 1, 2, 3, 0x22, 0x22})) {
            notes.breaches.add("three bytes written at 5 are read from 4 as " + java.util.Arrays.toString(around));
        }
    }

    /** Data out of range are refused with a message that names node, tensor and value (RUN-005). */
    private static Experiment.Finding names(Experiment.Bench bench, Scenario scenario) {
        Notes notes = new Notes();
        DType dtype = dtype(scenario);
        GraphBuilder builder = new GraphBuilder("names");
        TensorType type = TensorType.of(dtype, Shape.of(7, WIDTH));
        Value ids = builder.input("tokens", TensorType.of(DType.I32, Dim.of(Dim.TOKENS)));
        builder.output("y", builder.embed("the_embedding", builder.weight("table", type), ids, dtype));
        Scenario one = Scenario.of(
                builder.build(),
                Map.of("table", StoredWeight.plain(type, new double[7 * WIDTH])),
                Map.of(Dim.TOKENS, 2L),
                Map.of("tokens", HostTensor.ints(new int[] {2}, 3, 4711)),
                (_, _, _) -> List.of());
        String refusal = Session.refusal(bench.device(), one);
        if (!refusal.isEmpty()) {
            return Experiment.Finding.declined(refusal);
        }
        for (String name : List.of("the_embedding", "4711")) {
            // A fresh session each time: after a refusal that comes late nothing is promised about the next read.
            try (Session session = Session.open(bench.device(), one)) {
                notes.refuses("an id of 4711 in a table of 7", BackendException.Code.INVALID_DATA, name, () -> {
                    session.write(0);
                    session.run(0);
                    session.read(0);
                });
            }
        }
        return notes.finding();
    }

    private static Experiment.Finding bounds(Experiment.Bench bench, Scenario scenario) {
        Notes notes = new Notes();
        try (Session session = Session.open(bench.device(), scenario)) {
            Bindings good = session.bindings(0);
            for (long size : new long[] {TOKENS + 1L, -1L, 1L << 31, Long.MAX_VALUE}) {
                Bindings bad = new Bindings(Map.of(Dim.TOKENS, size), Batch.NONE, good.buffers());
                notes.refuses(
                        "a run of " + size + " tokens",
                        IllegalArgumentException.class,
                        Dim.TOKENS,
                        () -> session.program().run(bad));
            }
            notes.refuses(
                    "a run without a size",
                    IllegalArgumentException.class,
                    Dim.TOKENS,
                    () -> session.program().run(new Bindings(Map.of(), Batch.NONE, good.buffers())));
            notes.refuses(
                    "compiling without a bound",
                    IllegalArgumentException.class,
                    Dim.TOKENS,
                    () -> bench.device()
                            .compile(scenario.graph(), weight -> missing(weight), CompileOptions.of(Map.of()))
                            .close());
            notes.works("after refusals", scenario, session);
        }
        return notes.finding();
    }

    private static WeightSource.WeightData missing(Value weight) {
        throw new IllegalStateException("the graph has no weight '" + weight.name() + "'");
    }

    private static Experiment.Finding bindings(Experiment.Bench bench, Scenario scenario) {
        Notes notes = new Notes();
        TensorType type = scenario.graph().inputs().getFirst().type();
        Map<String, Long> less = Map.of(Dim.TOKENS, TOKENS - 1L);
        Map<String, Long> more = Map.of(Dim.TOKENS, TOKENS + 9L);
        Backend device = bench.device();
        try (Session session = Session.open(device, scenario);
                Buffer small = device.allocate(new BufferRequest("small", BufferRequest.Usage.TENSOR, type, less));
                Buffer large = device.allocate(new BufferRequest("large", BufferRequest.Usage.TENSOR, type, more))) {
            for (String name : List.of("a", "y")) {
                Map<String, Buffer> without = new HashMap<>(session.bindings(0).buffers());
                without.remove(name);
                notes.refuses(
                        "a run without '" + name + "'",
                        IllegalArgumentException.class,
                        name,
                        () -> session.program()
                                .run(new Bindings(session.bindings(0).dims(), Batch.NONE, without)));
                notes.refuses(
                        "a run with a small '" + name + "'",
                        IllegalArgumentException.class,
                        name,
                        () -> session.program().run(with(session, name, small)));
            }
            try (Backend stranger = bench.another().get();
                    Buffer foreign =
                            stranger.allocate(new BufferRequest("foreign", BufferRequest.Usage.TENSOR, type, more))) {
                notes.refuses(
                        "a run with another backend's buffer",
                        IllegalArgumentException.class,
                        "a",
                        () -> session.program().run(with(session, "a", foreign)));
            }
            // Larger is legal: the value lies at the start, and what follows is not touched.
            large.fill((byte) 0x23);
            session.write(0);
            session.program().run(with(session, "y", large));
            byte[] all = new byte[Math.toIntExact(type.bytes(more))];
            large.read(0, MemorySegment.ofArray(all));
            int used = Math.toIntExact(type.bytes(scenario.steps().getFirst().dims()));
            HostTensor y = new HostTensor(type.dtype(), new int[] {TOKENS, WIDTH}, java.util.Arrays.copyOf(all, used));
            notes.checks.add(Checks.rounded("y in a larger buffer", y, expected(scenario, 0, "y")));
            for (int index = used; index < all.length; index++) {
                if (all[index] != 0x23) {
                    notes.breaches.add("byte " + index + " behind a value of " + used + " bytes was written");
                    break;
                }
            }
            notes.works("after refusals", scenario, session);
        }
        return notes.finding();
    }

    private static Bindings with(Session session, String name, Buffer buffer) {
        Bindings good = session.bindings(0);
        Map<String, Buffer> buffers = new HashMap<>(good.buffers());
        buffers.put(name, buffer);
        return new Bindings(good.dims(), Batch.NONE, buffers);
    }

    private static Experiment.Finding oneBuffer(Experiment.Bench bench, Scenario scenario) {
        Notes notes = new Notes();
        try (Session session = Session.open(bench.device(), scenario)) {
            session.write(0);
            // y overwrites a, and z = y + a must still take a as it was.
            session.program().run(with(session, "y", session.buffer("a")));
            Map<String, HostTensor> outputs = session.read(0);
            notes.checks.add(sum("z beside an overwritten input", scenario, 0, outputs, "z"));
            byte[] bytes = new byte[Checks.output(outputs, "y").bytes().length];
            session.buffer("a").read(0, MemorySegment.ofArray(bytes));
            HostTensor y = new HostTensor(dtype(scenario), new int[] {TOKENS, WIDTH}, bytes);
            notes.checks.add(Checks.rounded("y over its input", y, expected(scenario, 0, "y")));
        }
        return notes.finding();
    }

    private static Experiment.Finding plan(Experiment.Bench bench, Scenario scenario) {
        Notes notes = new Notes();
        String address = bench.device().device().address();
        try (Session session = Session.open(bench.device(), scenario)) {
            List<Program.Step> steps = session.program().plan();
            Set<String> seen = new HashSet<>();
            for (Program.Step step : steps) {
                if (!step.executedBy().equals(address)) {
                    notes.breaches.add(step + " is not executed by " + address);
                }
                for (Node node : step.nodes()) {
                    if (!seen.add(node.name())) {
                        notes.breaches.add("node '" + node.name() + "' stands in two steps");
                    }
                }
            }
            Set<String> nodes =
                    scenario.graph().nodes().stream().map(Node::name).collect(Collectors.toSet());
            if (!seen.equals(nodes)) {
                notes.breaches.add("the plan executes " + seen + ", the graph has " + nodes);
            }
            notes.observed.add(steps.size() + " steps for " + nodes.size() + " nodes");
        }
        return notes.finding();
    }

    private static Experiment.Finding declined(Experiment.Bench bench, Scenario scenario) {
        Notes notes = new Notes();
        Backend device = bench.device();
        DType dtype = dtype(scenario);
        GraphBuilder builder = new GraphBuilder("declined");
        Value x = builder.input("x", TensorType.of(dtype, Dim.of(Dim.TOKENS), Dim.of(WIDTH)));
        Value sum = builder.plus("sum", x, x);
        builder.output(
                "y", builder.add("reduce", new Op.AllReduce(3), sum).results().getFirst());
        dev.heng.spi.graph.Graph graph = builder.build();
        CompileOptions options = Session.options(scenario);
        Node node = graph.nodes().getLast();
        if (!(device.supports(node, options) instanceof Support.Declined declined)) {
            if (device.device().backend().equals("reference")) {
                notes.breaches.add("reference supports three ranks, which COMM-004 says it declines");
                return notes.finding();
            }
            // Who says yes compiles: "unsupported" after "supported" is what RUN-017 calls a fault.
            try (Program _ = device.compile(graph, weight -> missing(weight), options)) {
                return Experiment.Finding.of(List.of("supports three ranks and compiles them"), List.of());
            } catch (BackendException refused) {
                notes.breaches.add("supports() said yes to " + node.name() + ", compile said " + refused.code());
                return notes.finding();
            }
        }
        if (declined.text().isBlank()) {
            notes.breaches.add("declined " + node.name() + " without a reason");
        }
        notes.refuses(
                "compiling a declined node",
                BackendException.Code.DECLINED,
                "reduce",
                () -> device.compile(graph, weight -> missing(weight), options).close());
        try (Session session = Session.open(device, scenario)) {
            notes.works("after a refused compilation", scenario, session);
        }
        return notes.finding();
    }
}
