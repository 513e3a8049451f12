package dev.heng.conformance.suite;

import dev.heng.conformance.bound.Formula;
import dev.heng.conformance.bound.MatrixUnits;
import dev.heng.conformance.bound.RoutingRule;
import dev.heng.conformance.bound.ScalarFunction;
import dev.heng.conformance.fill.Degeneracy;
import dev.heng.conformance.fill.RoutingInputs;
import dev.heng.conformance.random.RandomStream;
import dev.heng.spi.NumericsProfile;
import dev.heng.spi.graph.GraphBuilder;
import dev.heng.spi.graph.Op;
import dev.heng.spi.graph.Value;
import dev.heng.spi.tensor.DType;
import dev.heng.spi.tensor.Dim;
import dev.heng.spi.tensor.TensorType;
import java.util.Arrays;
import java.util.List;
import java.util.Map;

/** Scalar functions and casts over all 65,536 numbers of the 16-bit types, and rotations at far positions with YaRN's frequencies. */
final class ScalarFamilies {

    private static final int PATTERNS = 1 << 16;
    private static final int WIDTH = 128;
    private static final List<DType> NARROW = List.of(DType.BF16, DType.F16);

    private final CaseList cases;

    private ScalarFamilies(CaseList cases) {
        this.cases = cases;
    }

    static void addTo(CaseList cases) {
        ScalarFamilies families = new ScalarFamilies(cases);
        for (DType dtype : NARROW) {
            families.gates(dtype);
            families.scores(dtype, RoutingRule.Score.SIGMOID);
            families.scores(dtype, RoutingRule.Score.SQRT_SOFTPLUS);
            for (DType to : List.of(DType.F32, DType.BF16, DType.F16)) {
                if (to != dtype) {
                    families.casts(dtype, to);
                }
            }
            families.wideCasts(dtype);
            families.farRotations(dtype);
        }
        families.farRotations(DType.F32);
    }

    /** Returns every bit pattern of a 16-bit type. */
    private static HostTensor patterns(DType dtype) {
        long[] bits = new long[PATTERNS];
        for (int pattern = 0; pattern < PATTERNS; pattern++) {
            bits[pattern] = pattern;
        }
        return new HostTensor(dtype, new int[] {PATTERNS / WIDTH, WIDTH}, new byte[0]).withBits(bits);
    }

    private static TensorType rows(DType dtype, int width) {
        return TensorType.of(dtype, Dim.of(Dim.TOKENS), Dim.of(width));
    }

    private void gates(DType dtype) {
        cases.add(
                Level.SMOKE,
                "Swiglu",
                Tensors.name(dtype),
                List.of("NUM-003", "SWIGLU-001", "SWIGLU-002", "FORMAT-003", "FORMAT-004"),
                "gatesEveryNumber",
                Tensors.name(dtype),
                (_, _) -> {
                    GraphBuilder builder = new GraphBuilder("silu");
                    Value gate = builder.input("gate", rows(dtype, WIDTH));
                    Value up = builder.input("up", rows(dtype, WIDTH));
                    builder.output("y", builder.swiglu("swiglu", gate, up));
                    HostTensor x = patterns(dtype);
                    double[] ones = new double[PATTERNS];
                    Arrays.fill(ones, 1);
                    double[] exact = Arrays.stream(x.doubles())
                            .map(ScalarFunction.SILU::exact)
                            .toArray();
                    return Scenario.of(
                            builder.build(),
                            Map.of(),
                            Map.of(Dim.TOKENS, (long) PATTERNS / WIDTH),
                            Map.of("gate", x, "up", HostTensor.floats(dtype, x.shape(), ones)),
                            (_, outputs, profile) -> {
                                HostTensor got = Checks.output(outputs, "y");
                                double relative =
                                        MatrixUnits.scalar(profile, NumericsProfile.ScalarFunction.SILU) + 0x1p-24;
                                double floor = profile.flushesSubnormals() ? 0x1p-125 : 0x1p-147;
                                return List.of(within("y", got, exact, relative, floor));
                            });
                });
    }

    private static Check within(String what, HostTensor got, double[] exact, double relative, double floor) {
        double[] limits = new double[exact.length];
        for (int index = 0; index < limits.length; index++) {
            boolean finite = Double.isFinite(exact[index]);
            limits[index] =
                    finite ? Checks.outputRounding(got, exact[index]) + relative * Math.abs(exact[index]) + floor : 0;
        }
        return Checks.within(what, got, exact, new IntervalBound(Formula.F9, limits));
    }

    /** All finite numbers of a 16-bit type as logits, each of whose scores is a weight: all experts are chosen, none normalised. */
    private void scores(DType dtype, RoutingRule.Score score) {
        int experts = 64;
        cases.add(
                Level.REQUIRED,
                "Route",
                "f32",
                List.of("NUM-003", "ROUTE-002", "ROUTE-008", "ROUTE-010"),
                "scoresEveryNumber",
                Tensors.name(dtype) + "/" + score,
                (_, _) -> {
                    RoutingRule rule = new RoutingRule(
                            experts,
                            1,
                            1,
                            experts,
                            score,
                            RoutingRule.GroupScore.MAXIMUM,
                            RoutingRule.MaskedAs.NEGATIVE_INFINITY,
                            1);
                    double[] all = Arrays.stream(patterns(dtype).doubles())
                            .filter(Double::isFinite)
                            .toArray();
                    int tokens = all.length / experts;
                    float[] logits = new float[tokens * experts];
                    for (int index = 0; index < logits.length; index++) {
                        logits[index] = (float) all[index];
                    }
                    return RoutingFamilies.route(
                            rule,
                            new RoutingInputs(tokens, experts, logits, new float[experts], false, Degeneracy.of()));
                });
    }

