package dev.heng.conformance.suite;

import dev.heng.conformance.bound.Formula;
import dev.heng.conformance.bound.MatrixUnits;
import dev.heng.conformance.bound.ScalarFunction;
import dev.heng.conformance.fill.MatrixFill;
import dev.heng.conformance.random.RandomStream;
import dev.heng.spi.NumericsProfile;
import dev.heng.spi.graph.GraphBuilder;
import dev.heng.spi.graph.Op;
import dev.heng.spi.graph.Value;
import dev.heng.spi.tensor.DType;
import dev.heng.spi.tensor.Dim;
import dev.heng.spi.tensor.Quantization;
import dev.heng.spi.tensor.RopeFrequencies;
import dev.heng.spi.tensor.Shape;
import dev.heng.spi.tensor.TensorType;
import java.util.List;
import java.util.Map;

/** Cases of the operators that treat each element or row by itself: Embed, Add, Cast, Slice, SelectRows, RmsNorm, Swiglu, Rope. */
final class ElementFamilies {

    private static final List<DType> TYPES = List.of(DType.F32, DType.BF16, DType.F16);
    private static final int[] TOKENS = {0, 1, 3, 17, 130};
    private static final int[] WIDTHS = {1, 8, 33, 127};

    private final CaseList cases;

    private ElementFamilies(CaseList cases) {
        this.cases = cases;
    }

    static void addTo(CaseList cases) {
        ElementFamilies families = new ElementFamilies(cases);
        for (DType dtype : TYPES) {
            for (int index = 0; index < TOKENS.length; index++) {
                int tokens = TOKENS[index];
                int width = WIDTHS[index % WIDTHS.length];
                Level level = index < 3 ? Level.SMOKE : Level.REQUIRED;
                String variant = name(dtype) + "/T=" + tokens + "/W=" + width;
                families.embed(level, dtype, tokens, width, variant);
                families.add(level, dtype, tokens, width, variant);
                families.slice(level, dtype, tokens, width, variant);
                families.select(level, dtype, tokens, width, variant);
                families.swiglu(level, dtype, tokens, width, variant);
                for (DType to : TYPES) {
                    if (to != dtype) {
                        families.cast(
                                level, dtype, to, tokens, width, name(dtype) + "-to-" + name(to) + "/T=" + tokens);
                    }
                }
                families.norm(level, dtype, tokens, 1, width, variant);
                families.norm(level, dtype, tokens, 3, 16, name(dtype) + "/T=" + tokens + "/G=3");
                for (Op.Pairing pairing : Op.Pairing.values()) {
                    families.rope(level, dtype, pairing, tokens, variant + "/" + pairing);
                }
            }
            families.specials(dtype);
            families.ropeAtZero(dtype);
        }
        families.quantizedEmbedding();
        families.embedOutOfRange();
        families.selectOutOfRange();
    }

    static String name(DType dtype) {
        return dtype.name().toLowerCase(java.util.Locale.ROOT);
    }

    private static TensorType rows(DType dtype, int width) {
        return TensorType.of(dtype, Dim.of(Dim.TOKENS), Dim.of(width));
    }

    private static HostTensor normal(RandomStream stream, DType dtype, int rows, int width, double scale) {
        double[] values = new double[rows * width];
        for (int index = 0; index < values.length; index++) {
            values[index] = stream.normal() * scale;
        }
        return HostTensor.floats(dtype, new int[] {rows, width}, values);
    }

    private static Map<String, Long> tokens(int count) {
        return Map.of(Dim.TOKENS, (long) count);
    }

