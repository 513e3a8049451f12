package dev.heng.spi.tensor;

/**
 * The type of one stored element.
 *
 * <p>Bit layouts are those of IEEE 754 where the name says so, of bfloat16 (the upper half of binary32) and of the OCP 8-bit
 * formats (OCP Microscaling Formats 1.0: E4M3 without infinities, largest 448; E8M0 a bare power of two). All are little-endian.
 *
 * @since 1.0
 */
public enum DType {
    /** IEEE 754 binary64. As an activation type it is the mode in which the oracle keeps double throughout a graph. */
    F64(64, true, 53),
    /** IEEE 754 binary32. */
    F32(32, true, 24),
    /** IEEE 754 binary16. */
    F16(16, true, 11),
    /** bfloat16: 8 exponent bits, 8 significand bits with the hidden one. */
    BF16(16, true, 8),
    /** OCP E4M3 ("e4m3fn"): no infinities, 0x7f and 0xff are NaN, largest finite 448. Weights only. */
    F8_E4M3(8, true, 4),
    /** OCP E8M0: the value 2^(byte - 127), 0xff is NaN. Scales only. */
    F8_E8M0(8, true, 1),
    /** Two's complement 8-bit integer. */
    I8(8, false, 7),
    /** Unsigned 4-bit code, two per byte, the lower nibble first. Weights only; the quantisation gives codes their meaning. */
    I4(4, false, 4),
    /** Two's complement 32-bit integer. */
    I32(32, false, 31),
    /** Two's complement 64-bit integer. */
    I64(64, false, 63);

    private final int bits;
    private final boolean floating;
    private final int significandBits;

    DType(int bits, boolean floating, int significandBits) {
        this.bits = bits;
        this.floating = floating;
        this.significandBits = significandBits;
    }

    /** Returns the size of one element in bits. */
    public int bits() {
        return bits;
    }

    /** Returns whether elements are floating-point numbers. */
    public boolean isFloating() {
        return floating;
    }

    /** Returns whether this type may hold activations: {@link #F64}, {@link #F32}, {@link #F16} or {@link #BF16}. */
    public boolean isActivation() {
        return this == F64 || this == F32 || this == F16 || this == BF16;
    }

    /** Returns the bits of the significand with the hidden one, so that the unit roundoff is 2^-significandBits. */
    public int significandBits() {
        return significandBits;
    }

    /**
     * Returns the bytes that a dense row-major array of this type takes.
     *
     * @param elements the number of elements, not negative
     * @throws ArithmeticException if the size exceeds 2^63 - 1 bits
     */
    public long bytes(long elements) {
        return Math.ceilDiv(Math.multiplyExact(elements, (long) bits), 8L);
    }
}