    private void casts(DType from, DType to) {
        cases.add(
                Level.SMOKE,
                "Cast",
                Tensors.name(to),
                List.of("CAST-001", "FORMAT-002", "FORMAT-003", "FORMAT-004"),
                "roundsEveryNumber",
                Tensors.name(from) + "-to-" + Tensors.name(to),
                (_, _) -> cast(patterns(from), to));
    }

    private static Scenario cast(HostTensor x, DType to) {
        GraphBuilder builder = new GraphBuilder("cast");
        builder.output("y", builder.cast("cast", builder.input("x", rows(x.dtype(), WIDTH)), to));
        return Scenario.of(
                builder.build(),
                Map.of(),
                Map.of(Dim.TOKENS, (long) x.shape()[0]),
                Map.of("x", x),
                (_, outputs, _) -> List.of(Checks.rounded("y", Checks.output(outputs, "y"), x.doubles())));
    }

    /** Every upper half of an F32 with lower halves at, beside and between the ties of the narrow type. */
    private void wideCasts(DType to) {
        cases.add(
                Level.SMOKE,
                "Cast",
                Tensors.name(to),
                List.of("CAST-001", "FORMAT-002", "FORMAT-003"),
                "roundsEveryTie",
                "f32-to-" + Tensors.name(to),
                (_, _) -> {
                    // BF16's ties lie at the sixteenth bit; F16's at the twelfth and, below its normal range, above it.
                    long[] low = {0, 1, 0x0fff, 0x1000, 0x1001, 0x7fff, 0x8000, 0x8001, 0xffff};
                    long[] bits = new long[PATTERNS * low.length];
                    for (int high = 0; high < PATTERNS; high++) {
                        for (int index = 0; index < low.length; index++) {
                            bits[high * low.length + index] = (long) high << 16 | low[index];
                        }
                    }
                    HostTensor x = new HostTensor(DType.F32, new int[] {bits.length / WIDTH, WIDTH}, new byte[0])
                            .withBits(bits);
                    return cast(x, to);
                });
    }

    private void farRotations(DType dtype) {
        cases.add(
                Level.SMOKE,
                "Rope",
                Tensors.name(dtype),
                List.of("ROPE-003", "ROPE-001", "ROPE-004", "NUM-003"),
                "rotatesFarPositionsWithYarn",
                Tensors.name(dtype),
                (id, seed) -> {
                    int dims = 64;
                    int heads = 2;
                    int[] edges = {
                        131_071,
                        131_070,
                        65_536,
                        65_535,
                        32_769,
                        4_097,
                        1_025,
                        1_024,
                        1_023,
                        257,
                        255,
                        3,
                        1,
                        16_777_217,
                        2_147_483_647
                    };
                    GraphBuilder builder = new GraphBuilder("rope-yarn");
                    Value x = builder.input("x", rows(dtype, heads * dims));
                    Value at = builder.input("positions", TensorType.of(DType.I32, Dim.of(Dim.TOKENS)));
                    builder.output(
                            "y",
                            builder.rope("rope", x, at, dims, 0, Op.Pairing.INTERLEAVED, ModelShape.yarn(dims, 40)));
                    RandomStream stream = RandomStream.of(id, seed, "x");
                    double[] values = new double[edges.length * heads * dims];
                    for (int index = 0; index < values.length; index++) {
                        values[index] = stream.normal();
                    }
                    HostTensor input = HostTensor.floats(dtype, new int[] {edges.length, heads * dims}, values);
                    double[] exact = input.doubles();
                    double[] magnitudes = new double[exact.length];
                    rotate(exact, magnitudes, edges, heads, dims);
                    return Scenario.of(
                            builder.build(),
                            Map.of(),
                            Map.of(Dim.TOKENS, (long) edges.length),
                            Map.of("x", input, "positions", HostTensor.ints(new int[] {edges.length}, edges)),
                            (_, outputs, profile) -> {
                                HostTensor got = Checks.output(outputs, "y");
                                double relative = MatrixUnits.scalar(profile, NumericsProfile.ScalarFunction.SINCOS)
                                        + 4 * 0x1p-24;
                                double[] limits = new double[exact.length];
                                for (int index = 0; index < limits.length; index++) {
                                    limits[index] = Checks.outputRounding(got, exact[index])
                                            + 1.01 * relative * magnitudes[index];
                                }
                                return List.of(Checks.within("y", got, exact, new IntervalBound(Formula.F9, limits)));
                            });
                });
    }

    private static void rotate(double[] values, double[] magnitudes, int[] positions, int heads, int dims) {
        var frequencies = ModelShape.yarn(dims, 40);
        for (int row = 0; row < positions.length; row++) {
            for (int pair = 0; pair < dims / 2; pair++) {
                double high = positions[row] * frequencies.inverse(pair);
                double low = Math.fma(positions[row], frequencies.inverse(pair), -high);
                double cosine = StrictMath.cos(high) - low * StrictMath.sin(high);
                double sine = StrictMath.sin(high) + low * StrictMath.cos(high);
                for (int head = 0; head < heads; head++) {
                    int first = (row * heads + head) * dims + 2 * pair;
                    double a = values[first];
                    double b = values[first + 1];
                    values[first] = a * cosine - b * sine;
                    values[first + 1] = a * sine + b * cosine;
                    magnitudes[first] = Math.abs(a) + Math.abs(b);
                    magnitudes[first + 1] = magnitudes[first];
                }
            }
        }
    }
}
