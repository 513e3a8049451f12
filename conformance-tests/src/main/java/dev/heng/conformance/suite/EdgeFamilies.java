package dev.heng.conformance.suite;

import dev.heng.conformance.bound.Formula;
import dev.heng.conformance.bound.ScalarFunction;
import dev.heng.conformance.fill.Degeneracy;
import dev.heng.conformance.fill.MatrixFill;
import dev.heng.conformance.random.RandomStream;
import dev.heng.spi.Batch;
import dev.heng.spi.graph.ActivationFormat;
import dev.heng.spi.graph.GraphBuilder;
import dev.heng.spi.graph.Op;
import dev.heng.spi.graph.Value;
import dev.heng.spi.tensor.DType;
import dev.heng.spi.tensor.Dim;
import dev.heng.spi.tensor.RopeFrequencies;
import dev.heng.spi.tensor.Shape;
import dev.heng.spi.tensor.TensorType;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;

/** Cases of what stands at the edge of an operator: padding rows, data out of range, rows for one slot, graphs in double. */
final class EdgeFamilies {

    private final CaseList cases;

    private EdgeFamilies(CaseList cases) {
        this.cases = cases;
    }

    static void addTo(CaseList cases) {
        EdgeFamilies families = new EdgeFamilies(cases);
        for (DType dtype : List.of(DType.F32, DType.BF16, DType.F16)) {
            families.ropePadding(dtype);
        }
        families.groupedOffsets();
        families.combineOrigins();
        families.twoRowsForOneSlot();
        families.doubleGraph();
    }

    private static HostTensor normal(String id, long seed, String name, DType dtype, int rows, int width) {
        RandomStream stream = RandomStream.of(id, seed, name);
        double[] values = new double[rows * width];
        for (int index = 0; index < values.length; index++) {
            values[index] = stream.normal();
        }
        return HostTensor.floats(dtype, new int[] {rows, width}, values);
    }

    private void ropePadding(DType dtype) {
        cases.add(
                Level.SMOKE,
                "Rope",
                Tensors.name(dtype),
                List.of("ROPE-006", "RUN-015", "ROPE-005"),
                "letsPaddingChangeNoOtherRow",
                Tensors.name(dtype),
                (id, seed) -> {
                    int width = 8;
                    // At position 0 a row is copied, so rows between padding are known to the bit.
                    int[] positions = {-1, 0, -1, 0, 0, -1};
                    GraphBuilder builder = new GraphBuilder("rope-padding");
                    Value x = builder.input("x", TensorType.of(dtype, Dim.of(Dim.TOKENS), Dim.of(width)));
                    Value at = builder.input("positions", TensorType.of(DType.I32, Dim.of(Dim.TOKENS)));
                    RopeFrequencies frequencies = new RopeFrequencies(new double[] {1, 0.1, 0.01}, 1);
                    builder.output("y", builder.rope("rope", x, at, width, 1, Op.Pairing.HALF, frequencies));
                    double[] values = normal(id, seed, "x", dtype, positions.length, width)
                            .doubles();
                    List<Integer> live = new ArrayList<>();
                    for (int row = 0; row < positions.length; row++) {
                        if (positions[row] < 0) {
                            Arrays.fill(values, row * width, (row + 1) * width, Double.NaN);
                        } else {
                            live.add(row);
                        }
                    }
                    HostTensor input = HostTensor.floats(dtype, new int[] {positions.length, width}, values);
                    return Scenario.of(
                                    builder.build(),
                                    Map.of(),
                                    Map.of(Dim.TOKENS, (long) positions.length),
                                    Map.of("x", input, "positions", HostTensor.ints(new int[] {6}, positions)),
                                    (_, outputs, _) -> live.stream()
                                            .map(row -> Checks.rounded(
                                                    "row " + row,
                                                    row(Checks.output(outputs, "y"), row, width),
                                                    row(input, row, width).doubles()))
                                            .toList())
                            .partlySpecified();
                });
    }

    private static HostTensor row(HostTensor tensor, int row, int width) {
        int bytes = width * tensor.dtype().bits() / 8;
        return new HostTensor(
                tensor.dtype(),
                new int[] {1, width},
                Arrays.copyOfRange(tensor.bytes(), row * bytes, (row + 1) * bytes));
    }

    private static Scenario refused(GraphBuilder builder, Map<String, StoredWeight> weights, Scenario.Step step) {
        return new Scenario(builder.build(), weights, List.of(step), (_, _, _) -> List.of(), Degeneracy.of(), true);
    }

