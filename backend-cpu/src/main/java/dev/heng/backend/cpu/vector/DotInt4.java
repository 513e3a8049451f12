package dev.heng.backend.cpu.vector;

import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.IntVector;
import jdk.incubator.vector.VectorOperators;

/** One row of int4 whose groups are whole words against activations in word order. */
final class DotInt4 {

    /** 2^23 as bits: or'ed with a small integer it is 2^23 plus that integer. */
    private static final int MAGIC = 0x4B000000;

    private static final float MAGIC_AND_EIGHT = 0x1p23f + 8;

    private static final int SCALES = 64;

    private DotInt4() {}

    /** Returns the floats of scratch that {@link #row} needs. */
    static int scratch(Weight w) {
        return SCALES + 2 * Simd.roundUp(Math.ceilDiv(w.columns(), 8), Simd.LANES);
    }

    static float row(Weight w, long row, float[] x, int xOffset, float[] scratch) {
        int words = w.columns() / 8;
        int whole = words / Simd.LANES * Simd.LANES;
        int groups = w.columnBlocks();
        int offsets = SCALES + Simd.roundUp(Math.ceilDiv(w.columns(), 8), Simd.LANES);
        expand(w, row, groups, scratch, offsets);
        if (w.zeroPoints() == 0) {
            symmetric(w.row(row), x, xOffset, whole, scratch);
        } else {
            asymmetric(w.row(row), x, xOffset, whole, scratch, offsets);
        }
        float sum = Simd.sum(scratch, 0);
        for (int k = 8 * whole; k < w.columns(); k++) {
            int code = Memory.i32(w.row(row) + k / 8 * 4L) >>> (4 * (k % 8)) & 15;
            float offset = w.zeroPoints() == 0 ? 0 : scratch[offsets + k / 8];
            sum += (code - 8 + offset) * scratch[SCALES + k / 8] * x[xOffset + k];
        }
        return sum;
    }

    /** One scale, and with zero points one offset, for each word of the row. */
    private static void expand(Weight w, long row, int groups, float[] scratch, int offsets) {
        int words = Math.ceilDiv(w.columns(), 8);
        int run = Math.ceilDiv(w.blockColumns(), 8);
        for (int group = 0; group < groups; group++) {
            int from = group * run;
            int to = Math.min(words, from + run);
            float scale = w.scale(row * groups + group);
            for (int i = from; i < to; i++) {
                scratch[SCALES + i] = scale;
            }
            if (w.zeroPoints() != 0) {
                float offset = w.zeroOffset(row, groups, group);
                for (int i = from; i < to; i++) {
                    scratch[offsets + i] = offset;
                }
            }
        }
    }

    private static void symmetric(long row, float[] x, int xOffset, int words, float[] scratch) {
        FloatVector total = FloatVector.zero(Simd.FLOATS);
        for (int b = 0; b < words; b += Simd.LANES) {
            IntVector codes = IntVector.fromMemorySegment(Simd.INTS, Memory.ALL, row + 4L * b, Simd.ORDER);
            FloatVector sum = FloatVector.zero(Simd.FLOATS);
            int at = xOffset + 8 * b;
            for (int p = 0; p < 8; p++) {
                FloatVector code = codes.and(15).or(MAGIC).reinterpretAsFloats().sub(MAGIC_AND_EIGHT);
                sum = code.fma(FloatVector.fromArray(Simd.FLOATS, x, at + p * Simd.LANES), sum);
                codes = codes.lanewise(VectorOperators.LSHR, 4);
            }
            total = sum.fma(FloatVector.fromArray(Simd.FLOATS, scratch, SCALES + b), total);
        }
        total.intoArray(scratch, 0);
    }

    private static void asymmetric(long row, float[] x, int xOffset, int words, float[] scratch, int offsets) {
        FloatVector total = FloatVector.zero(Simd.FLOATS);
        for (int b = 0; b < words; b += Simd.LANES) {
            IntVector codes = IntVector.fromMemorySegment(Simd.INTS, Memory.ALL, row + 4L * b, Simd.ORDER);
            FloatVector offset = FloatVector.fromArray(Simd.FLOATS, scratch, offsets + b);
            FloatVector sum = FloatVector.zero(Simd.FLOATS);
            int at = xOffset + 8 * b;
            for (int p = 0; p < 8; p++) {
                FloatVector code = codes.and(15)
                        .or(MAGIC)
                        .reinterpretAsFloats()
                        .sub(MAGIC_AND_EIGHT)
                        .add(offset);
                sum = code.fma(FloatVector.fromArray(Simd.FLOATS, x, at + p * Simd.LANES), sum);
                codes = codes.lanewise(VectorOperators.LSHR, 4);
            }
            total = sum.fma(FloatVector.fromArray(Simd.FLOATS, scratch, SCALES + b), total);
        }
        total.intoArray(scratch, 0);
    }
}