    private void embed(Level level, DType out, int tokens, int width, String variant) {
        cases.add(
                level,
                "Embed",
                name(out),
                List.of("EMBED-001", "FORMAT-001", "RUN-011"),
                "gathersRows",
                variant,
                (id, seed) -> {
                    int vocabulary = 37;
                    GraphBuilder builder = new GraphBuilder("embed");
                    TensorType type = TensorType.of(DType.BF16, Shape.of(vocabulary, width));
                    Value table = builder.weight("table", type);
                    Value ids = builder.input("tokens", TensorType.of(DType.I32, Dim.of(Dim.TOKENS)));
                    builder.output("y", builder.embed("embed", table, ids, out));
                    StoredWeight weight = StoredWeight.draw(
                            RandomStream.of(id, seed, "table"), type, MatrixFill.NORMAL, StoredWeight.Scales.ALIKE);
                    int[] chosen = indices(RandomStream.of(id, seed, "tokens"), tokens, vocabulary);
                    return Scenario.of(
                            builder.build(),
                            Map.of("table", weight),
                            tokens(tokens),
                            Map.of("tokens", HostTensor.ints(new int[] {tokens}, chosen)),
                            (_, outputs, _) -> List.of(Checks.rounded(
                                    "y", Checks.output(outputs, "y"), gather(weight.real(), chosen, width))));
                });
    }

    /** Returns indices that begin with the last and the first one, then repeat at random. */
    private static int[] indices(RandomStream stream, int count, int bound) {
        int[] chosen = new int[count];
        for (int index = 0; index < count; index++) {
            chosen[index] = stream.nextInt(bound);
        }
        if (count > 0) {
            chosen[0] = bound - 1;
        }
        if (count > 1) {
            chosen[1] = 0;
        }
        return chosen;
    }

    private static double[] gather(double[] source, int[] rows, int width) {
        double[] gathered = new double[rows.length * width];
        for (int row = 0; row < rows.length; row++) {
            System.arraycopy(source, rows[row] * width, gathered, row * width, width);
        }
        return gathered;
    }

    private void quantizedEmbedding() {
        List<TensorType> tables = List.of(
                new TensorType(DType.F8_E4M3, Shape.of(130, 136), new Quantization.Fp8Blocks(128, 128, DType.F32)),
                new TensorType(DType.I8, Shape.of(33, 40), new Quantization.Int8Channels(DType.BF16)),
                new TensorType(DType.I4, Shape.of(17, 44), new Quantization.Int4Groups(32, DType.F16, true)));
        List<String> names = List.of("fp8", "int8", "int4");
        List<String> layouts = List.of("QUANT-010", "QUANT-020", "QUANT-030");
        for (int index = 0; index < tables.size(); index++) {
            TensorType type = tables.get(index);
            cases.add(
                    Level.SMOKE,
                    "Embed",
                    names.get(index),
                    List.of("EMBED-001", "QUANT-001", layouts.get(index)),
                    "dequantizesRows",
                    names.get(index),
                    (id, seed) -> quantizedEmbedding(id, seed, type));
        }
    }

    private static Scenario quantizedEmbedding(String id, long seed, TensorType type) {
        int vocabulary = (int) type.shape().dim(0).size();
        int width = (int) type.shape().dim(1).size();
        GraphBuilder builder = new GraphBuilder("embed-quantized");
        Value table = builder.weight("table", type);
        Value ids = builder.input("tokens", TensorType.of(DType.I32, Dim.of(Dim.TOKENS)));
        builder.output("y", builder.embed("embed", table, ids, DType.F32));
        StoredWeight weight = StoredWeight.draw(
                RandomStream.of(id, seed, "table"), type, MatrixFill.NORMAL, StoredWeight.Scales.DISTINCT);
        int[] chosen = new int[vocabulary];
        for (int row = 0; row < vocabulary; row++) {
            chosen[row] = vocabulary - 1 - row;
        }
        // Scales are powers of two: each dequantised element is a number of F32.
        return Scenario.of(
                builder.build(),
                Map.of("table", weight),
                tokens(vocabulary),
                Map.of("tokens", HostTensor.ints(new int[] {vocabulary}, chosen)),
                (_, outputs, _) -> List.of(
                        Checks.rounded("y", Checks.output(outputs, "y"), gather(weight.real(), chosen, width))));
    }

