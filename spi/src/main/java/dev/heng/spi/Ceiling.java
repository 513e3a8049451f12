package dev.heng.spi;

/**
 * What a device was measured to do at most: the roof that the speed of a model is a share of.
 *
 * @param kind what was measured
 * @param value how much, in {@link Kind#unit()}; finite and positive
 * @param method one line for people: the instruction or library call, and the size of the problem
 * @since 1.0
 */
public record Ceiling(Kind kind, double value, String method) {

    public Ceiling {
        if (!(value > 0) || !Double.isFinite(value)) {
            throw new IllegalArgumentException("a ceiling of " + value + " for " + kind + " was not measured");
        }
    }

    /** Kinds of ceiling. An operation of a rate is one multiplication or one addition: a fused multiply-add is two. */
    public enum Kind {
        /** Reading memory and writing none, by all the threads or units that run a program, from memory far larger than any cache. */
        READ_BANDWIDTH(Unit.BYTES_PER_SECOND),
        /** Copying memory; each byte is counted twice, as read and as written. */
        COPY_BANDWIDTH(Unit.BYTES_PER_SECOND),
        /** Float32 multiply-adds with float32 sums. */
        F32_RATE(Unit.OPERATIONS_PER_SECOND),
        /** Products of bfloat16 factors with float32 sums. */
        BF16_RATE(Unit.OPERATIONS_PER_SECOND),
        /** Products of FP8 factors. */
        FP8_RATE(Unit.OPERATIONS_PER_SECOND),
        /** Products of int8 factors with int32 sums. */
        INT8_RATE(Unit.OPERATIONS_PER_SECOND),
        /** Time from the end of one tiny kernel to the end of the next in the way that programs are launched. */
        KERNEL_GAP(Unit.SECONDS);

        private final Unit unit;

        Kind(Unit unit) {
            this.unit = unit;
        }

        /** Returns what {@link Ceiling#value} counts. */
        public Unit unit() {
            return unit;
        }
    }

    /** What a ceiling counts. */
    public enum Unit {
        /** Bytes per second. */
        BYTES_PER_SECOND,
        /** Operations per second. */
        OPERATIONS_PER_SECOND,
        /** Seconds. */
        SECONDS
    }
}
