package dev.heng.conformance.suite;

import dev.heng.conformance.bound.Formula;
import dev.heng.conformance.bound.MatrixUnits;
import dev.heng.conformance.bound.ScalarFunction;
import dev.heng.conformance.random.RandomStream;
import dev.heng.spi.NumericsProfile;
import dev.heng.spi.graph.GraphBuilder;
import dev.heng.spi.graph.Value;
import dev.heng.spi.tensor.DType;
import java.util.List;
import java.util.Map;

/** Cases of the operators that treat each element by itself: Add, Cast, Swiglu. */
final class ElementFamilies {

    private static final int[] TOKENS = {0, 1, 3, 17, 130};
    private static final int[] WIDTHS = {1, 8, 33, 127};

    private final CaseList cases;

    private ElementFamilies(CaseList cases) {
        this.cases = cases;
    }

    static void addTo(CaseList cases) {
        ElementFamilies families = new ElementFamilies(cases);
        for (DType dtype : Tensors.ACTIVATIONS) {
            for (int index = 0; index < TOKENS.length; index++) {
                int tokens = TOKENS[index];
                int width = WIDTHS[index % WIDTHS.length];
                Level level = index < 3 ? Level.SMOKE : Level.REQUIRED;
                String variant = Tensors.name(dtype) + "/T=" + tokens + "/W=" + width;
                CaseShape shape = CaseShape.FIXED.and("T", tokens, 0).and("W", width, 1);
                families.add(level, dtype, shape, variant);
                families.swiglu(level, dtype, shape, variant);
                for (DType to : Tensors.ACTIVATIONS) {
                    if (to != dtype) {
                        families.cast(
                                level,
                                dtype,
                                to,
                                shape,
                                Tensors.name(dtype) + "-to-" + Tensors.name(to) + "/T=" + tokens);
                    }
                }
            }
            families.specials(dtype);
        }
    }

    private void add(Level level, DType dtype, CaseShape shape, String variant) {
        cases.add(
                level,
                "Add",
                Tensors.name(dtype),
                List.of("ADD-001", "FORMAT-002", "RUN-011"),
                "roundsTheSumOnce",
                variant,
                shape,
                (id, seed, at) -> {
                    int tokens = at.get("T");
                    int width = at.get("W");
                    HostTensor left = Tensors.normal(RandomStream.of(id, seed, "a"), dtype, tokens, width, 1);
                    HostTensor right = Tensors.normal(RandomStream.of(id, seed, "b"), dtype, tokens, width, 3);
                    return sum(dtype, width, left, right);
                });
    }

    private static Scenario sum(DType dtype, int width, HostTensor left, HostTensor right) {
        GraphBuilder builder = new GraphBuilder("add");
        Value a = builder.input("a", Tensors.rows(dtype, width));
        Value b = builder.input("b", Tensors.rows(dtype, width));
        builder.output("y", builder.plus("add", a, b));
        double[] exact = left.doubles();
        double[] other = right.doubles();
        for (int index = 0; index < exact.length; index++) {
            exact[index] += other[index];
        }
        return Scenario.of(
                builder.build(),
                Map.of(),
                Tensors.tokens(left.shape()[0]),
                Map.of("a", left, "b", right),
                (_, outputs, _) -> List.of(Checks.rounded("y", Checks.output(outputs, "y"), exact)));
    }

    private void specials(DType dtype) {
        double largest = HostTensor.format(dtype).maxFinite();
        cases.add(
                Level.SMOKE,
                "Add",
                Tensors.name(dtype),
                List.of("ADD-001", "FORMAT-003", "FORMAT-004"),
                "followsIeeeAtTheEdges",
                Tensors.name(dtype),
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
    }

    private void cast(Level level, DType from, DType to, CaseShape shape, String variant) {
        cases.add(
                level,
                "Cast",
                Tensors.name(to),
                List.of("CAST-001", "FORMAT-002", "FORMAT-003"),
                "roundsOnce",
                variant,
                shape,
                (id, seed, at) -> {
                    int tokens = at.get("T");
                    int width = at.get("W");
                    GraphBuilder builder = new GraphBuilder("cast");
                    Value x = builder.input("x", Tensors.rows(from, width));
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
                            Tensors.tokens(tokens),
                            Map.of("x", input),
                            (_, outputs, _) ->
                                    List.of(Checks.rounded("y", Checks.output(outputs, "y"), input.doubles())));
                });
    }

    private void swiglu(Level level, DType dtype, CaseShape shape, String variant) {
        cases.add(
                level,
                "Swiglu",
                Tensors.name(dtype),
                List.of("SWIGLU-001", "SWIGLU-002"),
                "gatesAndRoundsOnce",
                variant,
                shape,
                (id, seed, at) -> {
                    int tokens = at.get("T");
                    int width = at.get("W");
                    GraphBuilder builder = new GraphBuilder("swiglu");
                    Value gate = builder.input("gate", Tensors.rows(dtype, width));
                    Value up = builder.input("up", Tensors.rows(dtype, width));
                    builder.output("y", builder.swiglu("swiglu", gate, up));
                    HostTensor g = Tensors.normal(RandomStream.of(id, seed, "gate"), dtype, tokens, width, 4);
                    HostTensor u = Tensors.normal(RandomStream.of(id, seed, "up"), dtype, tokens, width, 2);
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
                            Tensors.tokens(tokens),
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
}
