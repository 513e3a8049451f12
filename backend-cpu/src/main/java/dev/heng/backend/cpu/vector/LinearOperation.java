package dev.heng.backend.cpu.vector;

import dev.heng.backend.cpu.vector.Instruction.Pointer;
import org.jspecify.annotations.Nullable;

/** LINEAR and GATED_LINEAR: one or two matrices against all rows. */
final class LinearOperation extends Operation {

    private static final float[] NO_BIAS = {};

    private final Weight first;
    private final @Nullable Weight second;
    private final Multiplication multiplication;
    private final Multiplication.Finish finish;
    private final Pointer x;
    private final long xStride;
    private int threads = 1;

    LinearOperation(Instruction in, boolean gated) {
        super(in);
        first = in.weight(gated ? "gate" : "weight");
        second = gated ? in.weight("up") : null;
        if (second != null && !first.sameFormat(second)) {
            throw in.wrong("gate and up differ in shape or type");
        }
        boolean quantized = in.flag("quantize_activations");
        if (quantized && first.type() != Element.I8) {
            throw in.wrong("int8 activations meet only int8 weights");
        }
        x = in.pointer("x");
        xStride = in.word("x_stride");
        Pointer y = in.pointer("y");
        long yStride = in.word("y_stride");
        if (gated) {
            multiplication = new Multiplication(first, quantized, in.type("gate_round_to"), in.type("round_to"));
            finish = new Multiplication.Finish(NO_BIAS, NOWHERE, 0, y, yStride);
        } else {
            multiplication = new Multiplication(first, quantized, in.type("round_to"), in.type("sum_round_to"));
            finish = new Multiplication.Finish(bias(in), in.optional("addend"), in.word("addend_stride"), y, yStride);
        }
    }

    private static float[] bias(Instruction in) {
        if (in.optional("bias").isNull()) {
            return NO_BIAS;
        }
        Weight stored = in.weight("bias");
        float[] bias = new float[stored.columns()];
        Decode.plain(stored.type(), stored.data(), bias.length, bias, 0);
        return bias;
    }

    @Override
    void prepare(int teamThreads) {
        threads = teamThreads;
    }

    @Override
    long sharedBytes(int rows) {
        long packed = multiplication.isTiled(rows) ? 4L * Gemm.padded(rows) * first.columns() : 0;
        long ready = multiplication.isOrdered()
                ? multiplication.readyBytes() * (multiplication.isTiled(rows) ? Gemm.TOKENS : rows)
                : 0;
        return Math.max(packed, ready);
    }

    @Override
    int phases() {
        return 2;
    }

    private int columnBlocks() {
        return Math.ceilDiv(first.columns(), Gemm.COLUMNS);
    }

    private int slabs(Context context) {
        return Math.ceilDiv(context.rows(), Multiplication.SLAB);
    }

    /** Weight rows of a task; narrow matrices are cut finer, so that every thread has something to do. */
    private int rowsPerTask(Context context) {
        if (!multiplication.isTiled(context.rows())) {
            return multiplication.rowsPerTask(second == null ? 1 : 2, threads);
        }
        int rows = Multiplication.BLOCK_ROWS;
        while (rows > 4 * Gemm.ROWS && slabs(context) * Math.ceilDiv(first.rows(), rows) < 3L * threads) {
            rows /= 2;
        }
        return rows;
    }

    private int rowBlocks(Context context) {
        return (int) Math.ceilDiv(first.rows(), rowsPerTask(context));
    }

    @Override
    int tasks(Context context, int phase) {
        boolean tiled = multiplication.isTiled(context.rows());
        if (phase == 0) {
            int ready = multiplication.isOrdered() ? context.rows() : 0;
            return tiled ? slabs(context) * columnBlocks() : ready;
        }
        return tiled ? slabs(context) * rowBlocks(context) : rowBlocks(context);
    }

    @Override
    void task(Context context, int phase, int task) {
        if (multiplication.isTiled(context.rows())) {
            if (phase == 0) {
                pack(context, task / columnBlocks(), task % columnBlocks());
            } else {
                tiled(context, task / rowBlocks(context), task % rowBlocks(context));
            }
        } else if (phase == 0) {
            multiplication.makeReady(context, row(task), context.shared() + multiplication.readyBytes() * task);
        } else {
            few(context, task);
        }
    }

    private long row(int row) {
        return x.get() + 4 * xStride * row;
    }

    private long slab(Context context, int slab) {
        return context.shared() + 4L * slab * Multiplication.SLAB * first.columns();
    }

    private void pack(Context context, int slab, int block) {
        int token0 = slab * Multiplication.SLAB;
        int tokens = Math.min(Multiplication.SLAB, context.rows() - token0);
        int column0 = block * Gemm.COLUMNS;
        int columns = Math.min(Gemm.COLUMNS, first.columns() - column0);
        long packed = slab(context, slab) + 4L * Gemm.padded(tokens) * column0;
        for (int t = 0; t < tokens; t++) {
            Multiplication.pack(context, row(token0 + t), column0, columns, t, tokens, packed);
        }
        Gemm.packZeros(columns, tokens, packed);
    }

    private void tiled(Context context, int slab, int block) {
        int token0 = slab * Multiplication.SLAB;
        int tokens = Math.min(Multiplication.SLAB, context.rows() - token0);
        int row0 = block * rowsPerTask(context);
        int rows = (int) Math.min(rowsPerTask(context), first.rows() - row0);
        multiplication.tiled(context, first, second, row0, rows, slab(context, slab), tokens, token0, finish);
    }

    private void few(Context context, int block) {
        int row0 = block * rowsPerTask(context);
        int rows = (int) Math.min(rowsPerTask(context), first.rows() - row0);
        for (int t = 0; t < context.rows(); t++) {
            long input = multiplication.isOrdered() ? context.shared() + multiplication.readyBytes() * t : row(t);
            multiplication.few(context, first, second, row0, rows, input, t, finish);
        }
    }
}
