package dev.heng.runtime.checkpoint;

import dev.heng.runtime.HengException;
import dev.heng.spi.tensor.Shape;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import java.nio.file.Path;

/**
 * One tensor of a mapped file.
 *
 * @param name its name
 * @param type the type of its elements
 * @param shape its dimensions, outermost first; empty for a scalar
 * @param file the file it lies in
 * @param data its bytes, little-endian, row-major and dense, read-only and perhaps not aligned; valid until the file is closed
 */
public record StoredTensor(String name, StoredType type, Shape shape, Path file, MemorySegment data) {

    private static final ValueLayout.OfShort SHORT =
            ValueLayout.JAVA_SHORT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
    private static final ValueLayout.OfInt INT = ValueLayout.JAVA_INT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
    private static final ValueLayout.OfFloat FLOAT =
            ValueLayout.JAVA_FLOAT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
    private static final ValueLayout.OfLong LONG = ValueLayout.JAVA_LONG_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);

    /** Returns the number of elements. */
    public long elements() {
        return shape.elements();
    }

    /**
     * Returns element {@code index} as a double, exactly.
     *
     * @param index its place in row-major order
     * @throws HengException if elements are not F64, F32, F16, BF16 or F8_E8M0
     * @throws IndexOutOfBoundsException if there is no such element
     */
    public double real(long index) {
        return switch (type) {
            case F64 -> Double.longBitsToDouble(data.get(LONG, index * Long.BYTES));
            case F32 -> Float.intBitsToFloat(data.get(INT, index * Integer.BYTES));
            case F16 -> Float.float16ToFloat(data.get(SHORT, index * Short.BYTES));
            case BF16 -> Float.intBitsToFloat(data.get(SHORT, index * Short.BYTES) << 16);
            case F8_E8M0 -> {
                int exponent = data.get(ValueLayout.JAVA_BYTE, index) & 0xff;
                yield exponent == 0xff ? Double.NaN : Math.scalb(1.0, exponent - 127);
            }
            case BOOL, F4, F6_E3M2, F6_E2M3, U8, I8, F8_E5M2, F8_E4M3, I16, U16, I32, U32, C64, I64, U64 ->
                throw wrongType("floating-point numbers");
        };
    }

    /**
     * Returns element {@code index} of a tensor of integers.
     *
     * @throws HengException if elements are not I8, I32 or I64
     * @throws IndexOutOfBoundsException if there is no such element
     */
    public long integer(long index) {
        return switch (type) {
            case I8 -> data.get(ValueLayout.JAVA_BYTE, index);
            case I32 -> data.get(INT, index * Integer.BYTES);
            case I64 -> data.get(LONG, index * Long.BYTES);
            case BOOL,
                    F4,
                    F6_E3M2,
                    F6_E2M3,
                    U8,
                    F8_E5M2,
                    F8_E4M3,
                    F8_E8M0,
                    I16,
                    U16,
                    F16,
                    BF16,
                    U32,
                    F32,
                    C64,
                    F64,
                    U64 -> throw wrongType("signed integers");
        };
    }

    /**
     * Returns a copy of all elements; F32 ones bit for bit, F64 ones rounded.
     *
     * @throws HengException if they are not floating-point numbers, or more than an array holds
     */
    public float[] floats() {
        float[] copy = new float[arrayLength()];
        if (type == StoredType.F32) {
            MemorySegment.copy(data, FLOAT, 0, copy, 0, copy.length);
            return copy;
        }
        for (int index = 0; index < copy.length; index++) {
            copy[index] = (float) real(index);
        }
        return copy;
    }

    /**
     * Returns a copy of all elements.
     *
     * @throws HengException if they are not signed integers, or more than an array holds
     */
    public long[] integers() {
        long[] copy = new long[arrayLength()];
        for (int index = 0; index < copy.length; index++) {
            copy[index] = integer(index);
        }
        return copy;
    }

    /** Returns "tensor 'NAME' of FILE", as messages begin. */
    String describe() {
        return "tensor '" + SafetensorsReader.printable(name) + "' of " + file;
    }

    private int arrayLength() {
        long elements = elements();
        if (elements > Integer.MAX_VALUE - 16) {
            throw new HengException(
                    describe() + " has " + elements + " elements, more than an array holds", "read it in parts");
        }
        return (int) elements;
    }

    private HengException wrongType(String wanted) {
        return new HengException(describe() + " holds " + type + ", not " + wanted, "use a file that holds " + wanted);
    }
}
