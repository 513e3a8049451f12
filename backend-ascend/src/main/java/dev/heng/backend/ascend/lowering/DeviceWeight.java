package dev.heng.backend.ascend.lowering;

import dev.heng.backend.ascend.device.TensorView;
import dev.heng.spi.tensor.DType;
import org.jspecify.annotations.Nullable;

/**
 * A weight on the device.
 *
 * @param elements [N, K], [E, N, K] or a vector
 * @param scales [.., N] by channel, [.., N, groups] by group; null where elements are the numbers
 * @param offsets what is added to an element before it is scaled, as scales; null if nothing is
 * @param groupSize elements of K in a group, 0 by channel
 */
public record DeviceWeight(
        TensorView elements,
        @Nullable TensorView scales,
        @Nullable TensorView offsets,
        int groupSize) {

    /** Returns the scales of a weight that has some. */
    TensorView requireScales() {
        if (scales == null) {
            throw new IllegalStateException("a quantised weight has no scales on the device");
        }
        return scales;
    }

    /** Returns a weight whose elements are its numbers. */
    public static DeviceWeight plain(TensorView elements) {
        return new DeviceWeight(elements, null, null, 0);
    }

    /** Returns whether the elements are their numbers, so that an operator of plain weights may take them. */
    public boolean isPlain() {
        return scales == null;
    }

    /** Returns whether the elements are int8. */
    boolean isInt8() {
        return elements.dtype() == DType.I8;
    }
}
