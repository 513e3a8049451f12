package dev.heng.backend.cpu.vector;

import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.IntVector;
import jdk.incubator.vector.VectorMask;
import jdk.incubator.vector.VectorOperators;

/** Rounding of results to the type that the graph declares: to nearest, ties to even. */
final class Rounding {

    private Rounding() {}

    /** Rounds numbers in place. */
    static void round(float[] y, int offset, int count, Element to) {
        switch (to) {
            case F32 -> {}
            case BF16 -> toBf16(y, offset, count);
            case F16 -> {
                for (int i = offset; i < offset + count; i++) {
                    y[i] = Float.float16ToFloat(Float.floatToFloat16(y[i]));
                }
            }
            case E4M3, E8M0, I8, I4 -> throw new IllegalArgumentException("results of type " + to);
        }
    }

    private static void toBf16(float[] y, int offset, int count) {
        int i = offset;
        int whole = offset + count / Simd.LANES * Simd.LANES;
        for (; i < whole; i += Simd.LANES) {
            FloatVector value = FloatVector.fromArray(Simd.FLOATS, y, i);
            IntVector bits = value.reinterpretAsInts();
            IntVector odd = bits.lanewise(VectorOperators.LSHR, 16).and(1);
            IntVector rounded = bits.add(odd).add(0x7fff);
            VectorMask<Float> number = value.eq(value);
            IntVector chosen = bits.or(0x400000).blend(rounded, number.cast(Simd.INTS));
            chosen.and(0xffff0000).reinterpretAsFloats().intoArray(y, i);
        }
        for (; i < offset + count; i++) {
            y[i] = Float.intBitsToFloat(bf16(y[i]) << 16);
        }
    }

    /** Returns the bits of the nearest bfloat16 number; a NaN stays one. */
    static short bf16(float value) {
        int bits = Float.floatToRawIntBits(value);
        if (Float.isNaN(value)) {
            return (short) (bits >>> 16 | 0x40);
        }
        return (short) ((bits + 0x7fff + (bits >>> 16 & 1)) >>> 16);
    }

    /** Stores numbers as another type. */
    static void store(Element type, float[] x, int offset, int count, long address) {
        switch (type) {
            case F32 -> Memory.store(x, offset, address, count);
            case BF16 -> {
                for (int i = 0; i < count; i++) {
                    Memory.putI16(address + 2L * i, bf16(x[offset + i]));
                }
            }
            case F16 -> {
                for (int i = 0; i < count; i++) {
                    Memory.putI16(address + 2L * i, Float.floatToFloat16(x[offset + i]));
                }
            }
            case E4M3, E8M0, I8, I4 -> throw new IllegalArgumentException("results of type " + type);
        }
    }
}
