package dev.heng.conformance.suite;

import dev.heng.conformance.bound.Formula;
import dev.heng.conformance.fill.Degeneracy;
import dev.heng.conformance.random.RandomStream;
import dev.heng.spi.Batch;
import dev.heng.spi.graph.ActivationFormat;
import dev.heng.spi.graph.GraphBuilder;
import dev.heng.spi.graph.Op;
import dev.heng.spi.graph.Value;
import dev.heng.spi.tensor.DType;
import dev.heng.spi.tensor.Dim;
import dev.heng.spi.tensor.Shape;
import dev.heng.spi.tensor.TensorType;
import java.util.Arrays;
import java.util.List;
import java.util.Map;

/** Cases for single faults that broad fills let pass: each fill triggers one thing, and nothing else differs. */
final class BlindSpotFamilies {

    private final CaseList cases;

    private BlindSpotFamilies(CaseList cases) {
        this.cases = cases;
    }

    static void addTo(CaseList cases) {
        BlindSpotFamilies families = new BlindSpotFamilies(cases);
        for (DType dtype : List.of(DType.F32, DType.BF16, DType.F16)) {
            families.zeroWeights(dtype);
            families.tokenWithoutRows(dtype);
            families.largeScores(dtype);
            families.wideArgmax(dtype);
        }
        families.closeLogits();
        families.appendAlone();
        families.narrowChoices("top-k");
        families.narrowChoices("top-p");
        families.narrowChoices("nan");
    }

    private static HostTensor normal(String id, long seed, String name, DType dtype, int rows, int width) {
        RandomStream stream = RandomStream.of(id, seed, name);
        double[] values = new double[rows * width];
        for (int index = 0; index < values.length; index++) {
            values[index] = stream.normal();
        }
        return HostTensor.floats(dtype, new int[] {rows, width}, values);
    }

    private static TensorType rows(DType dtype, int width) {
        return TensorType.of(dtype, Dim.of(Dim.TOKENS), Dim.of(width));
    }

    /** Zero times infinity is NaN, and zero times NaN too: weights of zeros hide neither. */
    private void zeroWeights(DType dtype) {
        cases.add(
                Level.SMOKE,
                "Linear",
                Tensors.name(dtype),
                List.of("LINEAR-004"),
                "hidesNoNaNBehindZeros",
                Tensors.name(dtype),
                (id, seed) -> {
                    int n = 17;
                    int k = 40;
                    TensorType type = TensorType.of(dtype, Shape.of(n, k));
                    double[] x = normal(id, seed, "x", dtype, 4, k).doubles();
                    x[k + 7] = Double.NaN;
                    x[2 * k + 31] = Double.POSITIVE_INFINITY;
                    double[] exact = new double[4 * n];
                    Arrays.fill(exact, n, 3 * n, Double.NaN);
                    GraphBuilder builder = new GraphBuilder("zero-weights");
                    Value weight = builder.weight("weight", type);
                    builder.output(
                            "y",
                            builder.linear(
                                    "linear",
                                    builder.input("x", rows(dtype, k)),
                                    weight,
                                    ActivationFormat.FLOAT,
                                    dtype));
                    return Scenario.of(
                            builder.build(),
                            Map.of("weight", StoredWeight.plain(type, new double[n * k])),
                            Map.of(Dim.TOKENS, 4L),
                            Map.of("x", HostTensor.floats(dtype, new int[] {4, k}, x)),
                            (_, outputs, _) -> List.of(Checks.rounded("y", Checks.output(outputs, "y"), exact)));
                });
    }

    private void tokenWithoutRows(DType dtype) {
        cases.add(
                Level.SMOKE,
                "Combine",
                Tensors.name(dtype),
                List.of("COMBINE-002"),
                "givesZerosToTokensWithoutRows",
                Tensors.name(dtype),
                (id, seed) -> {
                    int width = 9;
                    int tokens = 5;
                    // Tokens 1, 3 and 4 have no row at all.
                    int[] origins = {4, 0, 1, 5, -1, -1, -1, -1, -1, -1};
                    HostTensor rows = normal(id, seed, "rows", dtype, 2 * tokens, width);
                    double[] values = rows.doubles();
                    double[] exact = new double[tokens * width];
                    for (int row = 0; row < 4; row++) {
                        for (int column = 0; column < width; column++) {
                            exact[origins[row] / 2 * width + column] += values[row * width + column];
                        }
                    }
                    double[] ones = new double[2 * tokens];
                    Arrays.fill(ones, 1);
                    GraphBuilder builder = new GraphBuilder("combine-without-rows");
                    Dim capacity = Dim.of(Dim.TOKENS).times(2);
                    builder.output(
                            "y",
                            builder.combine(
                                    "combine",
                                    builder.input("rows", TensorType.of(dtype, capacity, Dim.of(width))),
                                    builder.input("origins", TensorType.of(DType.I32, capacity)),
                                    builder.input("weights", rows(DType.F32, 2)),
                                    dtype));
                    return Scenario.of(
                            builder.build(),
                            Map.of(),
                            Map.of(Dim.TOKENS, (long) tokens),
                            Map.of(
                                    "rows", rows,
                                    "origins", HostTensor.ints(new int[] {origins.length}, origins),
                                    "weights", HostTensor.floats(DType.F32, new int[] {tokens, 2}, ones)),
                            (_, outputs, _) -> {
                                HostTensor got = Checks.output(outputs, "y");
                                double[] limits = new double[exact.length];
                                for (int index = 0; index < limits.length; index++) {
                                    // Two rows of weight one: a product each and a sum in F32.
                                    limits[index] = exact[index] == 0
                                            ? 0
                                            : Checks.outputRounding(got, exact[index]) + 8 * 0x1p-24 * 8;
                                }
                                return List.of(Checks.within("y", got, exact, new IntervalBound(Formula.F8, limits)));
                            });
                });
    }