    private static int[] integers(List<Integer> values) {
        return values.stream().mapToInt(Integer::intValue).toArray();
    }

    private void groupedOffsets() {
        record Bad(String name, List<Integer> offsets) {}
        for (Bad bad : List.of(
                new Bad("not-from-zero", List.of(1, 2, 3)),
                new Bad("descending", List.of(0, 3, 2)),
                new Bad("past-the-rows", List.of(0, 2, 5)))) {
            cases.add(
                    Level.SMOKE,
                    "GroupedLinear",
                    "f32",
                    List.of("GROUPED-004", "RUN-005", "RUN-006"),
                    "refusesOffsetsOutOfOrder",
                    bad.name(),
                    (id, seed) -> {
                        GraphBuilder builder = new GraphBuilder("grouped-offsets");
                        Value rows = builder.input("rows", TensorType.of(DType.F32, Dim.of(Dim.TOKENS), Dim.of(8)));
                        Value offsets = builder.input("offsets", TensorType.of(DType.I32, Shape.of(3)));
                        TensorType type = TensorType.of(DType.F32, Shape.of(2, 4, 8));
                        Value experts = builder.weight("experts", type);
                        builder.output(
                                "y",
                                builder.groupedLinear(
                                        "grouped", rows, offsets, experts, ActivationFormat.FLOAT, DType.F32));
                        StoredWeight weight = StoredWeight.draw(
                                RandomStream.of(id, seed, "experts"),
                                type,
                                MatrixFill.NORMAL,
                                StoredWeight.Scales.ALIKE);
                        return refused(
                                builder,
                                Map.of("experts", weight),
                                Scenario.Step.invalid(
                                        Map.of(Dim.TOKENS, 4L),
                                        Map.of(
                                                "rows",
                                                normal(id, seed, "rows", DType.F32, 4, 8),
                                                "offsets",
                                                HostTensor.ints(new int[] {3}, integers(bad.offsets())))));
                    });
        }
    }

    private void combineOrigins() {
        record Bad(String name, List<Integer> origins) {}
        for (Bad bad : List.of(
                new Bad("twice", List.of(0, 0, 1, -1)),
                new Bad("past-the-end", List.of(0, 4, 1, -1)),
                new Bad("below", List.of(0, -2, 1, 2)))) {
            cases.add(
                    Level.SMOKE,
                    "Combine",
                    "f32",
                    List.of("COMBINE-004", "RUN-005", "RUN-006"),
                    "refusesOriginsOutOfRangeOrTwice",
                    bad.name(),
                    (id, seed) -> {
                        GraphBuilder builder = new GraphBuilder("combine-origins");
                        Dim capacity = Dim.of(Dim.TOKENS).times(2);
                        Value rows = builder.input("rows", TensorType.of(DType.F32, capacity, Dim.of(4)));
                        Value origins = builder.input("origins", TensorType.of(DType.I32, capacity));
                        Value weights =
                                builder.input("weights", TensorType.of(DType.F32, Dim.of(Dim.TOKENS), Dim.of(2)));
                        builder.output("y", builder.combine("combine", rows, origins, weights, DType.F32));
                        return refused(
                                builder,
                                Map.of(),
                                Scenario.Step.invalid(
                                        Map.of(Dim.TOKENS, 2L),
                                        Map.of(
                                                "rows",
                                                normal(id, seed, "rows", DType.F32, 4, 4),
                                                "origins",
                                                HostTensor.ints(new int[] {4}, integers(bad.origins())),
                                                "weights",
                                                normal(id, seed, "weights", DType.F32, 2, 2))));
                    });
        }
    }

