package dev.heng.conformance.suite;

import dev.heng.conformance.random.RandomStream;
import dev.heng.spi.graph.GraphBuilder;
import dev.heng.spi.graph.Value;
import dev.heng.spi.tensor.DType;
import dev.heng.spi.tensor.Dim;
import dev.heng.spi.tensor.TensorType;
import java.util.List;
import java.util.Map;

/** Cases of Argmax and Sample. */
final class ChoiceFamilies {

    private final CaseList cases;

    private ChoiceFamilies(CaseList cases) {
        this.cases = cases;
    }

    static void addTo(CaseList cases) {
        ChoiceFamilies families = new ChoiceFamilies(cases);
        for (DType dtype : List.of(DType.F32, DType.BF16, DType.F16)) {
            for (int[] shape : new int[][] {{0, 5}, {1, 1}, {3, 127}, {5, 1025}, {2, 65_537}}) {
                families.argmax(dtype, shape[0], shape[1]);
            }
            families.edges(dtype);
        }
        for (int[] shape : new int[][] {{0, 7}, {1, 1}, {9, 127}, {24, 1025}}) {
            families.sample(shape[0], shape[1]);
        }
        families.sampleOutOfRange();
    }

    private static CaseShape shape(int outputs, int vocabulary) {
        return CaseShape.FIXED.and("O", outputs, 0).and("V", vocabulary, 1);
    }

    private void argmax(DType dtype, int outputs, int vocabulary) {
        cases.add(
                Level.SMOKE,
                "Argmax",
                Tensors.name(dtype),
                List.of("ARGMAX-001", "RUN-011"),
                "picksTheLargest",
                Tensors.name(dtype) + "/O=" + outputs + "/V=" + vocabulary,
                shape(outputs, vocabulary),
                (id, seed, shape) -> {
                    int rows = shape.get("O");
                    int width = shape.get("V");
                    RandomStream stream = RandomStream.of(id, seed, "logits");
                    double[] logits = new double[rows * width];
                    for (int index = 0; index < logits.length; index++) {
                        // Few distinct values in each row: the largest stands more than once.
                        logits[index] = stream.between(-40, 40) / 4.0;
                    }
                    return argmax(dtype, rows, width, logits);
                });
    }

    private void edges(DType dtype) {
        cases.add(
                Level.SMOKE,
                "Argmax",
                Tensors.name(dtype),
                List.of("ARGMAX-002", "ARGMAX-003", "ARGMAX-001"),
                "neverPicksNaN",
                Tensors.name(dtype),
                (_, _) -> {
                    double nan = Double.NaN;
                    double infinity = Double.POSITIVE_INFINITY;
                    return argmax(dtype, 6, 4, new double[] {
                        nan, -infinity, nan, nan, // 1
                        nan, nan, nan, nan, // 0
                        -infinity, -infinity, -infinity, -infinity, // 0
                        -0.0, 0.0, -1, nan, // 0: -0 equals 0
                        1, infinity, nan, infinity, // 1
                        nan, -3, -2, -2 // 2
                    });
                });
    }

    private static Scenario argmax(DType dtype, int rows, int width, double[] values) {
        GraphBuilder builder = new GraphBuilder("argmax");
        Value logits = builder.input("logits", TensorType.of(dtype, Dim.of(Dim.OUTPUTS), Dim.of(width)));
        builder.output("token", builder.argmax("argmax", logits));
        HostTensor input = HostTensor.floats(dtype, new int[] {rows, width}, values);
        double[] stored = input.doubles();
        int[] expected = new int[rows];
        for (int row = 0; row < rows; row++) {
            expected[row] = SamplingRule.argmax(stored, row * width, width);
        }
        return Scenario.of(
                builder.build(),
                Map.of(),
                Map.of(Dim.OUTPUTS, (long) rows),
                Map.of("logits", input),
                (_, outputs, _) -> List.of(Checks.bits(
                        "token", Checks.output(outputs, "token"), HostTensor.ints(new int[] {rows}, expected))));
    }

    private static GraphBuilder sampling(int width) {
        Dim rows = Dim.of(Dim.OUTPUTS);
        GraphBuilder builder = new GraphBuilder("sample");
        Value token = builder.sample(
                "sample",
                builder.input("logits", TensorType.of(DType.F32, rows, Dim.of(width))),
                builder.input("temperature", TensorType.of(DType.F32, rows)),
                builder.input("top_k", TensorType.of(DType.I32, rows)),
                builder.input("top_p", TensorType.of(DType.F32, rows)),
                builder.input("seed", TensorType.of(DType.I64, rows)),
                builder.input("counter", TensorType.of(DType.I32, rows)));
        builder.output("token", token);
        return builder;
    }