    /** Scores hundreds apart: exp overflows F32 unless the largest is taken off, and then one slot has all the weight. */
    private void largeScores(DType dtype) {
        cases.add(
                Level.SMOKE,
                "GroupedQueryAttention",
                Tensors.name(dtype),
                List.of("MLA-005", "GQA-001", "GQA-003"),
                "takesOffTheLargestScore",
                Tensors.name(dtype),
                (id, seed) -> {
                    int slots = 5;
                    double[] keys = {8, -8, 20, 12, 4};
                    double[] q = {0, 0, 0, 0, 32};
                    HostTensor values = normal(id, seed, "values", dtype, slots, 6);
                    GraphBuilder builder = new GraphBuilder("large-scores");
                    GraphBuilder.Paging paging = paging(builder);
                    Value query = builder.input("q", rows(dtype, 1));
                    Value appendedKeys = builder.kvAppend(
                            "append_keys",
                            builder.cache("keys", dtype, 2, 1),
                            List.of(builder.input("key", rows(dtype, 1))),
                            paging);
                    Value appendedValues = builder.kvAppend(
                            "append_values",
                            builder.cache("values_cache", dtype, 2, 6),
                            List.of(builder.input("value", rows(dtype, 6))),
                            paging);
                    builder.output(
                            "y",
                            builder.groupedQueryAttention(
                                    "attention",
                                    new Op.GroupedQueryAttention(1, 1, 1, 6, 1, dtype),
                                    query,
                                    appendedKeys,
                                    appendedValues,
                                    paging));
                    Map<String, HostTensor> inputs = Map.of(
                            "q", HostTensor.floats(dtype, new int[] {slots, 1}, q),
                            "key", HostTensor.floats(dtype, new int[] {slots, 1}, keys),
                            "value", values,
                            "positions", HostTensor.ints(new int[] {slots}, 0, 1, 2, 3, 4),
                            "sequences", HostTensor.ints(new int[] {slots}, 0, 0, 0, 0, 0),
                            "page_table", HostTensor.ints(new int[] {1, 3}, 2, 0, 1));
                    // The last row's scores are 256, -256, 640, 384 and 128: slot 2 weighs 1, the others nothing.
                    int bytes = 6 * dtype.bits() / 8;
                    double[] exact = Arrays.copyOfRange(values.doubles(), 12, 18);
                    Map<String, Long> dims = Map.of(
                            Dim.TOKENS, (long) slots, Dim.SEQUENCES, 1L, Dim.PAGES, 3L, Dim.PAGES_PER_SEQUENCE, 3L);
                    return new Scenario(
                            builder.build(),
                            Map.of(),
                            List.of(new Scenario.Step(
                                    dims, new Batch(List.of(new Batch.Span(0, slots, 0))), inputs, null)),
                            (_, outputs, _) -> {
                                HostTensor got = Checks.output(outputs, "y");
                                HostTensor last = new HostTensor(
                                        dtype, new int[] {1, 6}, Arrays.copyOfRange(got.bytes(), 4 * bytes, 5 * bytes));
                                double[] limits = new double[6];
                                for (int index = 0; index < 6; index++) {
                                    // The division, and a probability that is rounded.
                                    limits[index] = Checks.outputRounding(last, exact[index])
                                            + 5 * 0x1p-24 * Math.abs(exact[index]);
                                }
                                return List.of(Checks.within("y", last, exact, new IntervalBound(Formula.F8, limits)));
                            },
                            Degeneracy.of(),
                            true);
                });
    }

    private static GraphBuilder.Paging paging(GraphBuilder builder) {
        TensorType perToken = TensorType.of(DType.I32, Dim.of(Dim.TOKENS));
        return new GraphBuilder.Paging(
                builder.input("positions", perToken),
                builder.input("sequences", perToken),
                builder.input(
                        "page_table", TensorType.of(DType.I32, Dim.of(Dim.SEQUENCES), Dim.of(Dim.PAGES_PER_SEQUENCE))));
    }

    private static Scenario argmax(DType dtype, int width, double[] logits, int... expected) {
        GraphBuilder builder = new GraphBuilder("argmax");
        Value x = builder.input("logits", TensorType.of(dtype, Dim.of(Dim.OUTPUTS), Dim.of(width)));
        builder.output("token", builder.argmax("argmax", x));
        int rows = expected.length;
        return Scenario.of(
                builder.build(),
                Map.of(),
                Map.of(Dim.OUTPUTS, (long) rows),
                Map.of("logits", HostTensor.floats(dtype, new int[] {rows, width}, logits)),
                (_, outputs, _) -> List.of(Checks.bits(
                        "token", Checks.output(outputs, "token"), HostTensor.ints(new int[] {rows}, expected))));
    }

