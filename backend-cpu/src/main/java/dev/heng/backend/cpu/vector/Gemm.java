package dev.heng.backend.cpu.vector;

import jdk.incubator.vector.FloatVector;

/**
 * Many rows of activations against weights: tokens are the lanes, decoded weights are broadcast. Six rows by two vectors are twelve sums, which
 * keep both multipliers of a core busy and fit the registers of every processor with sixteen of them.
 */
final class Gemm {

    /** Rows of activations from which this is faster than {@link Dot}. */
    static final int TOKENS = 5;

    /** Weight rows of the inner kernel; tiles have a multiple of it. */
    static final int ROWS = 6;

    /** Columns that are packed and multiplied before the next ones. */
    static final int COLUMNS = 512;

    /** Distance of decoded rows: not a power of two, so that they do not fight for the same cache lines. */
    static final int STRIDE = COLUMNS + 16;

    /** Floats of scratch that a call needs. */
    static final int SCRATCH = ROWS * STRIDE;

    /** Lanes of a panel. */
    static final int PANEL = 2 * Simd.LANES;

    private Gemm() {}

    /** Returns tokens rounded up to whole vectors, as packed activations have them. */
    static int padded(int tokens) {
        return Simd.roundUp(tokens, Simd.LANES);
    }

    /**
     * Packs columns {@code [0, columns)} of one token's row, which is {@code token}-th of {@code tokens}, into the block of columns at {@code packed}: for
     * each panel of up to two vectors of tokens, columns times tokens floats. Lanes without a token must be packed as zeros by {@link #packZeros}.
     */
    static void pack(float[] x, int offset, int columns, int token, int tokens, long packed) {
        int panel = token / PANEL * PANEL;
        int width = Math.min(PANEL, padded(tokens) - panel);
        long at = packed + 4L * ((long) panel * columns + token - panel);
        for (int k = 0; k < columns; k++) {
            Memory.putF32(at + 4L * k * width, x[offset + k]);
        }
    }

    /**
     * Packs row {@code k} of a matrix whose columns are the lanes, which are then as many as {@code width} rounded up to whole vectors; the lanes behind
     * the last column hold whatever lies behind it in {@code x}.
     */
    static void packRow(float[] x, int offset, int width, int k, int rows, long packed) {
        for (int panel = 0; panel < width; panel += PANEL) {
            int lanes = Math.min(PANEL, padded(width) - panel);
            Memory.store(x, offset + panel, packed + 4L * ((long) panel * rows + (long) k * lanes), lanes);
        }
    }

    /** Packs zeros for the lanes behind the last token. */
    static void packZeros(int columns, int tokens, long packed) {
        float[] zeros = new float[columns];
        for (int token = tokens; token < padded(tokens); token++) {
            pack(zeros, 0, columns, token, tokens, packed);
        }
    }

    /**
     * Computes {@code tile[r * stride + t] = W[row0 + r] . x[t]}.
     *
     * @param rows of the matrix; the tile has room for a multiple of {@link #ROWS}
     * @param packed the address of blocks of {@link #COLUMNS} columns, one behind the other
     * @param stride at least {@link #padded} tokens
     * @param decoded {@link #SCRATCH} floats
     */
    static void multiply(
            Weight w, long row0, int rows, long packed, int tokens, float[] tile, int stride, float[] decoded) {
        int padded = padded(tokens);
        if (w.columns() == 0) {
            java.util.Arrays.fill(tile, 0, rows * stride, 0f);
        }
        long block = packed;
        for (int column = 0; column < w.columns(); column += COLUMNS) {
            int columns = Math.min(COLUMNS, w.columns() - column);
            for (int r = 0; r < rows; r += ROWS) {
                for (int i = 0; i < Math.min(ROWS, rows - r); i++) {
                    Decode.unscaled(w, row0 + r + i, column, columns, decoded, i * STRIDE);
                }
                panels(decoded, block, columns, columns, padded, column == 0, tile, r * stride, stride);
            }
            block += 4L * padded * columns;
        }
        if (w.type() == Element.I8) {
            for (int r = 0; r < rows; r++) {
                float scale = w.scale(row0 + r);
                for (int t = 0; t < padded; t++) {
                    tile[r * stride + t] *= scale;
                }
            }
        }
    }

    /**
     * Multiplies six rows that lie {@link #STRIDE} apart in {@code rows} with all panels of one block.
     *
     * @param columns that the block was packed with
     * @param depth how many of them count
     * @param first whether the tile starts from zero, or has sums to add to
     */
    static void panels(
            float[] rows,
            long block,
            int columns,
            int depth,
            int padded,
            boolean first,
            float[] tile,
            int offset,
            int stride) {
        for (int t = 0; t < padded; t += PANEL) {
            long panel = block + 4L * t * columns;
            if (padded - t >= PANEL) {
                two(rows, panel, depth, first, tile, offset + t, stride);
            } else {
                one(rows, panel, depth, first, tile, offset + t, stride);
            }
        }
    }

    private static FloatVector x(long address) {
        return FloatVector.fromMemorySegment(Simd.FLOATS, Memory.ALL, address, Simd.ORDER);
    }

    private static FloatVector w(float[] rows, int index) {
        return FloatVector.broadcast(Simd.FLOATS, rows[index]);
    }