    private void embedOutOfRange() {
        for (int bad : new int[] {-1, 37, Integer.MAX_VALUE}) {
            cases.add(
                    Level.SMOKE,
                    "Embed",
                    "i32",
                    List.of("EMBED-002", "RUN-005", "RUN-006"),
                    "refusesIdsOutsideTheTable",
                    "id=" + bad,
                    (id, seed) -> {
                        Scenario good = embedScenario(id, seed, new int[] {5, 0, 36});
                        HostTensor refused = HostTensor.ints(new int[] {3}, 5, bad, 36);
                        Scenario.Step step = Scenario.Step.invalid(tokens(3), Map.of("tokens", refused));
                        return new Scenario(
                                good.graph(),
                                good.weights(),
                                List.of(step, good.steps().getFirst()),
                                good.judge(),
                                good.degeneracy(),
                                true);
                    });
        }
    }

    private static Scenario embedScenario(String id, long seed, int[] chosen) {
        GraphBuilder builder = new GraphBuilder("embed");
        TensorType type = TensorType.of(DType.F32, Shape.of(37, 8));
        Value table = builder.weight("table", type);
        Value ids = builder.input("tokens", TensorType.of(DType.I32, Dim.of(Dim.TOKENS)));
        builder.output("y", builder.embed("embed", table, ids, DType.F32));
        StoredWeight weight = StoredWeight.draw(
                RandomStream.of(id, seed, "table"), type, MatrixFill.NORMAL, StoredWeight.Scales.ALIKE);
        return Scenario.of(
                builder.build(),
                Map.of("table", weight),
                tokens(chosen.length),
                Map.of("tokens", HostTensor.ints(new int[] {chosen.length}, chosen)),
                (_, outputs, _) ->
                        List.of(Checks.rounded("y", Checks.output(outputs, "y"), gather(weight.real(), chosen, 8))));
    }

    private void add(Level level, DType dtype, int tokens, int width, String variant) {
        cases.add(
                level,
                "Add",
                name(dtype),
                List.of("ADD-001", "FORMAT-002", "RUN-011"),
                "roundsTheSumOnce",
                variant,
                (id, seed) -> {
                    HostTensor left = normal(RandomStream.of(id, seed, "a"), dtype, tokens, width, 1);
                    HostTensor right = normal(RandomStream.of(id, seed, "b"), dtype, tokens, width, 3);
                    return sum(dtype, width, left, right);
                });
    }

    private static Scenario sum(DType dtype, int width, HostTensor left, HostTensor right) {
        GraphBuilder builder = new GraphBuilder("add");
        Value a = builder.input("a", rows(dtype, width));
        Value b = builder.input("b", rows(dtype, width));
        builder.output("y", builder.plus("add", a, b));
        double[] exact = left.doubles();
        double[] other = right.doubles();
        for (int index = 0; index < exact.length; index++) {
            exact[index] += other[index];
        }
        return Scenario.of(
                builder.build(),
                Map.of(),
                tokens(left.shape()[0]),
                Map.of("a", left, "b", right),
                (_, outputs, _) -> List.of(Checks.rounded("y", Checks.output(outputs, "y"), exact)));
    }

    private void specials(DType dtype) {
        double largest = HostTensor.format(dtype).maxFinite();
        double tiny = HostTensor.format(dtype).minSubnormal();
        cases.add(
                Level.SMOKE,
                "Add",
                name(dtype),
                List.of("ADD-001", "FORMAT-003", "FORMAT-004"),
                "followsIeeeAtTheEdges",
                name(dtype),
                (_, _) -> {
                    double infinity = Double.POSITIVE_INFINITY;
                    double[] a = {largest, -largest, infinity, infinity, Double.NaN, 1, largest, 0};
                    double[] b = {largest, -largest, -infinity, 1, 1, Double.NaN, -largest, 1};
                    return sum(
                            dtype,
                            8,
                            HostTensor.floats(dtype, new int[] {1, 8}, a),
                            HostTensor.floats(dtype, new int[] {1, 8}, b));
                });
        cases.add(
                Level.SMOKE,
                "Slice",
                name(dtype),
                List.of("SLICE-001", "FORMAT-010", "FORMAT-003"),
                "copiesEveryBitPattern",
                name(dtype),
                (_, _) -> {
                    HostTensor x = HostTensor.floats(
                            dtype, new int[] {1, 8}, 7, Double.NaN, -0.0, tiny, -tiny, largest, -1.5, 9);
                    return slice(dtype, 8, 1, 6, x);
                });
    }

