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
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/** Cases of Linear and GroupedLinear in every weight and activation format. */
final class ProductFamilies {

    private static final int[][] SMOKE_SHAPES = {{0, 5, 8}, {1, 1, 1}, {3, 7, 33}, {5, 16, 129}, {2, 130, 200}};
    private static final int[][] REQUIRED_SHAPES = {{1, 576, 512}, {17, 64, 1023}, {9, 33, 1025}, {4, 24, 7168}};

    private final CaseList cases;

    private ProductFamilies(CaseList cases) {
        this.cases = cases;
    }

    /** A weight format, its name in ids and the rules of its layout. */
    private record Format(String name, DType dtype, Quantization quantization, List<String> rules) {
        TensorType type(long... shape) {
            return new TensorType(dtype, Shape.of(shape), quantization);
        }
    }

    private static final List<Format> FORMATS = List.of(
            new Format("f32", DType.F32, Quantization.NONE, List.of("QUANT-004")),
            new Format("bf16", DType.BF16, Quantization.NONE, List.of("QUANT-004", "FORMAT-005")),
            new Format("f16", DType.F16, Quantization.NONE, List.of("QUANT-004", "FORMAT-006")),
            fp8("fp8-f32", 128, DType.F32),
            fp8("fp8-bf16", 128, DType.BF16),
            fp8("fp8-e8m0", 128, DType.F8_E8M0),
            fp8("fp8-f32-block32", 32, DType.F32),
            int8("int8-f32", DType.F32),
            int8("int8-f16", DType.F16),
            int8("int8-bf16", DType.BF16),
            int4("int4-g32-bf16", 32, DType.BF16, false),
            int4("int4-g128-f16", 128, DType.F16, false),
            int4("int4-g32-f32-zero", 32, DType.F32, true),
            int4("int4-g20-bf16-zero", 20, DType.BF16, true));

    private static Format fp8(String name, int block, DType scale) {
        List<String> rules = new ArrayList<>(List.of("QUANT-010", "QUANT-011", "QUANT-012", "FORMAT-007"));
        if (scale == DType.F8_E8M0) {
            rules.add("FORMAT-008");
        }
        return new Format(name, DType.F8_E4M3, new Quantization.Fp8Blocks(block, block, scale), rules);
    }

    private static Format int8(String name, DType scale) {
        return new Format(name, DType.I8, new Quantization.Int8Channels(scale), List.of("QUANT-020"));
    }

    private static Format int4(String name, int group, DType scale, boolean zeroPoints) {
        List<String> rules = List.of("QUANT-030", "QUANT-031", zeroPoints ? "QUANT-032" : "QUANT-033");
        return new Format(name, DType.I4, new Quantization.Int4Groups(group, scale, zeroPoints), rules);
    }

    static void addTo(CaseList cases) {
        ProductFamilies families = new ProductFamilies(cases);
        for (Format format : FORMATS) {
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
            families.grouped(format, activations, ActivationFormat.FLOAT);
        }
        families.grouped(FORMATS.get(7), DType.BF16, ActivationFormat.INT8_PER_TOKEN);
        families.grouped(FORMATS.get(3), DType.BF16, ActivationFormat.FP8_PER_TOKEN_128);
    }

    /** Adds a product in the shape of a released model's matrix, in BF16. */
    static void real(CaseList cases, Level level, String name, int n, int k, int tokens) {
        Format format = FORMATS.get(1);
        cases.add(
                level,
                "Linear",
                format.name(),
                List.of("LINEAR-001", "LINEAR-005", "LINEAR-002"),
                "multipliesInTheShapeOfAModel",
                name + "/T=" + tokens + ",N=" + n + ",K=" + k,
                (id, seed) -> linear(
                        id,
                        seed,
                        format,
                        format.dtype(),
                        ActivationFormat.FLOAT,
                        MatrixFill.UNIFORM,
                        tokens,
                        n,
                        k,
                        false));
    }

    /** Adds products of one number of tokens: kernels change by it, and some are wrong for a few. */
    static void tokens(CaseList cases, Level level, int tokens) {
        for (Format format : List.of(FORMATS.get(1), FORMATS.get(3))) {
            cases.add(
                    level,
                    "Linear",
                    format.name(),
                    List.of("LINEAR-005", "LINEAR-001"),
                    "multipliesAnyNumberOfTokens",
                    format.name() + "/T=" + tokens,
                    (id, seed) -> linear(
                            id,
                            seed,
                            format,
                            DType.BF16,
                            ActivationFormat.FLOAT,
                            MatrixFill.UNIFORM,
                            tokens,
                            33,
                            144,
                            false));
        }
    }

    private void sweep(Format format, DType activations, ActivationFormat activation) {
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
            Format format,
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
        String variant = format.name() + "/x=" + ElementFamilies.name(activations) + "/" + activation + "/T=" + t
                + ",N=" + n + ",K=" + k + "/fill=" + fill;
        cases.add(
                level,
                "Linear",
                format.name(),
                rules,
                "multipliesWithinTheUnitsBound",
                variant,
                (id, seed) -> linear(id, seed, format, activations, activation, fill, t, n, k, withBias));
    }

