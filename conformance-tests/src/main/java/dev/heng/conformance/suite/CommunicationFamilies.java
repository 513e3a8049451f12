package dev.heng.conformance.suite;

import dev.heng.conformance.random.RandomStream;
import dev.heng.spi.graph.GraphBuilder;
import dev.heng.spi.graph.Node;
import dev.heng.spi.graph.Op;
import dev.heng.spi.graph.Value;
import dev.heng.spi.tensor.DType;
import dev.heng.spi.tensor.Dim;
import dev.heng.spi.tensor.Shape;
import dev.heng.spi.tensor.TensorType;
import java.util.Arrays;
import java.util.List;
import java.util.Map;

/**
 * Cases of AllReduce, AllToAll and AllToAllReturn over one rank, where all three are copies. What only several ranks can show - sums in
 * the same order on every rank, rows that change places - is {@link RankExperiments}' matter.
 */
final class CommunicationFamilies {

    private static final int WIDTH = 7;

    private final CaseList cases;

    private CommunicationFamilies(CaseList cases) {
        this.cases = cases;
    }

    static void addTo(CaseList cases) {
        CommunicationFamilies families = new CommunicationFamilies(cases);
        for (DType dtype : List.of(DType.F32, DType.BF16, DType.F16)) {
            for (int tokens : new int[] {0, 1, 17}) {
                families.allReduce(dtype, tokens);
            }
        }
        // Rows of each expert: empty ones at both ends, one with everything, none at all.
        for (int[] load : new int[][] {{0, 3, 0, 5, 0}, {9}, {0, 0, 0}}) {
            families.exchange(load);
            families.roundTrip(load);
        }
    }

    private void allReduce(DType dtype, int count) {
        cases.add(
                Level.SMOKE,
                "AllReduce",
                Tensors.name(dtype),
                List.of("COMM-001", "FORMAT-010", "RUN-011"),
                "copiesOverOneRank",
                Tensors.name(dtype) + "/T=" + count,
                CaseShape.FIXED.and("T", count, 0),
                (id, seed, shape) -> {
                    int tokens = shape.get("T");
                    GraphBuilder builder = new GraphBuilder("all-reduce");
                    Value x = builder.input("x", rows(dtype));
                    builder.output("y", builder.allReduce("all_reduce", x, 1));
                    HostTensor input = specials(id, seed, dtype, tokens);
                    return Scenario.of(
                            builder.build(),
                            Map.of(),
                            Map.of(Dim.TOKENS, (long) tokens),
                            Map.of("x", input),
                            (_, outputs, _) -> List.of(Checks.bits("y", Checks.output(outputs, "y"), input)));
                });
    }

    private void exchange(int[] loads) {
        cases.add(
                Level.SMOKE,
                "AllToAll",
                "bf16",
                List.of("COMM-002", "FORMAT-010", "RUN-015"),
                "keepsRowsOverOneRank",
                "load=" + Arrays.toString(loads).replace(" ", ""),
                GroupedProductFamilies.loads(loads),
                (id, seed, shape) -> {
                    int[] load = GroupedProductFamilies.loads(shape);
                    GraphBuilder builder = new GraphBuilder("all-to-all");
                    Node node = exchange(builder, load.length);
                    builder.output("received", node.results().get(0));
                    builder.output("received_offsets", node.results().get(1));
                    builder.output("receipt", node.results().get(2));
                    int used = Arrays.stream(load).sum();
                    Map<String, HostTensor> inputs = inputs(id, seed, load);
                    return Scenario.of(
                                    builder.build(),
                                    Map.of(),
                                    Map.of(Dim.TOKENS, used + 2L),
                                    inputs,
                                    (_, outputs, _) -> List.of(
                                            Checks.bits(
                                                    "rows", head(outputs, "received", used), head(inputs, "x", used)),
                                            Checks.bits(
                                                    "offsets",
                                                    Checks.output(outputs, "received_offsets"),
                                                    Checks.output(inputs, "offsets")),
                                            Checks.bits(
                                                    "receipt",
                                                    Checks.output(outputs, "receipt"),
                                                    HostTensor.ints(new int[] {1, load.length}, load))))
                            .partlySpecified();
                });
    }

