package dev.heng.conformance.bound;

import dev.heng.conformance.format.FloatFormat;
import dev.heng.spi.graph.ActivationFormat;
import java.util.function.DoubleUnaryOperator;
import java.util.stream.IntStream;

/**
 * The rounding of activations before a product (QUANT-041, QUANT-050 to QUANT-053), and where a device's quotient may legally fall
 * on the other side of a boundary.
 *
 * @param values what the product takes, row-major [T, K]
 * @param others for each value the legal neighbour that a device may take instead; the value itself where the rounding is beyond doubt
 */
@SuppressWarnings("ArrayRecordComponent") // As large as the operand; never compared.
public record ActivationRounding(double[] values, double[] others) {

    /** How far a quotient of F32 may be off and still be called correct: QUANT-041's few units in the last place. */
    private static final double QUOTIENT_ERROR = 4 * 0x1p-24;

    /** Columns that share a scale of E4M3 (QUANT-050). */
    private static final int GROUP = 128;

    /**
     * Rounds the activations of a product.
     *
     * @param x row-major [rows, columns]; kept as it is under FLOAT
     */
    public static ActivationRounding of(ActivationFormat format, double[] x, int rows, int columns) {
        if (format == ActivationFormat.FLOAT) {
            return new ActivationRounding(x, x);
        }
        int group = format == ActivationFormat.INT8_PER_TOKEN ? columns : GROUP;
        ActivationRounding rounding = new ActivationRounding(new double[x.length], new double[x.length]);
        for (int row = 0; row < rows; row++) {
            for (int start = 0; start < columns; start += group) {
                int from = row * columns + start;
                rounding.fill(format, x, from, Math.min(from + group, (row + 1) * columns));
            }
        }
        return rounding;
    }

    /** Rounds elements {@code from} to {@code to} of {@code x}, which share one scale. */
    private void fill(ActivationFormat format, double[] x, int from, int to) {
        double scale = scale(format, largest(x, from, to));
        if (scale == 0) {
            return;
        }
        DoubleUnaryOperator code =
                format == ActivationFormat.INT8_PER_TOKEN ? ActivationRounding::int8 : ActivationRounding::e4m3;
        for (int index = from; index < to; index++) {
            double quotient = x[index] / scale;
            double chosen = code.applyAsDouble(quotient);
            double lower = code.applyAsDouble(quotient * (1 - QUOTIENT_ERROR));
            double upper = code.applyAsDouble(quotient * (1 + QUOTIENT_ERROR));
            values[index] = chosen * scale;
            others[index] = (chosen == lower ? upper : lower) * scale;
        }
    }

    private static double scale(ActivationFormat format, double largest) {
        return switch (format) {
            case FLOAT -> 1;
            case INT8_PER_TOKEN -> (float) (largest / 127);
            case FP8_PER_TOKEN_128 -> e4m3Scale(largest);
            case FP8_PER_TOKEN_128_POWER_OF_TWO -> nextPowerOfTwo(e4m3Scale(largest));
        };
    }

    private static double e4m3Scale(double largest) {
        return (float) (Math.max(largest, (float) 1e-4) / 448);
    }

    /** Returns the smallest power of two that is not smaller than a normal number. */
    private static double nextPowerOfTwo(double scale) {
        double below = Math.scalb(1.0, Math.getExponent(scale));
        return scale == below ? below : 2 * below;
    }

    private static double int8(double quotient) {
        return Math.clamp(Math.rint(quotient), -128.0, 127.0);
    }

    private static double e4m3(double quotient) {
        return FloatFormat.F8_E4M3.round(Math.clamp(quotient, -448.0, 448.0));
    }

    private static double largest(double[] x, int from, int to) {
        double largest = 0;
        for (int index = from; index < to; index++) {
            largest = Math.max(largest, Math.abs(x[index]));
        }
        return largest;
    }

    /** Returns how far the legal neighbour of element {@code index} is, 0 where its rounding is beyond doubt. */
    public double step(int index) {
        return Math.abs(others[index] - values[index]);
    }

    /** Returns whether no element's rounding is in doubt. */
    public boolean isUnambiguous() {
        return IntStream.range(0, values.length).allMatch(index -> step(index) == 0);
    }

    /** Returns by how much the doubtful roundings of a row may move its product with a weight's row. */
    public double doubt(int row, double[] weight, int weightRow, int columns) {
        double sum = 0;
        for (int index = 0; index < columns; index++) {
            double step = step(row * columns + index);
            if (step != 0) {
                sum += step * Math.abs(weight[weightRow * columns + index]);
            }
        }
        return sum;
    }
}