    private static List<String> activationRules(ActivationFormat activation) {
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
            Format format,
            DType activations,
            ActivationFormat activation,
            MatrixFill fill,
            int t,
            int n,
            int k,
            boolean withBias) {
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

    private void exactIntegers(Format format) {
        // Sums within 2^8 are exact for every unit that keeps 8 bits, and exact in the output for rows near the top.
        int bits = Math.min(11, HostTensor.format(format.dtype()).significandBits());
        cases.add(
                Level.SMOKE,
                "Linear",
                format.name(),
                List.of("LINEAR-001", "LINEAR-005", "FORMAT-001"),
                "multipliesIntegersExactly",
                format.name() + "/T=7,N=37,K=67",
                (id, seed) -> {
                    ExactProductFill.Operands operands = ExactProductFill.fill(
                            RandomStream.of(id, seed, "operands"), HostTensor.format(format.dtype()), bits, 7, 37, 67);
                    TensorType type = format.type(37, 67);
                    StoredWeight weight =
                            StoredWeight.plain(type, operands.weights().values());
                    double[] x = operands.activations().values();
                    double[] exact =
                            ProductMoments.of(x, weight.real(), 7, 37, 67).exact();
                    Scenario scenario =
                            scenario(format.dtype(), type, weight, x, null, ActivationFormat.FLOAT, 7, 37, 67, false);
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

    private void grouped(Format format, DType activations, ActivationFormat activation) {
        List<String> rules = new ArrayList<>(List.of("GROUPED-001", "GROUPED-002", "GROUPED-003", "QUANT-003"));
        rules.addAll(format.rules());
        rules.addAll(activationRules(activation));
        // Rows of each expert: empty ones first, between and last; one with nearly all; none at all.
        int[][] loads = {{0, 3, 0, 1, 0}, {0, 0, 0, 0, 13}, {0, 0, 0, 0, 0}, {2, 1, 2, 1, 2}};
        for (int[] load : loads) {
            for (MatrixFill fill : List.of(MatrixFill.UNIFORM, MatrixFill.ONE_HOT)) {
                int rows = Arrays.stream(load).sum();
                String variant = format.name() + "/" + activation + "/rows=" + rows
                        + Arrays.toString(load).replace(" ", "") + "/fill=" + fill;
                cases.add(
                        Level.SMOKE,
                        "GroupedLinear",
                        format.name(),
                        rules,
                        "multipliesEachRowByItsExpert",
                        variant,
                        (id, seed) -> grouped(id, seed, format, activations, activation, fill, load));
            }
        }
    }

    private static Scenario grouped(
            String id,
            long seed,
            Format format,
            DType activations,
            ActivationFormat activation,
            MatrixFill fill,
            int[] load) {
        int experts = load.length;
        int n = 19;
        int k = 136;
        int used = Arrays.stream(load).sum();
        int capacity = used + 3;
        int[] offsets = new int[experts + 1];
        for (int expert = 0; expert < experts; expert++) {
            offsets[expert + 1] = offsets[expert] + load[expert];
        }
        TensorType type = format.type(experts, n, k);
        boolean sparse = fill == MatrixFill.ONE_HOT;
        StoredWeight weight = StoredWeight.draw(
                RandomStream.of(id, seed, "weight"),
                type,
                fill,
                sparse ? StoredWeight.Scales.DISTINCT : StoredWeight.Scales.ALIKE);
        FilledMatrix filled = fill.fill(
                RandomStream.of(id, seed, "x"), HostTensor.format(activations), Operand.ACTIVATIONS, capacity, k);
        double[] x = filled.values().clone();
        Arrays.fill(x, used * k, x.length, Double.NaN);
        GraphBuilder builder = new GraphBuilder("grouped");
        Value rows = builder.input("rows", TensorType.of(activations, Dim.of(Dim.TOKENS), Dim.of(k)));
        Value bounds = builder.input("offsets", TensorType.of(DType.I32, Shape.of(experts + 1)));
        Value matrix = builder.weight("experts", type);
        builder.output("y", builder.groupedLinear("grouped", rows, bounds, matrix, activation, activations));
        Judge judge = (_, outputs, profile) -> {
            HostTensor got = Checks.output(outputs, "y");
            List<Check> checks = new ArrayList<>();
            for (int expert = 0; expert < experts; expert++) {
                int from = offsets[expert];
                int to = offsets[expert + 1];
                if (from == to) {
                    continue;
                }
                double[] own = Arrays.copyOfRange(weight.real(), expert * n * k, (expert + 1) * n * k);
                ProductRows part = new ProductRows(
                        activations,
                        new TensorType(format.dtype(), Shape.of(n, k), format.quantization()),
                        activation,
                        Arrays.copyOfRange(x, from * k, to * k),
                        own,
                        null,
                        to - from,
                        n,
                        k,
                        fill.isSignedIndependent());
                HostTensor slice = got(got, from, to, n);
                checks.addAll(part.judge("y of expert " + expert, slice, profile));
            }
            if (used == 0) {
                checks.add(Checks.bits("no rows", got(got, 0, 0, n), got(got, 0, 0, n)));
            }
            return checks;
        };
        return new Scenario(
                builder.build(),
                Map.of("experts", weight),
                List.of(Scenario.Step.of(
                        Map.of(Dim.TOKENS, (long) capacity),
                        Map.of(
                                "rows",
                                HostTensor.floats(activations, new int[] {capacity, k}, x),
                                "offsets",
                                HostTensor.ints(new int[] {experts + 1}, offsets)))),
                judge,
                filled.degeneracy(),
                false);
    }

    private static HostTensor got(HostTensor whole, int from, int to, int width) {
        int bytes = whole.dtype().bits() / 8 * width;
        return new HostTensor(
                whole.dtype(),
                new int[] {to - from, width},
                Arrays.copyOfRange(whole.bytes(), from * bytes, to * bytes));
    }
}