    private void cast(Level level, DType from, DType to, int tokens, int width, String variant) {
        cases.add(
                level,
                "Cast",
                name(to),
                List.of("CAST-001", "FORMAT-002", "FORMAT-003"),
                "roundsOnce",
                variant,
                (id, seed) -> {
                    GraphBuilder builder = new GraphBuilder("cast");
                    Value x = builder.input("x", rows(from, width));
                    builder.output("y", builder.cast("cast", x, to));
                    RandomStream stream = RandomStream.of(id, seed, "x");
                    double[] values = new double[tokens * width];
                    for (int index = 0; index < values.length; index++) {
                        // Every binade of the smaller type, its subnormals and beyond its range.
                        values[index] = Math.scalb(stream.signedUniform(), stream.between(-30, 20));
                    }
                    HostTensor input = HostTensor.floats(from, new int[] {tokens, width}, values);
                    return Scenario.of(
                            builder.build(),
                            Map.of(),
                            tokens(tokens),
                            Map.of("x", input),
                            (_, outputs, _) ->
                                    List.of(Checks.rounded("y", Checks.output(outputs, "y"), input.doubles())));
                });
    }

    private void slice(Level level, DType dtype, int tokens, int width, String variant) {
        int whole = width + 5;
        cases.add(
                level,
                "Slice",
                name(dtype),
                List.of("SLICE-001", "FORMAT-010"),
                "copiesColumns",
                variant,
                (id, seed) ->
                        slice(dtype, whole, 3, width, normal(RandomStream.of(id, seed, "x"), dtype, tokens, whole, 1)));
    }

    private static Scenario slice(DType dtype, int whole, int from, int width, HostTensor x) {
        GraphBuilder builder = new GraphBuilder("slice");
        builder.output("y", builder.slice("slice", builder.input("x", rows(dtype, whole)), from, width));
        int tokens = x.shape()[0];
        long[] source = x.bits();
        long[] bits = new long[tokens * width];
        for (int row = 0; row < tokens; row++) {
            System.arraycopy(source, row * whole + from, bits, row * width, width);
        }
        HostTensor expected = new HostTensor(dtype, new int[] {tokens, width}, new byte[0]).withBits(bits);
        return Scenario.of(
                builder.build(),
                Map.of(),
                tokens(tokens),
                Map.of("x", x),
                (_, outputs, _) -> List.of(Checks.bits("y", Checks.output(outputs, "y"), expected)));
    }

    private static Scenario selection(DType dtype, int width, HostTensor x, int[] chosen) {
        GraphBuilder builder = new GraphBuilder("select");
        Value source = builder.input("x", rows(dtype, width));
        Value rows = builder.input("output_rows", TensorType.of(DType.I32, Dim.of(Dim.OUTPUTS)));
        builder.output("y", builder.selectRows("select", source, rows));
        long[] all = x.bits();
        long[] bits = new long[chosen.length * width];
        for (int row = 0; row < chosen.length; row++) {
            System.arraycopy(
                    all, Math.floorMod(chosen[row], Math.max(1, x.shape()[0])) * width, bits, row * width, width);
        }
        HostTensor expected = new HostTensor(dtype, new int[] {chosen.length, width}, new byte[0]).withBits(bits);
        return Scenario.of(
                builder.build(),
                Map.of(),
                Map.of(Dim.TOKENS, (long) x.shape()[0], Dim.OUTPUTS, (long) chosen.length),
                Map.of("x", x, "output_rows", HostTensor.ints(new int[] {chosen.length}, chosen)),
                (_, outputs, _) -> List.of(Checks.bits("y", Checks.output(outputs, "y"), expected)));
    }