    /** Two rows for one slot leave that slot open, and nothing else: attention of a sequence that does not own it is unchanged. */
    private void twoRowsForOneSlot() {
        cases.add(
                Level.SMOKE,
                "KvAppend",
                "f32",
                List.of("KV-006", "KV-001", "RUN-015"),
                "leavesOpenOnlyTheSlotWrittenTwice",
                "f32",
                (id, seed) -> {
                    GraphBuilder builder = new GraphBuilder("append-twice");
                    Dim tokens = Dim.of(Dim.TOKENS);
                    TensorType type = TensorType.of(DType.F32, tokens, Dim.of(4));
                    Value q = builder.input("q", type);
                    Value key = builder.input("key", type);
                    Value value = builder.input("value", type);
                    GraphBuilder.Paging paging = new GraphBuilder.Paging(
                            builder.input("positions", TensorType.of(DType.I32, tokens)),
                            builder.input("sequences", TensorType.of(DType.I32, tokens)),
                            builder.input(
                                    "page_table",
                                    TensorType.of(DType.I32, Dim.of(Dim.SEQUENCES), Dim.of(Dim.PAGES_PER_SEQUENCE))));
                    // Written twice is a slot of the values' cache only: two page tables' entries name one page.
                    Value keys = builder.kvAppend(
                            "append_keys", builder.cache("keys", DType.F32, 2, 4), List.of(key), paging);
                    Value values = builder.kvAppend(
                            "append_values", builder.cache("values", DType.F32, 2, 4), List.of(value), paging);
                    builder.output(
                            "y",
                            builder.groupedQueryAttention(
                                    "attention",
                                    new Op.GroupedQueryAttention(1, 1, 4, 4, 0.5, DType.F32),
                                    q,
                                    keys,
                                    values,
                                    paging));
                    HostTensor rows = normal(id, seed, "value", DType.F32, 3, 4);
                    Map<String, HostTensor> inputs = Map.of(
                            "q", normal(id, seed, "q", DType.F32, 3, 4),
                            "key", normal(id, seed, "key", DType.F32, 3, 4),
                            "value", rows,
                            "positions", HostTensor.ints(new int[] {3}, 0, 0, 0),
                            "sequences", HostTensor.ints(new int[] {3}, 0, 1, 2),
                            // Sequences 0 and 1 share a page that both write; sequence 2 has its own.
                            "page_table", HostTensor.ints(new int[] {3, 1}, 2, 2, 0));
                    Map<String, Long> dims =
                            Map.of(Dim.TOKENS, 3L, Dim.SEQUENCES, 3L, Dim.PAGES, 3L, Dim.PAGES_PER_SEQUENCE, 1L);
                    Batch batch = new Batch(
                            List.of(new Batch.Span(0, 1, 0), new Batch.Span(1, 1, 0), new Batch.Span(2, 1, 0)));
                    return new Scenario(
                            builder.build(),
                            Map.of(),
                            List.of(new Scenario.Step(dims, batch, inputs, null)),
                            // One slot in sight: softmax is 1 and the result is the value's row.
                            (_, outputs, _) -> List.of(Checks.rounded(
                                    "row of the sequence that owns its page",
                                    row(Checks.output(outputs, "y"), 2, 4),
                                    row(rows, 2, 4).doubles())),
                            Degeneracy.of(),
                            false);
                });
    }

    /** A graph in double rounds nothing to F32, inside a router neither (FORMAT-009). */
    private void doubleGraph() {
        cases.add(
                Level.SMOKE,
                "Route",
                "f64",
                List.of("FORMAT-009", "ROUTE-001"),
                "keepsDoubleInDoubleGraphs",
                "f64",
                (id, seed) -> {
                    int experts = 6;
                    GraphBuilder builder = new GraphBuilder("double");
                    Value x = builder.input("x", TensorType.of(DType.F64, Dim.of(Dim.TOKENS), Dim.of(experts)));
                    Op.Route op = new Op.Route(
                            experts,
                            2,
                            Op.Route.Score.SIGMOID,
                            1,
                            1,
                            Op.Route.GroupScore.MAXIMUM,
                            Op.Route.Masked.NEGATIVE_INFINITY,
                            false,
                            1);
                    GraphBuilder.Routed routed = builder.route("route", op, x);
                    builder.output("ids", routed.ids());
                    builder.output("weights", routed.weights());
                    // Apart by less than F32 resolves: rounded to F32 the two are a tie, which the lower id would win.
                    double[] logits = {-3, 1, 1 + 0x1p-40, -2, -1, 0};
                    double[] weights = {sigmoid(logits[2]), sigmoid(logits[1])};
                    return Scenario.of(
                            builder.build(),
                            Map.of(),
                            Map.of(Dim.TOKENS, 1L),
                            Map.of("x", HostTensor.floats(DType.F64, new int[] {1, experts}, logits)),
                            (_, outputs, _) -> {
                                double[] limits = {0x1p-50, 0x1p-50};
                                return List.of(
                                        Checks.bits(
                                                "ids",
                                                Checks.output(outputs, "ids"),
                                                HostTensor.ints(new int[] {1, 2}, 2, 1)),
                                        Checks.within(
                                                "weights",
                                                Checks.output(outputs, "weights"),
                                                weights,
                                                new IntervalBound(Formula.F9, limits)));
                            });
                });
    }

    private static double sigmoid(double x) {
        return ScalarFunction.SIGMOID.exact(x);
    }
}
