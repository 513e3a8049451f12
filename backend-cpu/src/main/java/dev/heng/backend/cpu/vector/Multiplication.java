package dev.heng.backend.cpu.vector;

import dev.heng.backend.cpu.vector.Instruction.Pointer;
import org.jspecify.annotations.Nullable;

/**
 * One or two matrices of one format against rows of activations, the common part of LINEAR, GATED_LINEAR and the products of experts: how rows are made
 * ready, which way is taken, and what happens to a result before it is stored.
 */
final class Multiplication {

    /** Weight rows of a task of the tiled way; a multiple of {@link Gemm#ROWS}. */
    static final int BLOCK_ROWS = 120;

    /** Tokens of a task of the tiled way. */
    static final int SLAB = 256;

    /** Weight rows of a task of the few-rows way, at most. */
    private static final int MOST_ROWS = 512;

    /** Bytes of weights that make a task worth claiming. */
    private static final long WORTH = 512 * 1024;

    /** Working arrays of a thread. */
    private static final int FIRST = 0;

    private static final int SECOND = 1;
    private static final int DECODED = 2;
    private static final int INPUT = 3;
    private static final int ORDERED = 4;
    private static final int ADDEND = 5;
    private static final int TILES = 6;

    private final Weight format;
    private final boolean quantized;
    private final Element firstRoundTo;
    private final Element roundTo;

    /**
     * Describes the products.
     *
     * @param format a weight that stands for all of them
     * @param quantized whether activations become int8
     * @param firstRoundTo type of each product
     * @param roundTo type of what a product becomes with its gate or addend
     */
    Multiplication(Weight format, boolean quantized, Element firstRoundTo, Element roundTo) {
        this.format = format;
        this.quantized = quantized;
        this.firstRoundTo = firstRoundTo;
        this.roundTo = roundTo;
    }

    /** What a product becomes before it is stored. */
    @SuppressWarnings("ArrayRecordComponent") // never compared
    record Finish(float[] bias, Pointer addend, long addendStride, Pointer y, long yStride) {}

    boolean isTiled(int rows) {
        return !quantized && rows >= Gemm.TOKENS;
    }

    /** Returns whether rows must be made ready before few-rows products. */
    boolean isOrdered() {
        return quantized || Prepared.columnsPerWord(format) > 1;
    }

    /** Returns the bytes of one row made ready: in order, or as shorts with the scale before them. */
    long readyBytes() {
        return quantized ? 8 + 2L * format.columns() : 4L * format.columns();
    }

    /** Makes one row of activations ready. */
    void makeReady(Context context, long x, long ready) {
        int columns = format.columns();
        float[] input = context.floats(INPUT, columns);
        Memory.load(x, input, 0, columns);
        if (quantized) {
            short[] q = context.shorts(columns);
            Memory.putF32(ready, DotInt8.quantize(input, 0, columns, q, 0));
            Memory.store(q, 0, ready + 8, columns);
        } else {
            float[] ordered = context.floats(ORDERED, columns);
            Prepared.order(format, input, 0, ordered, 0);
            Memory.store(ordered, 0, ready, columns);
        }
    }

    /** Returns the weight rows of a few-rows task, if {@code matrices} are worked through together. */
    int rowsPerTask(int matrices, int threads) {
        long fair = Math.ceilDiv(format.rows() * matrices, threads * 8L);
        long worth = WORTH / Math.max(1, format.rowBytes());
        long rows = Math.max(4, Math.min(fair, worth));
        return (int) Math.min(MOST_ROWS, Math.ceilDiv(rows, 4) * 4);
    }

