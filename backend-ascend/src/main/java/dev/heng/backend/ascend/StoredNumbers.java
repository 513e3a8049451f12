package dev.heng.backend.ascend;

import dev.heng.spi.tensor.DType;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;

/** Numbers of stored types on the host, which need not be aligned: read exactly, written with one rounding to nearest even. */
final class StoredNumbers {

    static final ValueLayout.OfShort SHORT = ValueLayout.JAVA_SHORT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
    static final ValueLayout.OfInt INT = ValueLayout.JAVA_INT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
    static final ValueLayout.OfFloat FLOAT = ValueLayout.JAVA_FLOAT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);

    private StoredNumbers() {}

    /** Returns the number at an index; every type here is exact in F32. */
    static float get(MemorySegment segment, DType dtype, long index) {
        return switch (dtype) {
            case F32 -> segment.get(FLOAT, 4 * index);
            case F16 -> Float.float16ToFloat(segment.get(SHORT, 2 * index));
            case BF16 -> Float.intBitsToFloat(segment.get(SHORT, 2 * index) << 16);
            case F8_E4M3 -> e4m3(segment.get(ValueLayout.JAVA_BYTE, index));
            case F8_E8M0 -> e8m0(segment.get(ValueLayout.JAVA_BYTE, index));
            case I8 -> segment.get(ValueLayout.JAVA_BYTE, index);
            case F64, I4, I32, I64 -> throw new IllegalArgumentException("no stored number is read as " + dtype);
        };
    }

    /** Writes a number at an index of F32, F16 or BF16. */
    static void put(MemorySegment segment, DType dtype, long index, float value) {
        switch (dtype) {
            case F32 -> segment.set(FLOAT, 4 * index, value);
            case F16 -> segment.set(SHORT, 2 * index, Float.floatToFloat16(value));
            case BF16 -> segment.set(SHORT, 2 * index, bfloat16(value));
            case F64, F8_E4M3, F8_E8M0, I8, I4, I32, I64 ->
                throw new IllegalArgumentException("no number is stored as " + dtype);
        }
    }

    private static short bfloat16(float value) {
        int bits = Float.floatToRawIntBits(value);
        if (Float.isNaN(value)) {
            return (short) 0x7FC0;
        }
        return (short) ((bits + 0x7FFF + (bits >>> 16 & 1)) >>> 16);
    }

    /** FORMAT-007: bias 7, no infinities, 0x7f is NaN. */
    private static float e4m3(byte code) {
        int exponent = code >> 3 & 15;
        int fraction = code & 7;
        if (exponent == 15 && fraction == 7) {
            return Float.NaN;
        }
        float size = exponent == 0 ? fraction * 0x1p-9f : Math.scalb((float) (8 + fraction), exponent - 10);
        return code < 0 ? -size : size;
    }

    /** FORMAT-008: 2^(code - 127), 0xff is NaN. */
    private static float e8m0(byte code) {
        int exponent = code & 0xFF;
        return exponent == 255 ? Float.NaN : Math.scalb(1f, exponent - 127);
    }
}
