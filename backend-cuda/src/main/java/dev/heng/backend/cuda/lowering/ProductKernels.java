package dev.heng.backend.cuda.lowering;

import dev.heng.spi.graph.ActivationFormat;
import dev.heng.spi.graph.Node;
import dev.heng.spi.graph.Op;
import dev.heng.spi.graph.Value;
import org.jspecify.annotations.Nullable;

/** Launches of products with weights. */
final class ProductKernels {

    /** Most rows for which the kernels that stream weights once for eight rows are faster than tiles. */
    private static final long FEW_ROWS = 32;

    private static final int WARPS = 8;
    private static final int TILE = 64;

    private ProductKernels() {}

    static String linear(Lowering to, Node node, Unit.@Nullable LinearAdd fused, Value result) {
        Op.Linear op = (Op.Linear) node.op();
        StoredWeight weight = to.weight(node.operand(1));
        StoredWeight bias = node.operands().size() == 3 ? to.weight(node.operand(2)) : null;
        Located added = fused == null ? null : to.where(fused.addend());
        Value secondAddend = fused == null ? null : fused.secondAddend();
        Located second = secondAddend == null ? null : to.where(secondAddend);
        int sumRoundTo = Arguments.typeOf(
                fused == null ? op.out() : fused.add().result().type().dtype());
        long rows = to.rows(result);
        int roundTo = Arguments.typeOf(op.out());
        if (op.activation() == ActivationFormat.INT8_PER_TOKEN) {
            Quantized x = quantizedInt8(to, node.operand(0));
            Located y = to.place(result);
            Arguments arguments = int8Arguments(to, weight, bias, x, 0, 0, y, added, second, rows, roundTo, sumRoundTo);
            to.launch("linear_int8", outputs(weight), Math.min(rows, 65535), slices(rows), 32 * WARPS, 0, arguments);
            return "linear_int8";
        }
        if (rows > Unit.FEW_ROWS && bias == null && isOnMatrixUnit(to, node, op)) {
            return onMatrixUnit(to, node, op, fused, result);
        }
        Located x = activations(to, op.activation(), node.operand(0));
        Located y = to.place(result);
        if (rows <= FEW_ROWS) {
            return FewRowsKernels.linear(to, node, bias, x, y, added, second, rows, sumRoundTo);
        }
        Arguments arguments = to.arguments("LinearArgs")
                .weight("weight", weight)
                .weight("bias", bias)
                .rows("x", x)
                .rows("y", y)
                .rows("addend", added)
                .rows("second", second)
                .set("rows", rows)
                .set("round_to", roundTo)
                .set("sum_round_to", sumRoundTo);
        to.launch(
                "linear_tile",
                Math.ceilDiv(weight.rows(), (long) TILE),
                Math.ceilDiv(rows, (long) TILE),
                1,
                256,
                0,
                arguments);
        return "linear_tile";
    }

    private static boolean isOnMatrixUnit(Lowering to, Node node, Op.Linear op) {
        MatrixUnit unit = to.setting.matrices();
        return LibraryProducts.takes(unit, node.operand(0), node.operand(1), op.out(), op.activation())
                || MatrixProducts.takes(unit, node.operand(0), node.operand(1), op.out(), op.activation());
    }

    /** The product, and the additions after it one by one, each with its rounding. */
    private static String onMatrixUnit(
            Lowering to, Node node, Op.Linear op, Unit.@Nullable LinearAdd fused, Value result) {
        if (fused == null) {
            return product(to, node, op, to.place(result));
        }
        long rows = to.rows(result);
        int columns = Math.toIntExact(to.weight(node.operand(1)).rows());
        Located product = to.temporaryRows(rows, columns, op.out(), node.result());
        String kernels = product(to, node, op, product);
        Value second = fused.secondAddend();
        Value sum = fused.add().result();
        Located first = second == null
                ? to.place(result)
                : to.temporaryRows(rows, columns, sum.type().dtype(), sum);
        RowKernels.add(to, product, to.where(fused.addend()), first, rows);
        if (second != null) {
            RowKernels.add(to, first, to.where(second), to.place(result), rows);
        }
        return kernels + (second == null ? "+add_rows" : "+add_rows+add_rows");
    }

