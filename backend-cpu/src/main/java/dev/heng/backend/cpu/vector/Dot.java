package dev.heng.backend.cpu.vector;

import jdk.incubator.vector.ByteVector;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.IntVector;
import jdk.incubator.vector.VectorOperators;

/**
 * Rows of a matrix against one row of activations: what decoding does. Four rows at a time, so that four sums are under way and every activation is
 * loaded once for all of them.
 *
 * <p>The loops are small on purpose: the compiler stops inlining in a method that holds too many vector operations, and a vector that crosses a call
 * lives on the heap, which costs twentyfold.
 */
final class Dot {

    /** Columns that are decoded at once in formats without a loop of their own. */
    private static final int CHUNK = 512;

    /** Floats of scratch that a call needs: the lanes of four sums, and four rows of a chunk. */
    static final int SCRATCH = 4 * 64 + 4 * CHUNK;

    private static final int DECODED = 4 * 64;

    private Dot() {}

    /**
     * Computes {@code y[offset + r] = W[row0 + r] . x} for {@code r < rows}.
     *
     * @param x activations in the order of {@link Prepared}, at {@code xOffset}
     * @param scratch {@link #SCRATCH} floats, and {@link DotInt4#scratch} for int4
     */
    static void rows(Weight w, long row0, int rows, float[] x, int xOffset, float[] y, int offset, float[] scratch) {
        if (w.type() == Element.I4 && w.wordsAreWhole()) {
            for (int r = 0; r < rows; r++) {
                y[offset + r] = DotInt4.row(w, row0 + r, x, xOffset, scratch);
            }
            return;
        }
        for (int r = 0; r < rows; r += 4) {
            // The last rows may be fewer than four: then one of them is computed again in place of what is not there.
            int some = Math.min(4, rows - r);
            four(w, row0 + r, some, x, xOffset, scratch);
            for (int i = 0; i < some; i++) {
                float scale = w.type() == Element.I8 ? w.scale(row0 + r + i) : 1f;
                y[offset + r + i] = scratch[i] * scale;
            }
        }
    }

    /** Leaves the unscaled sums of up to four rows in {@code scratch[0 .. 4)}. */
    private static void four(Weight w, long row, int some, float[] x, int xOffset, float[] scratch) {
        long r0 = w.row(row);
        long r1 = w.row(row + Math.min(1, some - 1));
        long r2 = w.row(row + Math.min(2, some - 1));
        long r3 = w.row(row + Math.min(3, some - 1));
        int columns = w.columns();
        int whole;
        switch (w.type()) {
            case F32 -> {
                whole = columns / Simd.LANES * Simd.LANES;
                floats(r0, r1, r2, r3, x, xOffset, whole, scratch);
            }
            case BF16 -> {
                whole = columns / (2 * Simd.LANES) * 2 * Simd.LANES;
                bf16(r0, r1, r2, r3, x, xOffset, whole, scratch);
            }
            case I8 -> {
                whole = Math.max(0, columns - (Simd.BYTES_LOADED - Simd.LANES)) / Simd.LANES * Simd.LANES;
                int8(r0, r1, r2, r3, x, xOffset, whole, scratch);
            }
            case F16, E4M3, I4 -> {
                decoded(w, row, some, x, xOffset, scratch);
                return;
            }
            case E8M0 -> throw new IllegalArgumentException("weights of type E8M0");
            default -> throw new AssertionError(w.type());
        }
        sums(scratch);
        for (int i = 0; i < some; i++) {
            scratch[i] += rest(w, row + i, x, xOffset, whole);
        }
    }

    /** Sums the lanes of four vectors, each into its place of the first four. */
    private static void sums(float[] scratch) {
        float s0 = Simd.sum(scratch, 0);
        float s1 = Simd.sum(scratch, 64);
        float s2 = Simd.sum(scratch, 128);
        float s3 = Simd.sum(scratch, 192);
        scratch[0] = s0;
        scratch[1] = s1;
        scratch[2] = s2;
        scratch[3] = s3;
    }

    /** Columns behind the last whole vector, whose activations are in their own order. */
    private static float rest(Weight w, long row, float[] x, int xOffset, int from) {
        float sum = 0;
        long address = w.row(row);
        for (int k = from; k < w.columns(); k++) {
            float weight =
                    w.type() == Element.I8 ? Memory.i8(address + k) : w.type().real(address, k);
            sum += weight * x[xOffset + k];
        }
        return sum;
    }

    private static FloatVector x(float[] x, int index) {
        return FloatVector.fromArray(Simd.FLOATS, x, index);
    }

    private static FloatVector f(long address) {
        return FloatVector.fromMemorySegment(Simd.FLOATS, Memory.ALL, address, Simd.ORDER);
    }

    private static void floats(
            long r0, long r1, long r2, long r3, float[] x, int xOffset, int columns, float[] scratch) {
        FloatVector a0 = FloatVector.zero(Simd.FLOATS);
        FloatVector a1 = a0;
        FloatVector a2 = a0;
        FloatVector a3 = a0;
        for (int k = 0; k < columns; k += Simd.LANES) {
            FloatVector xs = x(x, xOffset + k);
            a0 = f(r0 + 4L * k).fma(xs, a0);
            a1 = f(r1 + 4L * k).fma(xs, a1);
            a2 = f(r2 + 4L * k).fma(xs, a2);
            a3 = f(r3 + 4L * k).fma(xs, a3);
        }
        a0.intoArray(scratch, 0);
        a1.intoArray(scratch, 64);
        a2.intoArray(scratch, 128);
        a3.intoArray(scratch, 192);
    }

