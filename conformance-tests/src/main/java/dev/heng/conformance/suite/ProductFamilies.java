package dev.heng.conformance.suite;

import dev.heng.conformance.bound.ProductMoments;
import dev.heng.conformance.fill.Degeneracy;
import dev.heng.conformance.fill.ExactProductFill;
import dev.heng.conformance.fill.FilledMatrix;
import dev.heng.conformance.fill.MatrixFill;
import dev.heng.conformance.fill.Operand;
import dev.heng.conformance.format.FloatFormat;
import dev.heng.conformance.random.RandomStream;
import dev.heng.spi.graph.ActivationFormat;
import dev.heng.spi.graph.GraphBuilder;
import dev.heng.spi.graph.Value;
import dev.heng.spi.tensor.DType;
import dev.heng.spi.tensor.Dim;
import dev.heng.spi.tensor.Quantization;
import dev.heng.spi.tensor.Shape;
import dev.heng.spi.tensor.TensorType;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/** Cases of Linear in every weight and activation format. */
final class ProductFamilies {

    private static final int[][] SMOKE_SHAPES = {{0, 5, 8}, {1, 1, 1}, {3, 7, 33}, {5, 16, 129}, {2, 130, 200}};
    private static final int[][] REQUIRED_SHAPES = {{1, 576, 512}, {17, 64, 1023}, {9, 33, 1025}, {4, 24, 7168}};

    private final CaseList cases;

    private ProductFamilies(CaseList cases) {
        this.cases = cases;
    }

    static void addTo(CaseList cases) {
        ProductFamilies families = new ProductFamilies(cases);
        for (WeightFormat format : WeightFormat.ALL) {
            boolean plain = format.quantization() instanceof Quantization.None;
            DType activations = plain ? format.dtype() : DType.BF16;
            families.sweep(format, activations, ActivationFormat.FLOAT);
            if (!plain) {
                families.linear(
                        Level.SMOKE, format, DType.F32, ActivationFormat.FLOAT, MatrixFill.UNIFORM, 4, 33, 160, false);
            }
            switch (format.quantization()) {
                case Quantization.Int8Channels _ ->
                    families.sweep(format, activations, ActivationFormat.INT8_PER_TOKEN);
                case Quantization.Fp8Blocks blocks
                when blocks.blockColumns() == 128 -> {
                    families.sweep(format, activations, ActivationFormat.FP8_PER_TOKEN_128);
                    families.sweep(format, activations, ActivationFormat.FP8_PER_TOKEN_128_POWER_OF_TWO);
                }
                case Quantization.Fp8Blocks _, Quantization.None _, Quantization.Int4Groups _ -> {}
            }
            if (plain) {
                // Large enough for the bias test to see one part in a thousand through an output of 8 bits.
                families.linear(
                        Level.SMOKE,
                        format,
                        activations,
                        ActivationFormat.FLOAT,
                        MatrixFill.UNIFORM,
                        48,
                        96,
                        256,
                        false);
                families.linear(
                        Level.SMOKE, format, activations, ActivationFormat.FLOAT, MatrixFill.HEAVY, 32, 48, 256, true);
                families.linear(
                        Level.SMOKE,
                        format,
                        activations,
                        ActivationFormat.FLOAT,
                        MatrixFill.ADVERSARIAL,
                        8,
                        24,
                        96,
                        false);
                families.linear(
                        Level.SMOKE,
                        format,
                        activations,
                        ActivationFormat.FLOAT,
                        MatrixFill.NON_FINITE_ROWS,
                        9,
                        17,
                        40,
                        false);
                families.exactIntegers(format);
            }
        }
    }

    /** Adds a product in the shape of a released model's matrix, in BF16. */
    static void real(CaseList cases, Level level, String name, int n, int k, int tokens) {
        WeightFormat format = WeightFormat.BF16;
        cases.add(
                level,
                "Linear",
                format.name(),
                List.of("LINEAR-001", "LINEAR-005", "LINEAR-002"),
                "multipliesInTheShapeOfAModel",
                name + "/T=" + tokens + ",N=" + n + ",K=" + k,
                shape(tokens, n, k),
                (id, seed, at) -> linear(
                        id, seed, format, format.dtype(), ActivationFormat.FLOAT, MatrixFill.UNIFORM, at, false));
    }

