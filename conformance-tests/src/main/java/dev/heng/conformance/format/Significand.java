package dev.heng.conformance.format;

/**
 * Rounds doubles to a given number of significand bits, the exponent range being that of double.
 *
 * <p>This models the registers of matrix units, whose width is a number of bits rather than a storage format.
 */
public final class Significand {

    /** Significand bits of double, the hidden one included. */
    public static final int DOUBLE_BITS = 53;

    private Significand() {}

    /**
     * Rounds {@code value} to {@code bits} significand bits. NaN and infinities are returned as they are.
     *
     * @param value a double whose magnitude is zero or normal
     * @param bits significand bits to keep, the leading one included, 1 to 53
     * @param rounding the direction
     * @return the rounded value; rounding to nearest may carry into the next binade
     */
    public static double round(double value, int bits, Rounding rounding) {
        return switch (rounding) {
            case NEAREST_EVEN -> nearest(value, bits);
            case TOWARD_ZERO -> truncate(value, bits);
        };
    }

    /** Drops all but the leading {@code bits} significand bits of {@code value}; see {@link #round}. */
    public static double truncate(double value, int bits) {
        if (!Double.isFinite(value)) {
            return value;
        }
        long raw = Double.doubleToRawLongBits(value);
        return Double.longBitsToDouble(raw & (-1L << (DOUBLE_BITS - bits)));
    }

    /** Rounds {@code value} to the nearest double with {@code bits} significand bits, ties to even; see {@link #round}. */
    public static double nearest(double value, int bits) {
        int dropped = DOUBLE_BITS - bits;
        if (dropped == 0 || !Double.isFinite(value)) {
            return value;
        }
        long raw = Double.doubleToRawLongBits(value);
        long half = 1L << (dropped - 1);
        long odd = (raw >>> dropped) & 1L;
        // Adding to the raw bits lets a carry out of the fraction step the exponent, which is exactly the next binade.
        return Double.longBitsToDouble((raw + (half - 1) + odd) & (-1L << dropped));
    }

    /**
     * Rounds the exact sum {@code x + y} once to {@code bits} significand bits, without the double rounding that adding first
     * and rounding afterwards would commit.
     *
     * @param x a finite double
     * @param y a finite double; {@code x + y} must not overflow
     * @param bits significand bits to keep, 1 to 53
     * @param rounding the direction
     */
    public static double roundSum(double x, double y, int bits, Rounding rounding) {
        double high = x + y;
        double ofY = high - x;
        double low = (x - (high - ofY)) + (y - ofY);
        if (low == 0 || high == 0) {
            return round(high, bits, rounding);
        }
        // high is x + y rounded to nearest. Where the true sum lies closer to zero than high, truncation and
        // tie-breaking must
        // start from the double below; elsewhere a sticky bit at the end of high says that something follows.
        double toZero = Double.longBitsToDouble(Double.doubleToRawLongBits(high) - (((low > 0) == (high > 0)) ? 0 : 1));
        double sticky = Double.longBitsToDouble(Double.doubleToRawLongBits(toZero) | 1L);
        if (bits == DOUBLE_BITS) {
            return rounding == Rounding.NEAREST_EVEN ? high : toZero;
        }
        return round(sticky, bits, rounding);
    }

    /** Returns the unit roundoff 2^-bits of a format with {@code bits} significand bits. */
    public static double unitRoundoff(int bits) {
        return Math.scalb(1.0, -bits);
    }
}
