package dev.heng.conformance.probe;

import dev.heng.conformance.format.FloatFormat;

/**
 * The numbers that one operand of a product can be: multiples of the least of them, of so many bits.
 *
 * @param significandBits bits of a number, the leading one included
 * @param minExponent the exponent of the smallest number that has all of them
 * @param maxExponent the exponent of the largest
 */
public record OperandRange(int significandBits, int minExponent, int maxExponent) {

    /** Returns the numbers of a floating-point format. */
    public static OperandRange of(FloatFormat format) {
        return new OperandRange(format.significandBits(), format.minExponent(), format.maxExponent());
    }

    /**
     * Returns integers times a power of two by which the largest lie between 1 and 2: what a quantised weight of one scale can be.
     *
     * @param bits bits of the largest integer: 7 for int8, 3 for codes of int4 less their zero point of 8
     */
    public static OperandRange integers(int bits) {
        return new OperandRange(bits, 0, 0);
    }

    /** Returns the exponent of the smallest number. */
    int lowestExponent() {
        return minExponent - significandBits + 1;
    }

    boolean represents(double value) {
        if (value == 0) {
            return true;
        }
        int exponent = Math.getExponent(value);
        // The last bit of a number lies this far below 1, unless the format ends before.
        int last = Math.max(exponent - significandBits + 1, lowestExponent());
        double places = Math.scalb(value, -last);
        return exponent <= maxExponent && places == Math.rint(places);
    }
}
