package dev.heng.conformance.format;

/**
 * Stored floating-point formats, as codecs between bits and double.
 *
 * <p>The names are those of the SPI's element types where both exist. Decoding is exact; encoding is correctly rounded.
 */
public enum FloatFormat {
    /** IEEE 754 binary64. */
    F64(64, 53, -1022, 1023, Specials.IEEE),
    /** IEEE 754 binary32. */
    F32(32, 24, -126, 127, Specials.IEEE),
    /** IEEE 754 binary16. */
    F16(16, 11, -14, 15, Specials.IEEE),
    /** bfloat16: the upper half of binary32. */
    BF16(16, 8, -126, 127, Specials.IEEE),
    /** OCP E4M3: no infinities, NaN only at 0x7f and 0xff, largest finite 448 (OCP 8-bit Floating Point Specification 1.0). */
    F8_E4M3(8, 4, -6, 8, Specials.NAN_ONLY),
    /** OCP E5M2: IEEE-like, largest finite 57344 (OCP 8-bit Floating Point Specification 1.0). */
    F8_E5M2(8, 3, -14, 15, Specials.IEEE);

    /** What the largest exponent code means. */
    private enum Specials {
        /** Infinities and NaNs, as in IEEE 754. */
        IEEE,
        /** Ordinary numbers, but for the all-ones code, which is NaN. */
        NAN_ONLY
    }

    private final int bits;
    private final int significandBits;
    private final int minExponent;
    private final int maxExponent;
    private final Specials specials;

    FloatFormat(int bits, int significandBits, int minExponent, int maxExponent, Specials specials) {
        this.bits = bits;
        this.significandBits = significandBits;
        this.minExponent = minExponent;
        this.maxExponent = maxExponent;
        this.specials = specials;
    }

    /** Returns the bits of one stored element. */
    public int bits() {
        return bits;
    }

    /** Returns the significand bits with the hidden one; the unit roundoff is 2^-significandBits. */
    public int significandBits() {
        return significandBits;
    }

    /** Returns the unit roundoff, half the distance between neighbours relative to the lower end of a binade. */
    public double unitRoundoff() {
        return Significand.unitRoundoff(significandBits);
    }

    /** Returns the exponent of the smallest normal number. */
    public int minExponent() {
        return minExponent;
    }

    /** Returns the exponent of the largest finite number. */
    public int maxExponent() {
        return maxExponent;
    }

    /** Returns the smallest positive number, a subnormal. */
    public double minSubnormal() {
        return this == F64 ? Double.MIN_VALUE : Math.scalb(1.0, minExponent - significandBits + 1);
    }

    /** Returns the largest finite number. */
    public double maxFinite() {
        double significand = 2.0 - Math.scalb(specials == Specials.NAN_ONLY ? 2.0 : 1.0, 1 - significandBits);
        return Math.scalb(significand, maxExponent);
    }

    /** Returns whether the format has infinities. */
    public boolean hasInfinities() {
        return specials == Specials.IEEE;
    }

    /**
     * Rounds {@code value} to the nearest number of this format, ties to even.
     *
     * @return the number; beyond the range an infinity, or NaN in a format without infinities
     */
    public double round(double value) {
        return round(value, Rounding.NEAREST_EVEN);
    }

    /**
     * Rounds {@code value} to a number of this format. Toward zero, a finite value beyond the range becomes the largest finite
     * number; to nearest, it becomes an infinity, or NaN in a format without infinities.
     */
    public double round(double value, Rounding rounding) {
        if (this == F64 || Double.isNaN(value) || value == 0) {
            return value;
        }
        if (Double.isInfinite(value)) {
            return hasInfinities() ? value : Double.NaN;
        }
        int exponent = Math.max(Math.getExponent(value), minExponent);
        int quantum = exponent - significandBits + 1;
        // Scaling by a power of two is exact here: the scaled magnitude lies below 2^significandBits.
        double scaled = Math.scalb(value, -quantum);
        double whole = switch (rounding) {
            case NEAREST_EVEN -> Math.rint(scaled);
            case TOWARD_ZERO -> scaled < 0 ? Math.ceil(scaled) : Math.floor(scaled);
        };
        double rounded = Math.scalb(whole, quantum);
        if (Math.abs(rounded) > maxFinite()) {
            return switch (rounding) {
                case NEAREST_EVEN -> hasInfinities() ? Math.copySign(Double.POSITIVE_INFINITY, value) : Double.NaN;
                case TOWARD_ZERO -> Math.copySign(maxFinite(), value);
            };
        }
        return rounded == 0 ? Math.copySign(0.0, value) : rounded;
    }