    private static String product(Lowering to, Node node, Op.Linear op, Located y) {
        Value x = node.operand(0);
        StoredWeight weight = to.weight(node.operand(1));
        boolean library = LibraryProducts.takes(to.setting.matrices(), x, node.operand(1), op.out(), op.activation());
        return library
                ? LibraryProducts.linear(to, weight, to.where(x), to.rows(x), y)
                : MatrixProducts.linear(to, op, weight, to.where(x), to.rows(x), y);
    }

    private static long outputs(StoredWeight weight) {
        return Math.ceilDiv(weight.rows(), (long) WARPS);
    }

    private static long slices(long rows) {
        return Math.ceilDiv(rows, 65535L);
    }

    /** Returns activations as the product takes them. */
    static Located activations(Lowering to, ActivationFormat format, Value x) {
        return switch (format) {
            case FLOAT -> to.where(x);
            case FP8_PER_TOKEN_128 -> RowKernels.quantizedFp8(to, x, false);
            case FP8_PER_TOKEN_128_POWER_OF_TWO -> RowKernels.quantizedFp8(to, x, true);
            case INT8_PER_TOKEN -> throw new IllegalArgumentException("int8 activations have kernels of their own");
        };
    }

    private record Quantized(long q, long scales) {}

    private static Quantized quantizedInt8(Lowering to, Value x) {
        Located from = to.where(x);
        long rows = to.rows(x);
        Quantized quantized = new Quantized(to.temporary(rows * from.columns()), to.temporary(rows * 4));
        Arguments arguments = to.arguments("QuantizeInt8Args")
                .rows("x", from)
                .set("q", quantized.q())
                .set("scales", quantized.scales());
        to.launch("quantize_int8", rows, 1, 1, 256, 0, arguments);
        return quantized;
    }

    private static Arguments int8Arguments(
            Lowering to,
            StoredWeight weight,
            @Nullable StoredWeight bias,
            Quantized x,
            long offsets,
            long experts,
            Located y,
            @Nullable Located addend,
            @Nullable Located second,
            long rows,
            int roundTo,
            int sumRoundTo) {
        return to.arguments("LinearInt8Args")
                .weight("weight", weight)
                .weight("bias", bias)
                .set("q", x.q())
                .set("scales", x.scales())
                .set("offsets", offsets)
                .rows("y", y)
                .rows("addend", addend)
                .rows("second", second)
                .set("rows", rows)
                .set("round_to", roundTo)
                .set("sum_round_to", sumRoundTo)
                .set("experts", experts);
    }

    static String grouped(Lowering to, Node node, Op.GroupedLinear op) {
        Value offsets = node.operand(1);
        StoredWeight weight = to.weight(node.operand(2));
        long experts = node.operand(2).type().shape().dim(0).size();
        long rows = to.rows(node.result());
        long at = to.where(offsets).address();
        Arguments check = to.arguments("GroupedCheckArgs")
                .set("offsets", at)
                .set("experts", experts)
                .set("rows", rows);
        to.launch("grouped_check", 1, 1, 1, 256, 0, check);
        if (op.activation() == ActivationFormat.INT8_PER_TOKEN) {
            Quantized x = quantizedInt8(to, node.operand(0));
            Arguments arguments = int8Arguments(
                    to,
                    weight,
                    null,
                    x,
                    at,
                    experts,
                    to.place(node.result()),
                    null,
                    null,
                    rows,
                    Arguments.typeOf(op.out()),
                    0);
            to.launch("linear_int8", outputs(weight), Math.min(rows, 65535), slices(rows), 32 * WARPS, 0, arguments);
            return "linear_int8";
        }
        if (rows > Unit.FEW_ROWS
                && MatrixProducts.takes(
                        to.setting.matrices(), node.operand(0), node.operand(2), op.out(), op.activation())) {
            MatrixProducts.Groups groups = new MatrixProducts.Groups(experts, at, rows);
            return MatrixProducts.grouped(to, op, weight, to.where(node.operand(0)), groups, to.place(node.result()));
        }
        Located x = activations(to, op.activation(), node.operand(0));
        Arguments arguments = to.arguments("GroupedArgs")
                .weight("weight", weight)
                .set("offsets", at)
                .rows("x", x)
                .rows("y", to.place(node.result()))
                .set("rows", rows)
                .set("experts", experts);
        // Each expert wastes less than one tile, and there are no more tiles than rows.
        long tiles = Math.min(rows, Math.ceilDiv(rows, (long) TILE) + experts);
        to.launch("grouped_tile", Math.ceilDiv(weight.rows(), (long) TILE), tiles, 1, 256, 0, arguments);
        return "grouped_tile";
    }
}