    private static IntVector pairs(long address) {
        return IntVector.fromMemorySegment(Simd.INTS, Memory.ALL, address, Simd.ORDER);
    }

    private static FloatVector even(IntVector pairs) {
        return pairs.lanewise(VectorOperators.LSHL, 16).reinterpretAsFloats();
    }

    private static FloatVector odd(IntVector pairs) {
        return pairs.and(0xffff0000).reinterpretAsFloats();
    }

    /** Two numbers to an int: the lower half shifted up is one, the upper half where it stands is the other. */
    private static void bf16(long r0, long r1, long r2, long r3, float[] x, int xOffset, int columns, float[] scratch) {
        FloatVector a0 = FloatVector.zero(Simd.FLOATS);
        FloatVector a1 = a0;
        FloatVector a2 = a0;
        FloatVector a3 = a0;
        for (int k = 0; k < columns; k += 2 * Simd.LANES) {
            FloatVector evens = x(x, xOffset + k);
            FloatVector odds = x(x, xOffset + k + Simd.LANES);
            IntVector w0 = pairs(r0 + 2L * k);
            IntVector w1 = pairs(r1 + 2L * k);
            IntVector w2 = pairs(r2 + 2L * k);
            IntVector w3 = pairs(r3 + 2L * k);
            a0 = odd(w0).fma(odds, even(w0).fma(evens, a0));
            a1 = odd(w1).fma(odds, even(w1).fma(evens, a1));
            a2 = odd(w2).fma(odds, even(w2).fma(evens, a2));
            a3 = odd(w3).fma(odds, even(w3).fma(evens, a3));
        }
        a0.intoArray(scratch, 0);
        a1.intoArray(scratch, 64);
        a2.intoArray(scratch, 128);
        a3.intoArray(scratch, 192);
    }

    private static FloatVector b(long address) {
        return (FloatVector) ByteVector.fromMemorySegment(Simd.QUARTER_BYTES, Memory.ALL, address, Simd.ORDER)
                .convertShape(VectorOperators.B2F, Simd.FLOATS, 0);
    }

    private static void int8(long r0, long r1, long r2, long r3, float[] x, int xOffset, int columns, float[] scratch) {
        FloatVector a0 = FloatVector.zero(Simd.FLOATS);
        FloatVector a1 = a0;
        FloatVector a2 = a0;
        FloatVector a3 = a0;
        for (int k = 0; k < columns; k += Simd.LANES) {
            FloatVector xs = x(x, xOffset + k);
            a0 = b(r0 + k).fma(xs, a0);
            a1 = b(r1 + k).fma(xs, a1);
            a2 = b(r2 + k).fma(xs, a2);
            a3 = b(r3 + k).fma(xs, a3);
        }
        a0.intoArray(scratch, 0);
        a1.intoArray(scratch, 64);
        a2.intoArray(scratch, 128);
        a3.intoArray(scratch, 192);
    }

    /** Formats without a loop of their own: a chunk of columns is decoded, scaled, and then multiplied. */
    private static void decoded(Weight w, long row, int some, float[] x, int xOffset, float[] scratch) {
        float s0 = 0;
        float s1 = 0;
        float s2 = 0;
        float s3 = 0;
        for (int k = 0; k < w.columns(); k += CHUNK) {
            int count = Math.min(CHUNK, w.columns() - k);
            for (int i = 0; i < some; i++) {
                Decode.scaled(w, row + i, k, count, scratch, DECODED + i * CHUNK);
            }
            int whole = count / Simd.LANES * Simd.LANES;
            arrays(scratch, x, xOffset + k, whole);
            sums(scratch);
            s0 += scratch[0] + rest(scratch, 0, x, xOffset + k, whole, count);
            s1 += scratch[1] + rest(scratch, 1, x, xOffset + k, whole, count);
            s2 += scratch[2] + rest(scratch, 2, x, xOffset + k, whole, count);
            s3 += scratch[3] + rest(scratch, 3, x, xOffset + k, whole, count);
        }
        scratch[0] = s0;
        scratch[1] = s1;
        scratch[2] = s2;
        scratch[3] = s3;
    }

    private static float rest(float[] scratch, int row, float[] x, int xOffset, int from, int to) {
        float sum = 0;
        for (int k = from; k < to; k++) {
            sum += scratch[DECODED + row * CHUNK + k] * x[xOffset + k];
        }
        return sum;
    }

    private static void arrays(float[] scratch, float[] x, int xOffset, int columns) {
        FloatVector a0 = FloatVector.zero(Simd.FLOATS);
        FloatVector a1 = a0;
        FloatVector a2 = a0;
        FloatVector a3 = a0;
        for (int k = 0; k < columns; k += Simd.LANES) {
            FloatVector xs = x(x, xOffset + k);
            a0 = x(scratch, DECODED + k).fma(xs, a0);
            a1 = x(scratch, DECODED + CHUNK + k).fma(xs, a1);
            a2 = x(scratch, DECODED + 2 * CHUNK + k).fma(xs, a2);
            a3 = x(scratch, DECODED + 3 * CHUNK + k).fma(xs, a3);
        }
        a0.intoArray(scratch, 0);
        a1.intoArray(scratch, 64);
        a2.intoArray(scratch, 128);
        a3.intoArray(scratch, 192);
    }
}
