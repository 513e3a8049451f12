package dev.heng.backend.ascend.lowering;

import dev.heng.spi.tensor.DType;

/**
 * How a weight lies on the device for the operator that takes it.
 *
 * @param kind how the elements lie
 * @param scaleType the type of scales and offsets, F32 where there are none
 */
public record WeightForm(Kind kind, DType scaleType) {

    /** How the elements of a weight lie. */
    public enum Kind {
        /** As stored: plain numbers. */
        PLAIN,
        /** As F32 numbers, worked out when the weight was loaded: tables, what attention takes, and what an option asked for. */
        WIDENED,
        /** int8 [.., N, K] with scales [.., N]. */
        INT8,
        /** int8 and scales, made from FP8 blocks because an option asked for it. */
        INT8_FROM_FP8,
        /** Signed 4-bit numbers [.., N, K], two in a byte, with scales and, where stored, offsets [.., N, groups]. */
        INT4
    }

    /** A plain weight as it is. */
    public static final WeightForm PLAIN = new WeightForm(Kind.PLAIN, DType.F32);

    /** A quantised weight as F32 numbers. */
    public static final WeightForm WIDENED = new WeightForm(Kind.WIDENED, DType.F32);
}