    private void select(Level level, DType dtype, int tokens, int width, String variant) {
        cases.add(
                level,
                "SelectRows",
                name(dtype),
                List.of("SELECT-001", "FORMAT-010"),
                "copiesRowsInAnyOrder",
                variant,
                (id, seed) -> {
                    HostTensor x = normal(RandomStream.of(id, seed, "x"), dtype, tokens, width, 1);
                    int[] chosen =
                            tokens == 0 ? new int[0] : indices(RandomStream.of(id, seed, "rows"), 2 * tokens, tokens);
                    return selection(dtype, width, x, chosen);
                });
    }

    private void selectOutOfRange() {
        for (int bad : new int[] {-1, 4}) {
            cases.add(
                    Level.SMOKE,
                    "SelectRows",
                    "i32",
                    List.of("SELECT-002", "RUN-005", "RUN-006"),
                    "refusesRowsOutsideTheRun",
                    "row=" + bad,
                    (id, seed) -> {
                        HostTensor x = normal(RandomStream.of(id, seed, "x"), DType.F32, 4, 8, 1);
                        Scenario good = selection(DType.F32, 8, x, new int[] {3, 0});
                        Scenario.Step first = good.steps().getFirst();
                        Map<String, HostTensor> inputs =
                                Map.of("x", x, "output_rows", HostTensor.ints(new int[] {2}, 3, bad));
                        return new Scenario(
                                good.graph(),
                                good.weights(),
                                List.of(Scenario.Step.invalid(first.dims(), inputs), first),
                                good.judge(),
                                good.degeneracy(),
                                true);
                    });
        }
    }

    private void swiglu(Level level, DType dtype, int tokens, int width, String variant) {
        cases.add(
                level,
                "Swiglu",
                name(dtype),
                List.of("SWIGLU-001", "SWIGLU-002"),
                "gatesAndRoundsOnce",
                variant,
                (id, seed) -> {
                    GraphBuilder builder = new GraphBuilder("swiglu");
                    Value gate = builder.input("gate", rows(dtype, width));
                    Value up = builder.input("up", rows(dtype, width));
                    builder.output("y", builder.swiglu("swiglu", gate, up));
                    HostTensor g = normal(RandomStream.of(id, seed, "gate"), dtype, tokens, width, 4);
                    HostTensor u = normal(RandomStream.of(id, seed, "up"), dtype, tokens, width, 2);
                    double[] gates = g.doubles();
                    if (gates.length > 8) {
                        // So negative that e^-gate overflows F32: a zero, not NaN (SWIGLU-002).
                        gates[0] = -120;
                        gates[gates.length - 1] = -3000;
                        g = HostTensor.floats(dtype, g.shape(), gates);
                        gates = g.doubles();
                    }
                    double[] ups = u.doubles();
                    double[] exact = new double[gates.length];
                    for (int index = 0; index < exact.length; index++) {
                        exact[index] = ScalarFunction.SILU.exact(gates[index]) * ups[index];
                    }
                    return Scenario.of(
                            builder.build(),
                            Map.of(),
                            tokens(tokens),
                            Map.of("gate", g, "up", u),
                            (_, outputs, profile) -> {
                                HostTensor got = Checks.output(outputs, "y");
                                // The function's declared error and one multiplication in F32; below its normal range,
                                // the smallest steps.
                                double relative =
                                        MatrixUnits.scalar(profile, NumericsProfile.ScalarFunction.SILU) + 2 * 0x1p-24;
                                double floor = profile.flushesSubnormals() ? 0x1p-125 : 0x1p-147;
                                double[] limits = new double[exact.length];
                                for (int index = 0; index < limits.length; index++) {
                                    limits[index] = Checks.outputRounding(got, exact[index])
                                            + relative * Math.abs(exact[index])
                                            + floor * (1 + Math.abs(ups[index]));
                                }
                                return List.of(Checks.within("y", got, exact, new IntervalBound(Formula.F9, limits)));
                            });
                });
    }