    private void roundTrip(int[] loads) {
        cases.add(
                Level.SMOKE,
                "AllToAllReturn",
                "bf16",
                List.of("COMM-003", "COMM-002", "FORMAT-010", "RUN-015"),
                "bringsEveryRowBack",
                "load=" + Arrays.toString(loads).replace(" ", ""),
                GroupedProductFamilies.loads(loads),
                (id, seed, shape) -> {
                    int[] load = GroupedProductFamilies.loads(shape);
                    GraphBuilder builder = new GraphBuilder("all-to-all-return");
                    Node sent = exchange(builder, load.length);
                    Value received = sent.results().get(0);
                    // What became of a row: twice itself, so that a result taken from before the exchange shows.
                    Value worked = builder.plus("work", received, received);
                    Node back = builder.add(
                            "return",
                            new Op.AllToAllReturn(1, load.length),
                            worked,
                            sent.results().get(2),
                            sent.operands().get(1));
                    builder.output("y", back.results().getFirst());
                    int used = Arrays.stream(load).sum();
                    Map<String, HostTensor> inputs = inputs(id, seed, load);
                    double[] doubled = head(inputs, "x", used).doubles();
                    for (int index = 0; index < doubled.length; index++) {
                        doubled[index] *= 2;
                    }
                    return Scenario.of(
                                    builder.build(),
                                    Map.of(),
                                    Map.of(Dim.TOKENS, used + 2L),
                                    inputs,
                                    (_, outputs, _) -> List.of(Checks.rounded("y", head(outputs, "y", used), doubled)))
                            .partlySpecified();
                });
    }

    private static Node exchange(GraphBuilder builder, int experts) {
        Value x = builder.input("x", rows(DType.BF16));
        Value offsets = builder.input("offsets", TensorType.of(DType.I32, Shape.of(experts + 1L)));
        return builder.add("all_to_all", new Op.AllToAll(1, experts), x, offsets);
    }

    private static Map<String, HostTensor> inputs(String id, long seed, int[] load) {
        int[] offsets = new int[load.length + 1];
        for (int expert = 0; expert < load.length; expert++) {
            offsets[expert + 1] = offsets[expert] + load[expert];
        }
        // Two rows past the last offset, which nobody may need.
        HostTensor x = numbers(id, seed, DType.BF16, offsets[load.length] + 2);
        return Map.of("x", x, "offsets", HostTensor.ints(new int[] {offsets.length}, offsets));
    }

    private static TensorType rows(DType dtype) {
        return TensorType.of(dtype, Dim.of(Dim.TOKENS), Dim.of(WIDTH));
    }

    private static HostTensor numbers(String id, long seed, DType dtype, int rows) {
        RandomStream stream = RandomStream.of(id, seed, "x");
        double[] values = new double[rows * WIDTH];
        for (int index = 0; index < values.length; index++) {
            values[index] = stream.normal();
        }
        return HostTensor.floats(dtype, new int[] {rows, WIDTH}, values);
    }

    /** Returns numbers, and among the first of them what only a copy of bits keeps. */
    private static HostTensor specials(String id, long seed, DType dtype, int rows) {
        HostTensor tensor = numbers(id, seed, dtype, rows);
        long[] bits = tensor.bits();
        double[] awkward = {
            -0.0, Double.NaN, Double.NEGATIVE_INFINITY, HostTensor.format(dtype).minSubnormal()
        };
        for (int index = 0; index < Math.min(bits.length, awkward.length); index++) {
            bits[index] = HostTensor.format(dtype).encode(awkward[index]);
        }
        return tensor.withBits(bits);
    }

    private static HostTensor head(Map<String, HostTensor> tensors, String name, int rows) {
        HostTensor whole = Checks.output(tensors, name);
        int bytes = rows * WIDTH * whole.dtype().bits() / 8;
        return new HostTensor(whole.dtype(), new int[] {rows, WIDTH}, Arrays.copyOf(whole.bytes(), bytes));
    }
}