    /** Returns whether {@code value} is a number of this format (or NaN, or an infinity the format has). */
    public boolean represents(double value) {
        return Double.isNaN(value)
                || (Double.isInfinite(value) ? hasInfinities() : Double.compare(round(value), value) == 0);
    }

    /**
     * Returns the bits of {@code value} rounded to nearest, in the low {@link #bits()} bits of a long. NaN becomes the quiet NaN
     * with an empty payload.
     */
    public long encode(double value) {
        if (this == F64) {
            return Double.doubleToLongBits(value);
        }
        int fractionBits = significandBits - 1;
        long sign = (Double.doubleToRawLongBits(value) >>> 63) << (bits - 1);
        long exponentOnes = (1L << (bits - 1 - fractionBits)) - 1;
        double rounded = round(value);
        if (Double.isNaN(rounded)) {
            return specials == Specials.IEEE
                    ? (exponentOnes << fractionBits) | (1L << (fractionBits - 1))
                    : sign | ((1L << (bits - 1)) - 1);
        }
        if (Double.isInfinite(rounded)) {
            return sign | (exponentOnes << fractionBits);
        }
        double magnitude = Math.abs(rounded);
        int exponent = Math.max(Math.getExponent(magnitude), minExponent);
        long whole = (long) Math.scalb(magnitude, fractionBits - exponent);
        boolean normal = whole >= 1L << fractionBits;
        long exponentCode = normal ? exponent - minExponent + 1L : 0;
        return sign | (exponentCode << fractionBits) | (whole & ((1L << fractionBits) - 1));
    }

    /** Returns the value of the low {@link #bits()} bits of {@code code}, exactly. */
    public double decode(long code) {
        if (this == F64) {
            return Double.longBitsToDouble(code);
        }
        int fractionBits = significandBits - 1;
        long fraction = code & ((1L << fractionBits) - 1);
        long exponentOnes = (1L << (bits - 1 - fractionBits)) - 1;
        long exponentCode = (code >>> fractionBits) & exponentOnes;
        boolean negative = ((code >>> (bits - 1)) & 1) != 0;
        double magnitude;
        if (exponentCode == exponentOnes && specials == Specials.IEEE) {
            magnitude = fraction == 0 ? Double.POSITIVE_INFINITY : Double.NaN;
        } else if (exponentCode == exponentOnes && fraction == (1L << fractionBits) - 1) {
            magnitude = Double.NaN;
        } else if (exponentCode == 0) {
            magnitude = Math.scalb((double) fraction, minExponent - fractionBits);
        } else {
            magnitude = Math.scalb(
                    (double) (fraction | (1L << fractionBits)), (int) exponentCode - 1 + minExponent - fractionBits);
        }
        return negative ? -magnitude : magnitude;
    }

    /**
     * Returns the distance from {@code value}'s magnitude, rounded down to this format, to the next larger magnitude: one unit in
     * the last place. Subnormals and zero have the spacing of the smallest normals.
     *
     * @param value a finite value within the format's range
     */
    public double ulp(double value) {
        if (this == F64) {
            return Math.ulp(value);
        }
        int exponent = Math.clamp(value == 0 ? minExponent : Math.getExponent(value), minExponent, maxExponent);
        return Math.scalb(1.0, exponent - significandBits + 1);
    }

    /** Returns {@code value}'s bits in hexadecimal, zero-padded to the format's width, with a leading 0x. */
    public String hex(long code) {
        return "0x" + String.format("%0" + (bits / 4) + "x", bits == 64 ? code : code & ((1L << bits) - 1));
    }
}