    /** Adds products of one number of tokens: kernels change by it, and some are wrong for a few. */
    static void tokens(CaseList cases, Level level, int tokens) {
        for (WeightFormat format : List.of(WeightFormat.BF16, WeightFormat.FP8)) {
            cases.add(
                    level,
                    "Linear",
                    format.name(),
                    List.of("LINEAR-005", "LINEAR-001"),
                    "multipliesAnyNumberOfTokens",
                    format.name() + "/T=" + tokens,
                    shape(tokens, 33, 144),
                    (id, seed, at) -> linear(
                            id, seed, format, DType.BF16, ActivationFormat.FLOAT, MatrixFill.UNIFORM, at, false));
        }
    }

    private static CaseShape shape(int tokens, int n, int k) {
        return CaseShape.FIXED.and("T", tokens, 0).and("N", n, 1).and("K", k, 1);
    }

    private void sweep(WeightFormat format, DType activations, ActivationFormat activation) {
        for (int[] shape : SMOKE_SHAPES) {
            for (MatrixFill fill : List.of(MatrixFill.UNIFORM, MatrixFill.ONE_HOT)) {
                linear(
                        Level.SMOKE,
                        format,
                        activations,
                        activation,
                        fill,
                        shape[0],
                        shape[1],
                        shape[2],
                        shape[1] == 16);
            }
        }
        for (int[] shape : REQUIRED_SHAPES) {
            linear(
                    Level.REQUIRED,
                    format,
                    activations,
                    activation,
                    MatrixFill.UNIFORM,
                    shape[0],
                    shape[1],
                    shape[2],
                    false);
        }
    }

    private void linear(
            Level level,
            WeightFormat format,
            DType activations,
            ActivationFormat activation,
            MatrixFill fill,
            int t,
            int n,
            int k,
            boolean withBias) {
        List<String> rules =
                new ArrayList<>(List.of("LINEAR-001", "LINEAR-002", "LINEAR-005", "QUANT-001", "QUANT-002"));
        rules.addAll(format.rules());
        rules.addAll(activationRules(activation));
        if (withBias) {
            rules.add("LINEAR-003");
        }
        if (fill == MatrixFill.NON_FINITE_ROWS) {
            rules.add("LINEAR-004");
        }
        String variant = format.name() + "/x=" + Tensors.name(activations) + "/" + activation + "/T=" + t + ",N=" + n
                + ",K=" + k + "/fill=" + fill;
        cases.add(
                level,
                "Linear",
                format.name(),
                rules,
                "multipliesWithinTheUnitsBound",
                variant,
                shape(t, n, k),
                (id, seed, at) -> linear(id, seed, format, activations, activation, fill, at, withBias));
    }

    /** Returns the rules of a rounding of activations. */
    static List<String> activationRules(ActivationFormat activation) {
        return switch (activation) {
            case FLOAT -> List.of("QUANT-040");
            case INT8_PER_TOKEN -> List.of("QUANT-041", "QUANT-042");
            case FP8_PER_TOKEN_128 -> List.of("QUANT-050", "QUANT-051", "QUANT-053");
            case FP8_PER_TOKEN_128_POWER_OF_TWO -> List.of("QUANT-052", "QUANT-051", "QUANT-053");
        };
    }

