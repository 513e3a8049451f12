package dev.heng.conformance.compare;

import dev.heng.conformance.format.FloatFormat;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.Arrays;

/**
 * A dense row-major tensor of floating-point numbers, as decoded values.
 *
 * @param format the format of its elements
 * @param shape the sizes of its dimensions; copied
 * @param values the decoded elements; owned by this record and not to be changed
 */
@SuppressWarnings("ArrayRecordComponent") // Tensors are large: identity is the right equality, and a copy a waste.
public record FloatTensor(FloatFormat format, int[] shape, double[] values) {

    public FloatTensor {
        shape = shape.clone();
        if (elements(shape) != values.length) {
            throw new IllegalArgumentException(
                    values.length + " values do not fill a tensor of shape " + Arrays.toString(shape));
        }
    }

    /** Returns a tensor of shape [rows, columns]. */
    public static FloatTensor matrix(FloatFormat format, int rows, int columns, double[] values) {
        return new FloatTensor(format, new int[] {rows, columns}, values);
    }

    /** Returns a tensor with {@code values} rounded to {@code format}, to nearest. */
    public static FloatTensor rounded(FloatFormat format, int[] shape, double[] values) {
        double[] rounded = new double[values.length];
        for (int index = 0; index < values.length; index++) {
            rounded[index] = format.round(values[index]);
        }
        return new FloatTensor(format, shape, rounded);
    }

    /**
     * Decodes little-endian elements.
     *
     * @param format the format of the elements
     * @param shape the sizes of the dimensions
     * @param bytes exactly the tensor's bytes, from position to limit; its position is not changed
     */
    public static FloatTensor decode(FloatFormat format, int[] shape, ByteBuffer bytes) {
        int width = format.bits() / 8;
        long elements = elements(shape);
        if (bytes.remaining() != elements * width) {
            throw new IllegalArgumentException(bytes.remaining() + " bytes do not hold " + elements + " elements of "
                    + format + ", which take " + elements * width);
        }
        ByteBuffer source = bytes.duplicate().order(ByteOrder.LITTLE_ENDIAN);
        double[] values = new double[Math.toIntExact(elements)];
        for (int index = 0; index < values.length; index++) {
            values[index] = format.decode(
                    switch (width) {
                        case 1 -> source.get();
                        case 2 -> source.getShort();
                        case 4 -> source.getInt();
                        default -> source.getLong();
                    });
        }
        return new FloatTensor(format, shape, values);
    }

    /** Returns the number of elements. */
    public int size() {
        return values.length;
    }

    static long elements(int[] shape) {
        long product = 1;
        for (int size : shape) {
            if (size < 0) {
                throw new IllegalArgumentException("a tensor has no negative dimension: " + Arrays.toString(shape));
            }
            product = Math.multiplyExact(product, (long) size);
        }
        return product;
    }
}