    private void norm(Level level, DType dtype, int tokens, int groups, int width, String variant) {
        List<String> rules =
                groups == 1 ? List.of("NORM-001", "NORM-003", "NORM-004") : List.of("NORM-002", "NORM-001", "NORM-003");
        for (double scale : new double[] {1, 1e-3}) {
            cases.add(
                    level,
                    "RmsNorm",
                    name(dtype),
                    rules,
                    "normalizesEachGroup",
                    variant + "/x" + scale,
                    (id, seed) -> norm(id, seed, dtype, tokens, groups, width, scale));
        }
    }

    private static Scenario norm(String id, long seed, DType dtype, int tokens, int groups, int width, double scale) {
        // Large enough to matter beside squares of 1e-3, and of an odd value that no library has for a default.
        double epsilon = 3e-6;
        GraphBuilder builder = new GraphBuilder("norm");
        TensorType type = TensorType.of(DType.BF16, Shape.of(width));
        Value weight = builder.weight("weight", type);
        builder.output("y", builder.rmsNorm("norm", builder.input("x", rows(dtype, groups * width)), weight, epsilon));
        RandomStream stream = RandomStream.of(id, seed, "weight");
        double[] factors = new double[width];
        for (int index = 0; index < width; index++) {
            factors[index] = 1 + 0.3 * stream.normal();
        }
        StoredWeight stored = StoredWeight.plain(type, factors);
        HostTensor x = normal(RandomStream.of(id, seed, "x"), dtype, tokens, groups * width, scale);
        double[] values = x.doubles();
        if (tokens > 2) {
            // A group of zeros stays zeros with epsilon > 0.
            java.util.Arrays.fill(values, width * groups, width * (groups + 1), 0);
            x = HostTensor.floats(dtype, x.shape(), values);
        }
        double[] exact = new double[values.length];
        for (int group = 0; group < tokens * groups; group++) {
            double sum = 0;
            for (int index = 0; index < width; index++) {
                sum += values[group * width + index] * values[group * width + index];
            }
            for (int index = 0; index < width; index++) {
                exact[group * width + index] =
                        values[group * width + index] / Math.sqrt(sum / width + epsilon) * stored.real()[index];
            }
        }
        return Scenario.of(
                builder.build(), Map.of("weight", stored), tokens(tokens), Map.of("x", x), (_, outputs, profile) -> {
                    HostTensor got = Checks.output(outputs, "y");
                    // Squares and their sum in F32 in any order, halved by the root; the root's own error; mean,
                    // epsilon and two products.
                    double relative = (width + 3) * 0x1p-24 / 2
                            + MatrixUnits.scalar(profile, NumericsProfile.ScalarFunction.RSQRT)
                            + 3 * 0x1p-24;
                    double[] limits = new double[exact.length];
                    for (int index = 0; index < limits.length; index++) {
                        limits[index] =
                                Checks.outputRounding(got, exact[index]) + 1.01 * relative * Math.abs(exact[index]);
                    }
                    return List.of(Checks.within("y", got, exact, new IntervalBound(Formula.F9, limits)));
                });
    }

    private void rope(Level level, DType dtype, Op.Pairing pairing, int tokens, String variant) {
        cases.add(
                level,
                "Rope",
                name(dtype),
                List.of("ROPE-001", "ROPE-002", "ROPE-003", "ROPE-004", "FORMAT-010"),
                "rotatesPairsAtEveryPosition",
                variant,
                (id, seed) -> {
                    RandomStream stream = RandomStream.of(id, seed, "positions");
                    int[] edges = {131_071, 1, 4_095, 4_096, 65_537, 0, 255};
                    int[] positions = new int[tokens];
                    for (int row = 0; row < tokens; row++) {
                        positions[row] = row < edges.length ? edges[row] : stream.nextInt(131_072);
                    }
                    return rotation(id, seed, dtype, pairing, positions, 1.25);
                });
    }

