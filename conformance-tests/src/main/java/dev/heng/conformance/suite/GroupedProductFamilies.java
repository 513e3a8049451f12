package dev.heng.conformance.suite;

import dev.heng.conformance.fill.FilledMatrix;
import dev.heng.conformance.fill.MatrixFill;
import dev.heng.conformance.fill.Operand;
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
import java.util.List;
import java.util.Map;

/** Cases of GroupedLinear in every weight and activation format. */
final class GroupedProductFamilies {

    private final CaseList cases;

    private GroupedProductFamilies(CaseList cases) {
        this.cases = cases;
    }

    static void addTo(CaseList cases) {
        GroupedProductFamilies families = new GroupedProductFamilies(cases);
        for (WeightFormat format : WeightFormat.ALL) {
            boolean plain = format.quantization() instanceof Quantization.None;
            families.grouped(format, plain ? format.dtype() : DType.BF16, ActivationFormat.FLOAT);
        }
        families.grouped(WeightFormat.INT8, DType.BF16, ActivationFormat.INT8_PER_TOKEN);
        families.grouped(WeightFormat.FP8, DType.BF16, ActivationFormat.FP8_PER_TOKEN_128);
    }

    /** Returns the shape of rows by expert: how many experts, and how many rows each of them has. */
    static CaseShape loads(int... load) {
        CaseShape shape = CaseShape.FIXED.and("E", load.length, 1);
        for (int expert = 0; expert < load.length; expert++) {
            shape = shape.and("e" + expert, load[expert], 0);
        }
        // Rows of experts that are gone would be one shape under many names.
        return shape.where(one -> {
            boolean named = true;
            for (int expert = one.get("E"); expert < load.length; expert++) {
                named &= one.get("e" + expert) == 0;
            }
            return named;
        });
    }

    /** Returns the rows of each expert. */
    static int[] loads(CaseShape shape) {
        int[] load = new int[shape.get("E")];
        Arrays.setAll(load, expert -> shape.get("e" + expert));
        return load;
    }

    private void grouped(WeightFormat format, DType activations, ActivationFormat activation) {
        List<String> rules = new ArrayList<>(List.of("GROUPED-001", "GROUPED-002", "GROUPED-003", "QUANT-003"));
        rules.addAll(format.rules());
        rules.addAll(ProductFamilies.activationRules(activation));
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
                        loads(load).and("N", 19, 1).and("K", 136, 1),
                        (id, seed, shape) -> grouped(id, seed, format, activations, activation, fill, shape));
            }
        }
    }

    private static Scenario grouped(
            String id,
            long seed,
            WeightFormat format,
            DType activations,
            ActivationFormat activation,
            MatrixFill fill,
            CaseShape shape) {
        int[] load = loads(shape);
        int experts = load.length;
        int n = shape.get("N");
        int k = shape.get("K");
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
