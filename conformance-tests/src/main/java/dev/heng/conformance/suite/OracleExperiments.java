package dev.heng.conformance.suite;

import dev.heng.conformance.random.RandomStream;
import dev.heng.spi.Backend;
import dev.heng.spi.BackendOptions;
import dev.heng.spi.Batch;
import dev.heng.spi.Bindings;
import dev.heng.spi.Buffer;
import dev.heng.spi.BufferRequest;
import dev.heng.spi.CompileOptions;
import dev.heng.spi.Program;
import dev.heng.spi.graph.Graph;
import dev.heng.spi.graph.GraphBuilder;
import dev.heng.spi.tensor.DType;
import dev.heng.spi.tensor.Dim;
import dev.heng.spi.tensor.TensorType;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;

/** Experiments with states as bytes (KV-005), and with what binds only the oracle: rounding at random (FORMAT-011). */
final class OracleExperiments {

    private static final int COUNT = 20_000;

    private OracleExperiments() {}

    static void addTo(CaseList cases) {
        cases.experiment(
                Level.SMOKE,
                "Cast",
                "bf16",
                List.of("FORMAT-011"),
                "roundsAtRandomWithoutBias",
                "bf16",
                (id, seed, bench) -> stochastic(id, seed, bench.device()));
        cases.experiment(
                Level.SMOKE,
                "KvAppend",
                "any",
                List.of("KV-005", "KV-001"),
                "keepsWhatAStateHoldsInItsBytes",
                "any",
                (id, seed, bench) -> state(id, seed, bench.device()));
    }

    private static Experiment.Finding stochastic(String id, long seed, Backend device) {
        if (!device.device().backend().equals("reference")) {
            return Experiment.Finding.declined("rounding at random is the oracle's alone (FORMAT-011)");
        }
        GraphBuilder builder = new GraphBuilder("stochastic");
        TensorType type = TensorType.of(DType.F32, Dim.of(Dim.TOKENS), Dim.of(COUNT));
        builder.output("y", builder.cast("cast", builder.input("x", type), DType.BF16));
        Graph graph = builder.build();
        RandomStream stream = RandomStream.of(id, seed, "x");
        double[] shares = new double[COUNT];
        double[] values = new double[COUNT];
        for (int index = 0; index < COUNT; index++) {
            // Between 1 and the next BF16 number, 1 + 2^-7; every fifth is a number of BF16.
            shares[index] = index % 5 == 0 ? 0 : stream.nextInt(1 << 16) / 65_536.0;
            values[index] = 1 + Math.scalb(shares[index], -7);
        }
        HostTensor x = HostTensor.floats(DType.F32, new int[] {1, COUNT}, values);
        double[] first = rounded(device, graph, x, 11);
        List<String> breaches = new ArrayList<>();
        if (!Arrays.equals(first, rounded(device, graph, x, 11))) {
            breaches.add("one seed gave two results");
        }
        if (Arrays.equals(first, rounded(device, graph, x, 12))) {
            breaches.add("two seeds gave one result");
        }
        double excess = 0;
        double variance = 0;
        for (int index = 0; index < COUNT; index++) {
            double up = (first[index] - 1) * 128;
            boolean neighbour = up == 0 || (up == 1 && shares[index] > 0);
            if (!neighbour) {
                breaches.add("element " + index + " became " + first[index] + ", not a neighbour of " + values[index]);
                break;
            }
            excess += up - shares[index];
            variance += shares[index] * (1 - shares[index]);
        }
        double z = excess / Math.sqrt(variance);
        if (Math.abs(z) > 6) {
            breaches.add("rounding up and down is biased by " + z + " standard deviations");
        }
        return Experiment.Finding.of(
                List.of(COUNT + " roundings at random are off by " + z + " standard deviations"), breaches);
    }

    private static double[] rounded(Backend device, Graph graph, HostTensor x, int seed) {
        Map<String, Long> dims = Map.of(Dim.TOKENS, 1L);
        CompileOptions options = new CompileOptions(dims, new BackendOptions(Map.of("rounding", "stochastic:" + seed)));
        BufferRequest in = new BufferRequest(
                "x", BufferRequest.Usage.TENSOR, graph.inputs().getFirst().type(), dims);
        BufferRequest out = new BufferRequest(
                "y",
                BufferRequest.Usage.TENSOR,
                graph.outputs().values().iterator().next().type(),
                dims);
        try (Buffer source = device.allocate(in);
                Buffer target = device.allocate(out);
                Program program = device.compile(
                        graph,
                        weight -> {
                            throw new IllegalStateException("the graph has no weight '" + weight.name() + "'");
                        },
                        options)) {
            source.write(MemorySegment.ofArray(x.bytes()), 0);
            program.run(new Bindings(dims, Batch.NONE, Map.of("x", source, "y", target)));
            byte[] bytes = new byte[2 * COUNT];
            target.read(0, MemorySegment.ofArray(bytes));
            return new HostTensor(DType.BF16, new int[] {1, COUNT}, bytes).doubles();
        }
    }

    /** The layout of a state is the device's own, but its bytes are the state: copied to a fresh buffer they go on where it stood. */
    private static Experiment.Finding state(String id, long seed, Backend device) {
        for (DType dtype : List.of(DType.BF16, DType.F32, DType.F16)) {
            Scenario chain = ChainFamilies.attentionChain(id, seed, ModelShape.deepSeekV3(), dtype);
            if (!Session.refusal(device, chain).isEmpty()) {
                continue;
            }
            List<Map<String, HostTensor>> outputs = new ArrayList<>();
            try (Session session = Session.open(device, chain);
                    Session other = Session.open(device, chain)) {
                session.reset();
                for (int step = 0; step < chain.steps().size(); step++) {
                    Session turn = step % 2 == 0 ? session : other;
                    Session next = step % 2 == 0 ? other : session;
                    turn.write(step);
                    turn.run(step);
                    outputs.add(turn.read(step));
                    for (var cache : chain.graph().states()) {
                        byte[] bytes = new byte
                                [Math.toIntExact(turn.buffer(cache.name()).sizeBytes())];
                        turn.buffer(cache.name()).read(0, MemorySegment.ofArray(bytes));
                        next.buffer(cache.name()).write(MemorySegment.ofArray(bytes), 0);
                    }
                }
            }
            List<Check> checks = new ArrayList<>();
            for (int step = 0; step < outputs.size(); step++) {
                checks.addAll(chain.judge().judge(step, outputs.get(step), device.numerics()));
            }
            return Experiment.Finding.of(checks);
        }
        return Experiment.Finding.declined("no activation type of the device supports the chain");
    }
}
