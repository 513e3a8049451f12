package dev.heng.conformance.bound;

/** What a device declares to do with float32 subnormals. */
public enum Subnormals {
    /** They are numbers like others. */
    KEPT,
    /** They may be replaced by zero, as operands and as results. */
    FLUSHED;

    /** Returns how far a float32 result near zero may be off beyond its relative error. */
    public double floor() {
        return switch (this) {
            case KEPT -> 0x1p-149;
            case FLUSHED -> 0x1p-126;
        };
    }
}
