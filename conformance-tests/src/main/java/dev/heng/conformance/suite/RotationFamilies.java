package dev.heng.conformance.suite;

import dev.heng.conformance.bound.Formula;
import dev.heng.conformance.bound.MatrixUnits;
import dev.heng.conformance.random.RandomStream;
import dev.heng.spi.NumericsProfile;
import dev.heng.spi.graph.GraphBuilder;
import dev.heng.spi.graph.Op;
import dev.heng.spi.graph.Value;
import dev.heng.spi.tensor.DType;
import dev.heng.spi.tensor.Dim;
import dev.heng.spi.tensor.RopeFrequencies;
import dev.heng.spi.tensor.TensorType;
import java.util.List;
import java.util.Map;
import java.util.Objects;

/** Cases of Rope: pairs, parts of heads, positions near and far. */
final class RotationFamilies {

    private static final int[] TOKENS = {0, 1, 3, 17, 130};
    private static final int[] WIDTHS = {1, 8, 33, 127};

    private final CaseList cases;

    private RotationFamilies(CaseList cases) {
        this.cases = cases;
    }

    static void addTo(CaseList cases) {
        RotationFamilies families = new RotationFamilies(cases);
        for (DType dtype : Tensors.ACTIVATIONS) {
            for (int index = 0; index < TOKENS.length; index++) {
                int tokens = TOKENS[index];
                int width = WIDTHS[index % WIDTHS.length];
                Level level = index < 3 ? Level.SMOKE : Level.REQUIRED;
                String variant = Tensors.name(dtype) + "/T=" + tokens + "/W=" + width;
                for (Op.Pairing pairing : Op.Pairing.values()) {
                    families.rope(level, dtype, pairing, tokens, variant + "/" + pairing);
                }
            }
            families.ropeAtZero(dtype);
        }
    }

    private void rope(Level level, DType dtype, Op.Pairing pairing, int tokens, String variant) {
        cases.add(
                level,
                "Rope",
                Tensors.name(dtype),
                List.of("ROPE-001", "ROPE-002", "ROPE-003", "ROPE-004", "FORMAT-010"),
                "rotatesPairsAtEveryPosition",
                variant,
                CaseShape.FIXED.and("T", tokens, 0).and("heads", 2, 1).and("pairs", 5, 1),
                (id, seed, shape) -> {
                    RandomStream stream = RandomStream.of(id, seed, "positions");
                    int[] edges = {131_071, 1, 4_095, 4_096, 65_537, 0, 255};
                    int[] positions = new int[shape.get("T")];
                    for (int row = 0; row < positions.length; row++) {
                        positions[row] = row < edges.length ? edges[row] : stream.nextInt(131_072);
                    }
                    return rotation(id, seed, dtype, pairing, positions, shape.get("heads"), shape.get("pairs"), 1.25);
                });
    }

    private void ropeAtZero(DType dtype) {
        cases.add(
                Level.SMOKE,
                "Rope",
                Tensors.name(dtype),
                List.of("ROPE-005"),
                "leavesPositionZeroAsItIs",
                Tensors.name(dtype),
                (id, seed) -> {
                    Scenario rotation = rotation(id, seed, dtype, Op.Pairing.HALF, new int[] {0, 0, 0}, 2, 5, 1);
                    HostTensor x = Objects.requireNonNull(
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
            String id,
            long seed,
            DType dtype,
            Op.Pairing pairing,
            int[] positions,
            int heads,
            int pairs,
            double factor) {
        int headDim = 14;
        int offset = 3;
        double[] inverse = new double[pairs];
        for (int pair = 0; pair < pairs; pair++) {
            inverse[pair] = StrictMath.pow(10_000, -(double) pair / pairs);
        }
        GraphBuilder builder = new GraphBuilder("rope");
        Value x = builder.input("x", Tensors.rows(dtype, heads * headDim));
        Value at = builder.input("positions", TensorType.of(DType.I32, Dim.of(Dim.TOKENS)));
        RopeFrequencies frequencies = new RopeFrequencies(inverse, factor);
        builder.output("y", builder.rope("rope", x, at, headDim, offset, pairing, frequencies));
        int tokens = positions.length;
        HostTensor input = Tensors.normal(RandomStream.of(id, seed, "x"), dtype, tokens, heads * headDim, 1);
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
                Tensors.tokens(tokens),
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
