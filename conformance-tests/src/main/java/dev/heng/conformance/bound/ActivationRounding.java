package dev.heng.conformance.bound;

import dev.heng.conformance.format.FloatFormat;
import dev.heng.spi.graph.ActivationFormat;
import java.util.Arrays;

/**
 * The rounding of activations before a product (QUANT-041, QUANT-050 to QUANT-053), and where a device's quotient may legally fall
 * on the other side of a boundary.
 *
 * @param values what the product takes, row-major [T, K]
 * @param steps for each value how far the legal neighbour is, or 0 where the rounding is beyond doubt
 */
@SuppressWarnings("ArrayRecordComponent") // As large as the operand; never compared.
public record ActivationRounding(double[] values, double[] steps) {

    /** How far a quotient of F32 may be off and still be called correct: QUANT-041's few units in the last place. */
    private static final double QUOTIENT_ERROR = 4 * 0x1p-24;

    /**
     * Rounds the activations of a product.
     *
     * @param x row-major [rows, columns]; kept as it is under FLOAT
     */
    public static ActivationRounding of(ActivationFormat format, double[] x, int rows, int columns) {
        return switch (format) {
            case FLOAT -> new ActivationRounding(x, new double[x.length]);
            case INT8_PER_TOKEN -> int8(x, rows, columns);
            case FP8_PER_TOKEN_128 -> fp8(x, rows, columns, false);
            case FP8_PER_TOKEN_128_POWER_OF_TWO -> fp8(x, rows, columns, true);
        };
    }

    private static ActivationRounding int8(double[] x, int rows, int columns) {
        double[] values = new double[x.length];
        double[] steps = new double[x.length];
        for (int row = 0; row < rows; row++) {
            double scale = (float) (largest(x, row * columns, (row + 1) * columns) / 127);
            for (int index = row * columns; index < (row + 1) * columns && scale > 0; index++) {
                double quotient = x[index] / scale;
                values[index] = Math.clamp(Math.rint(quotient), -128.0, 127.0) * scale;
                double toBoundary = Math.abs(Math.abs(quotient - Math.rint(quotient)) - 0.5);
                steps[index] = toBoundary <= QUOTIENT_ERROR * Math.abs(quotient) ? scale : 0;
            }
        }
        return new ActivationRounding(values, steps);
    }

    private static ActivationRounding fp8(double[] x, int rows, int columns, boolean powerOfTwo) {
        double[] values = new double[x.length];
        double[] steps = new double[x.length];
        for (int row = 0; row < rows; row++) {
            for (int start = 0; start < columns; start += 128) {
                int from = row * columns + start;
                int to = row * columns + Math.min(columns, start + 128);
                double scale = (float) (Math.max(largest(x, from, to), (float) 1e-4) / 448);
                if (powerOfTwo) {
                    int exponent = Math.getExponent(scale);
                    scale = Math.scalb(1.0, scale == Math.scalb(1.0, exponent) ? exponent : exponent + 1);
                }
                for (int index = from; index < to; index++) {
                    double quotient = x[index] / scale;
                    double code = saturated(quotient);
                    values[index] = code * scale;
                    double lower = saturated(quotient * (1 - QUOTIENT_ERROR));
                    double upper = saturated(quotient * (1 + QUOTIENT_ERROR));
                    steps[index] = Math.abs(upper - lower) * scale;
                }
            }
        }
        return new ActivationRounding(values, steps);
    }

    private static double saturated(double quotient) {
        return FloatFormat.F8_E4M3.round(Math.clamp(quotient, -448.0, 448.0));
    }

    private static double largest(double[] x, int from, int to) {
        double largest = 0;
        for (int index = from; index < to; index++) {
            largest = Math.max(largest, Math.abs(x[index]));
        }
        return largest;
    }

    /** Returns whether no element's rounding is in doubt. */
    public boolean isUnambiguous() {
        return Arrays.stream(steps).allMatch(step -> step == 0);
    }

    /** Returns by how much the doubtful roundings of a row may move its product with a weight's row. */
    public double doubt(int row, double[] weight, int weightRow, int columns) {
        double sum = 0;
        for (int index = 0; index < columns; index++) {
            double step = steps[row * columns + index];
            if (step != 0) {
                sum += step * Math.abs(weight[weightRow * columns + index]);
            }
        }
        return sum;
    }
}
