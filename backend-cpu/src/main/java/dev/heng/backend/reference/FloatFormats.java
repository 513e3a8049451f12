package dev.heng.backend.reference;

import dev.heng.spi.tensor.DType;

/**
 * The floating-point formats: exact decoding, and rounding to nearest even straight from double (FORMAT-002), never through a third format.
 *
 * <p>Source: IEEE 754-2019; bfloat16 is the upper half of binary32; OCP 8-bit Floating Point Specification 1.0 for E4M3; OCP Microscaling
 * Formats 1.0 for E8M0.
 */
final class FloatFormats {

    /** The largest finite E4M3 number. */
    static final double E4M3_MAX = 448;

    private static final double[] E4M3_VALUES = e4m3Values();

    private FloatFormats() {}

    /** Returns the number that bfloat16 bits stand for (FORMAT-005). */
    static double fromBf16(short bits) {
        return Float.intBitsToFloat(bits << 16);
    }

    /** Returns the bits of the bfloat16 number nearest to {@code value}, ties to even (FORMAT-005). */
    static short toBf16(double value) {
        return (short) (Float.floatToIntBits((float) nearest(DType.BF16, value)) >>> 16);
    }

    /** Returns the number that binary16 bits stand for (FORMAT-006). */
    static double fromF16(short bits) {
        return Float.float16ToFloat(bits);
    }

    /** Returns the bits of the binary16 number nearest to {@code value}, ties to even (FORMAT-006). */
    static short toF16(double value) {
        return Float.floatToFloat16((float) nearest(DType.F16, value));
    }

    /** Returns the number that an E4M3 code stands for (FORMAT-007). */
    static double fromE4m3(byte code) {
        return E4M3_VALUES[code & 0xff];
    }

    /**
     * Returns the E4M3 number nearest to {@code value}, ties to even, with everything beyond the largest finite number brought back to it
     * (FORMAT-007, QUANT-053).
     */
    static double saturatedE4m3(double value) {
        double clamped = Math.max(-E4M3_MAX, Math.min(E4M3_MAX, value));
        return Double.isNaN(value) ? value : roundTo(clamped, 4, -6, E4M3_MAX);
    }

    /** Returns the number that an E8M0 code stands for: 2^(code - 127), NaN for 0xff (FORMAT-008). */
    static double fromE8m0(byte code) {
        int exponent = (code & 0xff) - 127;
        return exponent == 128 ? Double.NaN : Math.scalb(1.0, exponent);
    }

    /**
     * Returns the number of type {@code to} nearest to {@code value}, ties to even; beyond the largest finite number, infinity (FORMAT-002,
     * FORMAT-003).
     *
     * @param to an activation type
     */
    static double nearest(DType to, double value) {
        return switch (to) {
            case F64 -> value;
            case F32 -> (float) value;
            case F16 -> roundTo(value, 11, -14, 65504);
            case BF16 -> roundTo(value, 8, -126, 0x1.fep127);
            case F8_E4M3, F8_E8M0, I8, I4, I32, I64 -> throw new IllegalArgumentException(to + " holds no activations");
        };
    }

    /**
     * Returns the neighbour of {@code value} in type {@code to}: the next number above or below.
     *
     * @param value a finite number of type {@code to}
     */
    static double neighbour(DType to, double value, boolean above) {
        double toward = above ? Double.POSITIVE_INFINITY : Double.NEGATIVE_INFINITY;
        return switch (to) {
            case F64 -> Math.nextAfter(value, toward);
            case F32 -> Math.nextAfter((float) value, toward);
            case F16 -> step(value, above, 11, -14, 65504);
            case BF16 -> step(value, above, 8, -126, 0x1.fep127);
            case F8_E4M3, F8_E8M0, I8, I4, I32, I64 -> throw new IllegalArgumentException(to + " holds no activations");
        };
    }

    private static double step(double value, boolean above, int precision, int minimumExponent, double largest) {
        boolean outward = value == 0 || (value > 0) == above;
        int exponent = Math.max(Math.getExponent(value), minimumExponent);
        boolean lowestOfBinade = Math.abs(value) == Math.scalb(1.0, exponent) && exponent > minimumExponent;
        // Toward zero from a power of two the numbers lie twice as dense.
        int quantum = exponent - (precision - 1) - (!outward && lowestOfBinade ? 1 : 0);
        double next = value + (above ? 1 : -1) * Math.scalb(1.0, quantum);
        return Math.abs(next) > largest ? Math.copySign(Double.POSITIVE_INFINITY, next) : next;
    }

    /**
     * Rounds to {@code precision} significand bits, ties to even, with gradual underflow below 2^minimumExponent.
     *
     * <p>Both scalings are by powers of two and exact, so the only rounding is that of {@link Math#rint}.
     */
    private static double roundTo(double value, int precision, int minimumExponent, double largest) {
        if (value == 0 || !Double.isFinite(value)) {
            return value;
        }
        int quantum = Math.max(Math.getExponent(value), minimumExponent) - (precision - 1);
        double rounded = Math.rint(value * powerOfTwo(-quantum)) * powerOfTwo(quantum);
        return Math.abs(rounded) > largest ? Math.copySign(Double.POSITIVE_INFINITY, rounded) : rounded;
    }

    /** Returns 2^exponent for the exponent of a normal number, which those of F16, BF16 and E4M3 all are. */
    private static double powerOfTwo(int exponent) {
        return Double.longBitsToDouble((long) (exponent + 1023) << 52);
    }

    private static double[] e4m3Values() {
        double[] values = new double[256];
        for (int code = 0; code < 256; code++) {
            int exponent = (code >> 3) & 0xf;
            int fraction = code & 0x7;
            double magnitude = exponent == 0 ? fraction * 0x1p-9 : Math.scalb(1 + fraction / 8.0, exponent - 7);
            if ((code & 0x7f) == 0x7f) {
                magnitude = Double.NaN;
            }
            values[code] = code >= 128 ? -magnitude : magnitude;
        }
        return values;
    }
}
