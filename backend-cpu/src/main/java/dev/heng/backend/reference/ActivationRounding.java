package dev.heng.backend.reference;

import dev.heng.spi.graph.ActivationFormat;
import dev.heng.spi.tensor.DType;
import java.util.Arrays;

/** The rounding of activations before a product, which is part of the model's meaning (QUANT-040 and following). */
final class ActivationRounding {

    private static final int FP8_BLOCK = 128;

    private ActivationRounding() {}

    /**
     * Rounds one row in place.
     *
     * @param dtype the activations' type; scales of a double graph stay double (FORMAT-009)
     * @return what the product must still be multiplied with: the row's scale for {@link ActivationFormat#INT8_PER_TOKEN}, whose row becomes integers, else 1
     */
    static double round(ActivationFormat format, DType dtype, double[] row) {
        boolean isDouble = dtype == DType.F64;
        return switch (format) {
            case FLOAT -> 1;
            case INT8_PER_TOKEN -> int8(row, isDouble);
            case FP8_PER_TOKEN_128 -> fp8(row, isDouble, false);
            case FP8_PER_TOKEN_128_POWER_OF_TWO -> fp8(row, isDouble, true);
        };
    }

    /** QUANT-041: s = max|x| / 127; q = round half even(x / s), clamped. */
    private static double int8(double[] row, boolean isDouble) {
        double largest = largestMagnitude(row, 0, row.length);
        double scale = single(largest / 127, isDouble);
        if (!Double.isFinite(scale)) {
            // QUANT-043: a row with a NaN or an infinity has no scale; everything it meets is NaN.
            Arrays.fill(row, 0);
            return Double.NaN;
        }
        if (scale == 0) {
            Arrays.fill(row, 0);
            return 0;
        }
        for (int k = 0; k < row.length; k++) {
            row[k] = Math.max(-128, Math.min(127, Math.rint(row[k] / scale)));
        }
        return scale;
    }

    /** QUANT-050 to QUANT-053: for each 128 columns, s = max(max|x|, 1e-4) / 448; x becomes e4m3(x / s) * s, which a double holds exactly. */
    private static double fp8(double[] row, boolean isDouble, boolean powerOfTwo) {
        for (int from = 0; from < row.length; from += FP8_BLOCK) {
            int to = Math.min(row.length, from + FP8_BLOCK);
            double largest = Math.max(largestMagnitude(row, from, to), single(1e-4, isDouble));
            double scale = single(largest / FloatFormats.E4M3_MAX, isDouble);
            if (powerOfTwo && Double.isFinite(scale)) {
                scale = atLeast(scale);
            }
            for (int k = from; k < to; k++) {
                // QUANT-043: an infinity or NaN makes the scale so, and with it the whole block NaN.
                row[k] = Double.isFinite(scale) ? FloatFormats.saturatedE4m3(row[k] / scale) * scale : Double.NaN;
            }
        }
        return 1;
    }

    /** Returns the smallest power of two that is at least {@code scale} (QUANT-052). */
    private static double atLeast(double scale) {
        double power = Math.scalb(1.0, Math.getExponent(scale));
        return power == scale ? power : power * 2;
    }

    /** Returns the largest magnitude, 0 for nothing, NaN if there is one. */
    private static double largestMagnitude(double[] row, int from, int to) {
        double largest = 0;
        for (int k = from; k < to; k++) {
            largest = Math.max(largest, Math.abs(row[k]));
        }
        return largest;
    }

    private static double single(double value, boolean isDouble) {
        return isDouble ? value : (float) value;
    }
}
