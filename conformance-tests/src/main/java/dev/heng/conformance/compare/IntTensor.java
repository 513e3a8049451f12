package dev.heng.conformance.compare;

import java.util.Arrays;

/**
 * A dense row-major tensor of integers.
 *
 * @param bits the width of a stored element, which a result must share with what was expected
 * @param shape the sizes of its dimensions; copied
 * @param values the elements; owned by this record and not to be changed
 */
@SuppressWarnings("ArrayRecordComponent") // Tensors are large: identity is the right equality, and a copy a waste.
public record IntTensor(int bits, int[] shape, long[] values) {

    public IntTensor {
        shape = shape.clone();
        if (FloatTensor.elements(shape) != values.length) {
            throw new IllegalArgumentException(
                    values.length + " values do not fill a tensor of shape " + Arrays.toString(shape));
        }
    }

    /** Returns the number of elements. */
    public int size() {
        return values.length;
    }
}