    private void sample(int outputs, int vocabulary) {
        cases.add(
                Level.SMOKE,
                "Sample",
                "f32",
                List.of(
                        "SAMPLE-003",
                        "SAMPLE-001",
                        "SAMPLE-002",
                        "SAMPLE-004",
                        "SAMPLE-005",
                        "SAMPLE-006",
                        "SAMPLE-007",
                        "SAMPLE-008",
                        "SAMPLE-009"),
                "samplesByCounter",
                "O=" + outputs + "/V=" + vocabulary,
                shape(outputs, vocabulary),
                (id, seed, shape) -> {
                    int rows = shape.get("O");
                    int width = shape.get("V");
                    RandomStream stream = RandomStream.of(id, seed, "sampling");
                    double[] logits = new double[rows * width];
                    for (int index = 0; index < logits.length; index++) {
                        logits[index] = 3 * stream.normal();
                    }
                    double[] temperature = new double[rows];
                    int[] topK = new int[rows];
                    double[] topP = new double[rows];
                    long[] seeds = new long[rows];
                    int[] counter = new int[rows];
                    for (int row = 0; row < rows; row++) {
                        temperature[row] = row % 4 == 3 ? 0 : 0.25 + row % 3;
                        topK[row] = row % 3 == 0 ? 0 : 1 + 7 * (row % 5);
                        topP[row] = row % 2 == 0 ? 1 : 0.1 * (row % 11);
                        seeds[row] = stream.nextLong();
                        counter[row] = row == 0 ? 0 : stream.nextInt(100_000);
                    }
                    if (rows > 8) {
                        // Degenerate rows: nothing but -infinity, one +infinity, NaN among numbers.
                        for (int index = 0; index < width; index++) {
                            logits[4 * width + index] = Double.NEGATIVE_INFINITY;
                        }
                        logits[5 * width + width / 2] = Double.POSITIVE_INFINITY;
                        logits[6 * width] = Double.NaN;
                    }
                    return sampling(rows, width, logits, temperature, topK, topP, seeds, counter);
                });
    }

    /** Returns a scenario of rows that are sampled by the parameters given, judged by {@link SamplingRule}. */
    static Scenario sampling(
            int rows,
            int width,
            double[] logits,
            double[] temperature,
            int[] topK,
            double[] topP,
            long[] seeds,
            int[] counter) {
        HostTensor input = HostTensor.floats(DType.F32, new int[] {rows, width}, logits);
        HostTensor temperatures = HostTensor.floats(DType.F32, new int[] {rows}, temperature);
        HostTensor limits = HostTensor.floats(DType.F32, new int[] {rows}, topP);
        SamplingRule rule = new SamplingRule(
                width, input.doubles(), temperatures.doubles(), topK, limits.doubles(), seeds, counter);
        return Scenario.of(
                sampling(width).build(),
                Map.of(),
                Map.of(Dim.OUTPUTS, (long) rows),
                Map.of(
                        "logits",
                        input,
                        "temperature",
                        temperatures,
                        "top_k",
                        HostTensor.ints(new int[] {rows}, topK),
                        "top_p",
                        limits,
                        "seed",
                        HostTensor.longs(new int[] {rows}, seeds),
                        "counter",
                        HostTensor.ints(new int[] {rows}, counter)),
                (_, outputs, _) -> List.of(rule.judge(Checks.output(outputs, "token"))));
    }

    private void sampleOutOfRange() {
        record Bad(String name, double temperature, int topK, double topP) {}
        for (Bad bad : List.of(
                new Bad("temperature-negative", -1, 0, 1),
                new Bad("temperature-nan", Double.NaN, 0, 1),
                new Bad("top-k-negative", 1, -1, 1),
                new Bad("top-p-above-one", 1, 0, 1.5))) {
            cases.add(
                    Level.SMOKE,
                    "Sample",
                    "f32",
                    List.of("SAMPLE-001", "RUN-005"),
                    "refusesParametersOutOfRange",
                    bad.name(),
                    (_, _) -> {
                        Scenario.Step step = Scenario.Step.invalid(
                                Map.of(Dim.OUTPUTS, 1L),
                                Map.of(
                                        "logits",
                                        HostTensor.floats(DType.F32, new int[] {1, 3}, 1, 2, 3),
                                        "temperature",
                                        HostTensor.floats(DType.F32, new int[] {1}, bad.temperature()),
                                        "top_k",
                                        HostTensor.ints(new int[] {1}, bad.topK()),
                                        "top_p",
                                        HostTensor.floats(DType.F32, new int[] {1}, bad.topP()),
                                        "seed",
                                        HostTensor.longs(new int[] {1}, 1),
                                        "counter",
                                        HostTensor.ints(new int[] {1}, 1)));
                        return new Scenario(
                                sampling(3).build(),
                                Map.of(),
                                List.of(step),
                                (_, _, _) -> List.of(),
                                dev.heng.conformance.fill.Degeneracy.of(),
                                true);
                    });
        }
    }
}
