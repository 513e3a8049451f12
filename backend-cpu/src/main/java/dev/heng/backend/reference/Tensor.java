package dev.heng.backend.reference;

import dev.heng.spi.tensor.DType;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;

/**
 * A dense row-major matrix in memory, whatever its element type; a vector is a matrix of one row or of one column (FORMAT-001).
 *
 * @param memory at least rows * columns elements, little-endian, of any alignment
 * @param dtype the element type
 * @param rows the number of rows
 * @param columns elements of one row
 */
record Tensor(MemorySegment memory, DType dtype, long rows, int columns) {

    static final ValueLayout.OfShort SHORT = ValueLayout.JAVA_SHORT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
    static final ValueLayout.OfInt INT = ValueLayout.JAVA_INT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
    static final ValueLayout.OfLong LONG = ValueLayout.JAVA_LONG_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
    static final ValueLayout.OfFloat FLOAT = ValueLayout.JAVA_FLOAT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
    static final ValueLayout.OfDouble DOUBLE = ValueLayout.JAVA_DOUBLE_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);

    /** Returns one element as a double, which holds every element of every floating type exactly. */
    double get(long row, int column) {
        long index = row * columns + column;
        return switch (dtype) {
            case F64 -> memory.get(DOUBLE, index * 8);
            case F32 -> memory.get(FLOAT, index * 4);
            case F16 -> FloatFormats.fromF16(memory.get(SHORT, index * 2));
            case BF16 -> FloatFormats.fromBf16(memory.get(SHORT, index * 2));
            case F8_E4M3, F8_E8M0, I8, I4, I32, I64 -> throw notFloating();
        };
    }

    /** Copies elements from..from+length-1 of a row into {@code target}, as doubles, from index {@code at}. */
    void read(long row, int from, int length, double[] target, int at) {
        long first = row * columns + from;
        switch (dtype) {
            case F64 -> {
                for (int i = 0; i < length; i++) {
                    target[at + i] = memory.get(DOUBLE, (first + i) * 8);
                }
            }
            case F32 -> {
                for (int i = 0; i < length; i++) {
                    target[at + i] = memory.get(FLOAT, (first + i) * 4);
                }
            }
            case F16 -> {
                for (int i = 0; i < length; i++) {
                    target[at + i] = FloatFormats.fromF16(memory.get(SHORT, (first + i) * 2));
                }
            }
            case BF16 -> {
                for (int i = 0; i < length; i++) {
                    target[at + i] = FloatFormats.fromBf16(memory.get(SHORT, (first + i) * 2));
                }
            }
            case F8_E4M3, F8_E8M0, I8, I4, I32, I64 -> throw notFloating();
        }
    }

    /** Returns a row as doubles. */
    double[] row(long row) {
        double[] values = new double[columns];
        read(row, 0, columns, values, 0);
        return values;
    }

    /** Rounds {@code value} to this type, once, and stores it. */
    void set(long row, int column, double value, Rounding rounding) {
        long index = row * columns + column;
        double rounded = rounding.round(dtype, value, index);
        switch (dtype) {
            case F64 -> memory.set(DOUBLE, index * 8, rounded);
            case F32 -> memory.set(FLOAT, index * 4, (float) rounded);
            case F16 -> memory.set(SHORT, index * 2, Float.floatToFloat16((float) rounded));
            case BF16 -> memory.set(SHORT, index * 2, (short) (Float.floatToIntBits((float) rounded) >>> 16));
            case F8_E4M3, F8_E8M0, I8, I4, I32, I64 -> throw notFloating();
        }
    }

    /** Rounds a whole row to this type and stores it. */
    void setRow(long row, double[] values, Rounding rounding) {
        for (int column = 0; column < columns; column++) {
            set(row, column, values[column], rounding);
        }
    }

    /** Returns an element of an I32 tensor. */
    int integer(long row, int column) {
        return memory.get(INT, (row * columns + column) * 4);
    }

    /** Returns an element of a one-dimensional I32 tensor. */
    int integer(long index) {
        return memory.get(INT, index * 4);
    }

    /** Stores an element of an I32 tensor, by its row-major index. */
    void setInteger(long index, int value) {
        memory.set(INT, index * 4, value);
    }

    /** Returns an element of a one-dimensional I64 tensor. */
    long longInteger(long index) {
        return memory.get(LONG, index * 8);
    }

    /** Copies elements bit for bit from a row of a tensor of the same type (FORMAT-010). */
    void copyBits(long row, int to, Tensor source, long sourceRow, int from, int length) {
        long width = dtype.bits() / 8;
        MemorySegment.copy(
                source.memory,
                (sourceRow * source.columns + from) * width,
                memory,
                (row * columns + to) * width,
                length * width);
    }

    private IllegalStateException notFloating() {
        return new IllegalStateException("elements of type " + dtype + " are not activations");
    }
}