    private static Scenario linear(
            String id,
            long seed,
            WeightFormat format,
            DType activations,
            ActivationFormat activation,
            MatrixFill fill,
            CaseShape shape,
            boolean withBias) {
        int t = shape.get("T");
        int n = shape.get("N");
        int k = shape.get("K");
        boolean sparse = fill == MatrixFill.ONE_HOT;
        TensorType type = format.type(n, k);
        StoredWeight weight = StoredWeight.draw(
                RandomStream.of(id, seed, "weight"),
                type,
                sparse ? MatrixFill.ONE_HOT : fill,
                sparse ? StoredWeight.Scales.DISTINCT : StoredWeight.Scales.ALIKE);
        FilledMatrix x =
                fill.fill(RandomStream.of(id, seed, "x"), HostTensor.format(activations), Operand.ACTIVATIONS, t, k);
        double[] bias = withBias
                ? MatrixFill.NORMAL
                        .fill(RandomStream.of(id, seed, "bias"), FloatFormat.F32, Operand.WEIGHTS, 1, n)
                        .values()
                : null;
        // Adversarial data cancel in pairs of neighbours, so positions along K are not exchangeable for a blocked sum.
        boolean exchangeable =
                fill.isSignedIndependent() && fill != MatrixFill.ADVERSARIAL && fill != MatrixFill.HEAVY && !withBias;
        return scenario(activations, type, weight, x.values(), bias, activation, t, n, k, exchangeable)
                .with(x.degeneracy());
    }

    private static Scenario scenario(
            DType activations,
            TensorType type,
            StoredWeight weight,
            double[] x,
            double @Nullable [] bias,
            ActivationFormat activation,
            int t,
            int n,
            int k,
            boolean exchangeable) {
        GraphBuilder builder = new GraphBuilder("linear");
        Value input = builder.input("x", TensorType.of(activations, Dim.of(Dim.TOKENS), Dim.of(k)));
        Value matrix = builder.weight("weight", type);
        Map<String, StoredWeight> weights = new HashMap<>();
        weights.put("weight", weight);
        DType out = activations;
        if (bias == null) {
            builder.output("y", builder.linear("linear", input, matrix, activation, out));
        } else {
            TensorType biasType = TensorType.of(DType.F32, Shape.of(n));
            weights.put("bias", StoredWeight.plain(biasType, bias));
            Value offset = builder.weight("bias", biasType);
            builder.output("y", builder.linear("linear", input, matrix, offset, activation, out));
        }
        ProductRows rows =
                new ProductRows(activations, type, activation, x, weight.real(), bias, t, n, k, exchangeable);
        return Scenario.of(
                builder.build(),
                weights,
                Map.of(Dim.TOKENS, (long) t),
                Map.of("x", HostTensor.floats(activations, new int[] {t, k}, x)),
                (_, outputs, profile) -> rows.judge("y", Checks.output(outputs, "y"), profile));
    }

    private void exactIntegers(WeightFormat format) {
        // Sums within 2^8 are exact for every unit that keeps 8 bits, and exact in the output for rows near the top.
        int bits = Math.min(11, HostTensor.format(format.dtype()).significandBits());
        cases.add(
                Level.SMOKE,
                "Linear",
                format.name(),
                List.of("LINEAR-001", "LINEAR-005", "FORMAT-001"),
                "multipliesIntegersExactly",
                format.name() + "/T=7,N=37,K=67",
                shape(7, 37, 67),
                (id, seed, shape) -> {
                    int t = shape.get("T");
                    int n = shape.get("N");
                    int k = shape.get("K");
                    ExactProductFill.Operands operands = ExactProductFill.fill(
                            RandomStream.of(id, seed, "operands"), HostTensor.format(format.dtype()), bits, t, n, k);
                    TensorType type = format.type(n, k);
                    StoredWeight weight =
                            StoredWeight.plain(type, operands.weights().values());
                    double[] x = operands.activations().values();
                    double[] exact =
                            ProductMoments.of(x, weight.real(), t, n, k).exact();
                    Scenario scenario =
                            scenario(format.dtype(), type, weight, x, null, ActivationFormat.FLOAT, t, n, k, false);
                    Degeneracy found = operands.activations()
                            .degeneracy()
                            .and(operands.weights().degeneracy());
                    return new Scenario(
                            scenario.graph(),
                            scenario.weights(),
                            scenario.steps(),
                            (_, outputs, _) -> List.of(Checks.rounded("y", Checks.output(outputs, "y"), exact)),
                            found,
                            true);
                });
    }
}
