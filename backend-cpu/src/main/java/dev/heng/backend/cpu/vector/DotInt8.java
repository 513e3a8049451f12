package dev.heng.backend.cpu.vector;

import jdk.incubator.vector.ByteVector;
import jdk.incubator.vector.IntVector;
import jdk.incubator.vector.ShortVector;
import jdk.incubator.vector.VectorOperators;

/**
 * Int8 weights against int8 activations: exact integers, rounded once. Activations are kept as shorts, since there is no instruction for a product
 * of bytes that the Vector API reaches.
 */
final class DotInt8 {

    private DotInt8() {}

    /**
     * Quantises one row: {@code scale = max|x| / 127}, {@code q = x / scale} to nearest, ties to even. A row with an infinity or NaN has no scale: its
     * products become NaN.
     *
     * @return the scale
     */
    static float quantize(float[] x, int offset, int columns, short[] q, int target) {
        float largest = 0;
        for (int i = 0; i < columns; i++) {
            largest = Math.max(largest, Math.abs(x[offset + i]));
        }
        float scale = largest / 127f;
        if (!Float.isFinite(largest)) {
            java.util.Arrays.fill(q, target, target + columns, (short) 0);
            return Float.NaN;
        }
        for (int i = 0; i < columns; i++) {
            double value = scale > 0 ? Math.rint((double) (x[offset + i] / scale)) : 0;
            q[target + i] = (short) Math.max(-127, Math.min(127, value));
        }
        return scale;
    }

    /** Computes {@code y[offset + r] = W[row0 + r] . q * scale} for {@code r < rows}; {@code lanes} are four ints. */
    static void rows(
            Weight w, long row0, int rows, short[] q, int qOffset, float scale, float[] y, int offset, int[] lanes) {
        int columns = w.columns();
        int whole = columns / Simd.SHORTS.length() * Simd.SHORTS.length();
        for (int r = 0; r < rows; r += 4) {
            int some = Math.min(4, rows - r);
            long row = row0 + r;
            four(
                    w.row(row),
                    w.row(row + Math.min(1, some - 1)),
                    w.row(row + Math.min(2, some - 1)),
                    w.row(row + Math.min(3, some - 1)),
                    q,
                    qOffset,
                    whole,
                    lanes);
            for (int i = 0; i < some; i++) {
                long exact = lanes[i];
                long address = w.row(row + i);
                for (int k = whole; k < columns; k++) {
                    exact += (long) Memory.i8(address + k) * q[qOffset + k];
                }
                y[offset + r + i] = (float) ((double) exact * scale * w.scale(row + i));
            }
        }
    }

    private static ShortVector bytes(long address) {
        return (ShortVector) ByteVector.fromMemorySegment(Simd.HALF_BYTES, Memory.ALL, address, Simd.ORDER)
                .convertShape(VectorOperators.B2S, Simd.SHORTS, 0);
    }

    /** Adds neighbouring shorts as ints. */
    private static IntVector pairs(ShortVector products) {
        IntVector both = products.reinterpretAsInts();
        return both.lanewise(VectorOperators.ASHR, 16)
                .add(both.lanewise(VectorOperators.LSHL, 16).lanewise(VectorOperators.ASHR, 16));
    }

    private static void four(long r0, long r1, long r2, long r3, short[] q, int qOffset, int columns, int[] lanes) {
        IntVector a0 = IntVector.zero(Simd.INTS);
        IntVector a1 = a0;
        IntVector a2 = a0;
        IntVector a3 = a0;
        // A product of two bytes, -128 times 127 included, is a short.
        for (int k = 0; k < columns; k += Simd.SHORTS.length()) {
            ShortVector qs = ShortVector.fromArray(Simd.SHORTS, q, qOffset + k);
            a0 = a0.add(pairs(bytes(r0 + k).mul(qs)));
            a1 = a1.add(pairs(bytes(r1 + k).mul(qs)));
            a2 = a2.add(pairs(bytes(r2 + k).mul(qs)));
            a3 = a3.add(pairs(bytes(r3 + k).mul(qs)));
        }
        lanes[0] = a0.reduceLanes(VectorOperators.ADD);
        lanes[1] = a1.reduceLanes(VectorOperators.ADD);
        lanes[2] = a2.reduceLanes(VectorOperators.ADD);
        lanes[3] = a3.reduceLanes(VectorOperators.ADD);
    }
}