    private static FloatVector start(boolean first, float[] tile, int index) {
        return first ? FloatVector.zero(Simd.FLOATS) : FloatVector.fromArray(Simd.FLOATS, tile, index);
    }

    private static void two(
            float[] rows, long panel, int columns, boolean first, float[] tile, int offset, int stride) {
        if (first) {
            clear(tile, offset, stride, PANEL);
        }
        int o1 = offset + stride;
        int o2 = o1 + stride;
        int o3 = o2 + stride;
        int o4 = o3 + stride;
        int o5 = o4 + stride;
        FloatVector a00 = FloatVector.fromArray(Simd.FLOATS, tile, offset);
        FloatVector a01 = FloatVector.fromArray(Simd.FLOATS, tile, offset + Simd.LANES);
        FloatVector a10 = FloatVector.fromArray(Simd.FLOATS, tile, o1);
        FloatVector a11 = FloatVector.fromArray(Simd.FLOATS, tile, o1 + Simd.LANES);
        FloatVector a20 = FloatVector.fromArray(Simd.FLOATS, tile, o2);
        FloatVector a21 = FloatVector.fromArray(Simd.FLOATS, tile, o2 + Simd.LANES);
        FloatVector a30 = FloatVector.fromArray(Simd.FLOATS, tile, o3);
        FloatVector a31 = FloatVector.fromArray(Simd.FLOATS, tile, o3 + Simd.LANES);
        FloatVector a40 = FloatVector.fromArray(Simd.FLOATS, tile, o4);
        FloatVector a41 = FloatVector.fromArray(Simd.FLOATS, tile, o4 + Simd.LANES);
        FloatVector a50 = FloatVector.fromArray(Simd.FLOATS, tile, o5);
        FloatVector a51 = FloatVector.fromArray(Simd.FLOATS, tile, o5 + Simd.LANES);
        for (int k = 0; k < columns; k++) {
            FloatVector x0 = x(panel + 8L * Simd.LANES * k);
            FloatVector x1 = x(panel + 8L * Simd.LANES * k + 4L * Simd.LANES);
            FloatVector weight = w(rows, k);
            a00 = weight.fma(x0, a00);
            a01 = weight.fma(x1, a01);
            weight = w(rows, STRIDE + k);
            a10 = weight.fma(x0, a10);
            a11 = weight.fma(x1, a11);
            weight = w(rows, 2 * STRIDE + k);
            a20 = weight.fma(x0, a20);
            a21 = weight.fma(x1, a21);
            weight = w(rows, 3 * STRIDE + k);
            a30 = weight.fma(x0, a30);
            a31 = weight.fma(x1, a31);
            weight = w(rows, 4 * STRIDE + k);
            a40 = weight.fma(x0, a40);
            a41 = weight.fma(x1, a41);
            weight = w(rows, 5 * STRIDE + k);
            a50 = weight.fma(x0, a50);
            a51 = weight.fma(x1, a51);
        }
        a00.intoArray(tile, offset);
        a01.intoArray(tile, offset + Simd.LANES);
        a10.intoArray(tile, o1);
        a11.intoArray(tile, o1 + Simd.LANES);
        a20.intoArray(tile, o2);
        a21.intoArray(tile, o2 + Simd.LANES);
        a30.intoArray(tile, o3);
        a31.intoArray(tile, o3 + Simd.LANES);
        a40.intoArray(tile, o4);
        a41.intoArray(tile, o4 + Simd.LANES);
        a50.intoArray(tile, o5);
        a51.intoArray(tile, o5 + Simd.LANES);
    }

    private static void one(
            float[] rows, long panel, int columns, boolean first, float[] tile, int offset, int stride) {
        FloatVector a0 = start(first, tile, offset);
        FloatVector a1 = start(first, tile, offset + stride);
        FloatVector a2 = start(first, tile, offset + 2 * stride);
        FloatVector a3 = start(first, tile, offset + 3 * stride);
        FloatVector a4 = start(first, tile, offset + 4 * stride);
        FloatVector a5 = start(first, tile, offset + 5 * stride);
        for (int k = 0; k < columns; k++) {
            FloatVector xs = x(panel + 4L * Simd.LANES * k);
            a0 = w(rows, k).fma(xs, a0);
            a1 = w(rows, STRIDE + k).fma(xs, a1);
            a2 = w(rows, 2 * STRIDE + k).fma(xs, a2);
            a3 = w(rows, 3 * STRIDE + k).fma(xs, a3);
            a4 = w(rows, 4 * STRIDE + k).fma(xs, a4);
            a5 = w(rows, 5 * STRIDE + k).fma(xs, a5);
        }
        a0.intoArray(tile, offset);
        a1.intoArray(tile, offset + stride);
        a2.intoArray(tile, offset + 2 * stride);
        a3.intoArray(tile, offset + 3 * stride);
        a4.intoArray(tile, offset + 4 * stride);
        a5.intoArray(tile, offset + 5 * stride);
    }

    private static void clear(float[] tile, int offset, int stride, int width) {
        for (int r = 0; r < ROWS; r++) {
            java.util.Arrays.fill(tile, offset + r * stride, offset + r * stride + width, 0f);
        }
    }
}