    /** The largest logit stands behind 65,536 others, and the last of a vocabulary as released models have. */
    private void wideArgmax(DType dtype) {
        cases.add(
                Level.SMOKE,
                "Argmax",
                Tensors.name(dtype),
                List.of("ARGMAX-001"),
                "looksAtEveryColumn",
                Tensors.name(dtype),
                (_, _) -> {
                    int width = 129_280;
                    double[] logits = new double[3 * width];
                    logits[65_536] = 1;
                    logits[width + width - 1] = 2;
                    logits[2 * width + 65_537 + 255] = 0.5;
                    return argmax(dtype, width, logits, 65_536, width - 1, 65_537 + 255);
                });
    }

    /** Logits closer than BF16 or TF32 tell apart. */
    private void closeLogits() {
        cases.add(Level.SMOKE, "Argmax", "f32", List.of("ARGMAX-001"), "comparesWithoutRounding", "f32", (_, _) -> {
            int width = 97;
            double[] logits = new double[2 * width];
            for (int index = 0; index < width; index++) {
                logits[index] = 1 + index % 64 * 0x1p-23;
                logits[width + index] = -1 - index % 50 * 0x1p-23;
            }
            return argmax(DType.F32, width, logits, 63, 0);
        });
    }

    /** KvAppend beside a node that reads nothing of it: only the append itself can refuse. */
    private void appendAlone() {
        record Bad(String name, int position, int sequence, int page) {}
        for (Bad bad : List.of(
                new Bad("position", 4, 0, 1),
                new Bad("sequence-past-the-table", 3, 1, 1),
                new Bad("page-past-the-cache", 3, 0, 3),
                new Bad("page-negative", 3, 0, -1))) {
            cases.add(
                    Level.SMOKE,
                    "KvAppend",
                    "f32",
                    List.of("KV-004", "RUN-005"),
                    "refusesByItself",
                    bad.name(),
                    (id, seed) -> {
                        GraphBuilder builder = new GraphBuilder("append-alone");
                        GraphBuilder.Paging paging = paging(builder);
                        Value x = builder.input("x", rows(DType.F32, 4));
                        builder.kvAppend("append", builder.cache("cache", DType.F32, 2, 4), List.of(x), paging);
                        builder.output("y", builder.plus("beside", x, x));
                        Map<String, HostTensor> inputs = Map.of(
                                "x", normal(id, seed, "x", DType.F32, 1, 4),
                                "positions", HostTensor.ints(new int[] {1}, bad.position()),
                                "sequences", HostTensor.ints(new int[] {1}, bad.sequence()),
                                "page_table", HostTensor.ints(new int[] {1, 2}, bad.page(), bad.page()));
                        Map<String, Long> dims =
                                Map.of(Dim.TOKENS, 1L, Dim.SEQUENCES, 1L, Dim.PAGES, 2L, Dim.PAGES_PER_SEQUENCE, 2L);
                        return new Scenario(
                                builder.build(),
                                Map.of(),
                                List.of(Scenario.Step.invalid(dims, inputs)),
                                (_, _, _) -> List.of(),
                                Degeneracy.of(),
                                true);
                    });
        }
    }

    /** Few candidates of nearly equal logits under much noise: one more or one less changes many of the rows. */
    private void narrowChoices(String which) {
        cases.add(
                Level.SMOKE,
                "Sample",
                "f32",
                List.of("SAMPLE-006", "SAMPLE-007", "SAMPLE-003"),
                "samplesFromFewCandidates",
                which,
                CaseShape.FIXED.and("O", 96, 1).and("V", 11, 1),
                (id, seed, shape) -> {
                    int rows = shape.get("O");
                    int width = shape.get("V");
                    RandomStream stream = RandomStream.of(id, seed, "logits");
                    double[] logits = new double[rows * width];
                    double[] temperature = new double[rows];
                    double[] topP = new double[rows];
                    int[] topK = new int[rows];
                    int[] counter = new int[rows];
                    long[] seeds = new long[rows];
                    for (int row = 0; row < rows; row++) {
                        int[] order = stream.permutation(width);
                        for (int index = 0; index < width; index++) {
                            logits[row * width + index] = 0.01 * order[index];
                        }
                        temperature[row] = 4;
                        topK[row] = which.equals("top-k") ? 1 + row % 4 : 0;
                        // Each candidate has a probability near 1/11.
                        topP[row] = which.equals("top-p") ? 0.05 + 0.1 * (row % 4) : 1;
                        if (which.equals("nan")) {
                            logits[row * width + row % width] = Double.NaN;
                            topK[row] = 3;
                        }
                        seeds[row] = stream.nextLong();
                        counter[row] = row;
                    }
                    return ChoiceFamilies.sampling(rows, width, logits, temperature, topK, topP, seeds, counter);
                });
    }
}