    private void ropeAtZero(DType dtype) {
        cases.add(
                Level.SMOKE,
                "Rope",
                name(dtype),
                List.of("ROPE-005"),
                "leavesPositionZeroAsItIs",
                name(dtype),
                (id, seed) -> {
                    Scenario rotation = rotation(id, seed, dtype, Op.Pairing.HALF, new int[] {0, 0, 0}, 1);
                    HostTensor x = java.util.Objects.requireNonNull(
                            rotation.steps().getFirst().inputs().get("x"));
                    return new Scenario(
                            rotation.graph(),
                            Map.of(),
                            rotation.steps(),
                            (_, outputs, _) -> List.of(Checks.rounded("y", Checks.output(outputs, "y"), x.doubles())),
                            rotation.degeneracy(),
                            true);
                });
    }

    private static Scenario rotation(
            String id, long seed, DType dtype, Op.Pairing pairing, int[] positions, double factor) {
        int heads = 2;
        int headDim = 14;
        int offset = 3;
        int pairs = 5;
        double[] inverse = new double[pairs];
        for (int pair = 0; pair < pairs; pair++) {
            inverse[pair] = StrictMath.pow(10_000, -(double) pair / pairs);
        }
        GraphBuilder builder = new GraphBuilder("rope");
        Value x = builder.input("x", rows(dtype, heads * headDim));
        Value at = builder.input("positions", TensorType.of(DType.I32, Dim.of(Dim.TOKENS)));
        RopeFrequencies frequencies = new RopeFrequencies(inverse, factor);
        builder.output("y", builder.rope("rope", x, at, headDim, offset, pairing, frequencies));
        int tokens = positions.length;
        HostTensor input = normal(RandomStream.of(id, seed, "x"), dtype, tokens, heads * headDim, 1);
        double[] exact = input.doubles();
        double[] touched = new double[exact.length];
        for (int row = 0; row < tokens; row++) {
            for (int head = 0; head < heads; head++) {
                for (int pair = 0; pair < pairs; pair++) {
                    int start = row * heads * headDim + head * headDim + offset;
                    int first = pairing == Op.Pairing.INTERLEAVED ? start + 2 * pair : start + pair;
                    int second = pairing == Op.Pairing.INTERLEAVED ? first + 1 : first + pairs;
                    // The exact product of position and frequency as a sum of two doubles.
                    double high = positions[row] * inverse[pair];
                    double low = Math.fma(positions[row], inverse[pair], -high);
                    double cosine = factor * (StrictMath.cos(high) - low * StrictMath.sin(high));
                    double sine = factor * (StrictMath.sin(high) + low * StrictMath.cos(high));
                    double a = exact[first];
                    double b = exact[second];
                    exact[first] = a * cosine - b * sine;
                    exact[second] = a * sine + b * cosine;
                    touched[first] = Math.abs(a * cosine) + Math.abs(b * sine);
                    touched[second] = Math.abs(a * sine) + Math.abs(b * cosine);
                }
            }
        }
        return Scenario.of(
                builder.build(),
                Map.of(),
                tokens(tokens),
                Map.of("x", input, "positions", HostTensor.ints(new int[] {tokens}, positions)),
                (_, outputs, profile) -> {
                    HostTensor got = Checks.output(outputs, "y");
                    // Sine and cosine, the factor, two products and a sum in F32; elements that no pair touches are
                    // copied.
                    double relative = MatrixUnits.scalar(profile, NumericsProfile.ScalarFunction.SINCOS) + 4 * 0x1p-24;
                    double[] limits = new double[exact.length];
                    for (int index = 0; index < limits.length; index++) {
                        limits[index] = touched[index] == 0
                                ? 0
                                : Checks.outputRounding(got, exact[index]) + 1.01 * relative * touched[index];
                    }
                    return List.of(Checks.within("y", got, exact, new IntervalBound(Formula.F9, limits)));
                });
    }
}
