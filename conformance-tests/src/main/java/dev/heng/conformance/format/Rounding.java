package dev.heng.conformance.format;

/** The direction in which a value is rounded to fewer bits. */
public enum Rounding {
    /** To the nearest representable value, ties to the one with an even last bit (IEEE 754 roundTiesToEven). */
    NEAREST_EVEN,
    /** Toward zero: the bits that do not fit are dropped (IEEE 754 roundTowardZero). */
    TOWARD_ZERO
}