    /**
     * Multiplies rows {@code [row0, row0 + rows)} of the matrices with one row of activations and stores the result.
     *
     * @param second the second matrix of a gated product, or null
     * @param input the activations, or what was made ready of them
     * @param token the row of the result
     */
    void few(
            Context context,
            Weight first,
            @Nullable Weight second,
            int row0,
            int rows,
            long input,
            long token,
            Finish finish) {
        float[] values = context.floats(FIRST, MOST_ROWS);
        float[] others = context.floats(SECOND, MOST_ROWS);
        for (int from = row0; from < row0 + rows; from += MOST_ROWS) {
            int some = Math.min(MOST_ROWS, row0 + rows - from);
            product(context, first, from, some, input, values, 0);
            if (second != null) {
                product(context, second, from, some, input, others, 0);
            }
            finish(context, values, second == null ? null : others, from, some, token, finish);
        }
    }

    /** One matrix, unrounded, into an array. */
    void product(Context context, Weight w, int row0, int rows, long input, float[] y, int offset) {
        int columns = w.columns();
        if (quantized) {
            short[] q = context.shorts(columns);
            Memory.load(input + 8, q, 0, columns);
            DotInt8.rows(w, row0, rows, q, 0, Memory.f32(input), y, offset, context.integers(4));
            return;
        }
        float[] x = context.floats(INPUT, columns);
        Memory.load(input, x, 0, columns);
        int scratch = w.type() == Element.I4 ? Math.max(Dot.SCRATCH, DotInt4.scratch(w)) : Dot.SCRATCH;
        Dot.rows(w, row0, rows, x, 0, y, offset, context.floats(DECODED, scratch));
    }

    /** Packs columns {@code [column0, column0 + columns)} of one token, see {@link Gemm#pack}. */
    static void pack(Context context, long x, int column0, int columns, int token, int tokens, long packed) {
        float[] input = context.floats(INPUT, columns);
        Memory.load(x + 4L * column0, input, 0, columns);
        Gemm.pack(input, 0, columns, token, tokens, packed);
    }

    /**
     * Multiplies rows of the matrices with packed activations and stores the results.
     *
     * @param packed of {@code tokens} tokens
     * @param token0 the row of the result that the first of them belongs to
     */
    void tiled(
            Context context,
            Weight first,
            @Nullable Weight second,
            int row0,
            int rows,
            long packed,
            int tokens,
            long token0,
            Finish finish) {
        int stride = Gemm.padded(tokens);
        int size = Simd.roundUp(rows, Gemm.ROWS) * stride;
        float[] tiles = context.floats(TILES, size);
        float[] other = context.floats(TILES + 1, second == null ? 0 : size);
        float[] decoded = context.floats(DECODED, Gemm.SCRATCH);
        Gemm.multiply(first, row0, rows, packed, tokens, tiles, stride, decoded);
        if (second != null) {
            Gemm.multiply(second, row0, rows, packed, tokens, other, stride, decoded);
        }
        float[] values = context.floats(FIRST, MOST_ROWS);
        float[] others = context.floats(SECOND, MOST_ROWS);
        for (int t = 0; t < tokens; t++) {
            for (int r = 0; r < rows; r++) {
                values[r] = tiles[r * stride + t];
            }
            if (second != null) {
                for (int r = 0; r < rows; r++) {
                    others[r] = other[r * stride + t];
                }
            }
            finish(context, values, second == null ? null : others, row0, rows, token0 + t, finish);
        }
    }

    private void finish(
            Context context, float[] first, float @Nullable [] second, int row0, int rows, long token, Finish finish) {
        float[] bias = finish.bias();
        if (bias.length > 0) {
            for (int r = 0; r < rows; r++) {
                first[r] += bias[row0 + r];
            }
        }
        Rounding.round(first, 0, rows, firstRoundTo);
        if (second != null) {
            Rounding.round(second, 0, rows, firstRoundTo);
            Elementwise.swiglu(first, 0, second, 0, rows, roundTo);
        } else if (!finish.addend().isNull()) {
            float[] addend = context.floats(ADDEND, rows);
            Memory.load(finish.addend().get() + 4 * (finish.addendStride() * token + row0), addend, 0, rows);
            for (int r = 0; r < rows; r++) {
                first[r] += addend[r];
            }
            Rounding.round(first, 0, rows, roundTo);
        }
        Memory.store(first, 0, finish.y().get() + 4 * (finish.yStride() * token + row0), rows);
    }
}
