package dev.heng.conformance.suite;

import dev.heng.conformance.bound.Formula;
import dev.heng.conformance.bound.MatrixUnits;
import dev.heng.conformance.random.RandomStream;
import dev.heng.spi.NumericsProfile;
import dev.heng.spi.graph.GraphBuilder;
import dev.heng.spi.graph.Value;
import dev.heng.spi.tensor.DType;
import dev.heng.spi.tensor.Shape;
import dev.heng.spi.tensor.TensorType;
import java.util.Arrays;
import java.util.List;
import java.util.Map;

/** Cases of RmsNorm, over whole rows and over groups. */
final class NormFamilies {

    private static final int[] TOKENS = {0, 1, 3, 17, 130};
    private static final int[] WIDTHS = {1, 8, 33, 127};

    private final CaseList cases;

    private NormFamilies(CaseList cases) {
        this.cases = cases;
    }

    static void addTo(CaseList cases) {
        NormFamilies families = new NormFamilies(cases);
        for (DType dtype : Tensors.ACTIVATIONS) {
            for (int index = 0; index < TOKENS.length; index++) {
                int tokens = TOKENS[index];
                int width = WIDTHS[index % WIDTHS.length];
                Level level = index < 3 ? Level.SMOKE : Level.REQUIRED;
                String variant = Tensors.name(dtype) + "/T=" + tokens + "/W=" + width;
                families.norm(level, dtype, tokens, 1, width, variant);
                families.norm(level, dtype, tokens, 3, 16, Tensors.name(dtype) + "/T=" + tokens + "/G=3");
            }
        }
    }

    private void norm(Level level, DType dtype, int tokens, int groups, int width, String variant) {
        List<String> rules =
                groups == 1 ? List.of("NORM-001", "NORM-003", "NORM-004") : List.of("NORM-002", "NORM-001", "NORM-003");
        CaseShape shape =
                CaseShape.FIXED.and("T", tokens, 0).and("G", groups, 1).and("W", width, 1);
        for (double scale : new double[] {1, 1e-3}) {
            cases.add(
                    level,
                    "RmsNorm",
                    Tensors.name(dtype),
                    rules,
                    "normalizesEachGroup",
                    variant + "/x" + scale,
                    shape,
                    (id, seed, at) -> norm(id, seed, dtype, at.get("T"), at.get("G"), at.get("W"), scale));
        }
    }

    private static Scenario norm(String id, long seed, DType dtype, int tokens, int groups, int width, double scale) {
        // Large enough to matter beside squares of 1e-3, and of an odd value that no library has for a default.
        double epsilon = 3e-6;
        GraphBuilder builder = new GraphBuilder("norm");
        TensorType type = TensorType.of(DType.BF16, Shape.of(width));
        Value weight = builder.weight("weight", type);
        builder.output(
                "y", builder.rmsNorm("norm", builder.input("x", Tensors.rows(dtype, groups * width)), weight, epsilon));
        RandomStream stream = RandomStream.of(id, seed, "weight");
        double[] factors = new double[width];
        for (int index = 0; index < width; index++) {
            factors[index] = 1 + 0.3 * stream.normal();
        }
        StoredWeight stored = StoredWeight.plain(type, factors);
        HostTensor x = Tensors.normal(RandomStream.of(id, seed, "x"), dtype, tokens, groups * width, scale);
        double[] values = x.doubles();
        if (tokens > 2) {
            // A group of zeros stays zeros with epsilon > 0.
            Arrays.fill(values, width * groups, width * (groups + 1), 0);
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
                builder.build(),
                Map.of("weight", stored),
                Tensors.tokens(tokens),
                Map.of("x", x),
                (_, outputs, profile) -> {
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
}
