package dev.heng.conformance.fault;

import dev.heng.conformance.accumulate.AccumulationProfile;
import dev.heng.conformance.accumulate.MatrixUnit;
import dev.heng.conformance.accumulate.SummationOrder;
import dev.heng.conformance.format.FloatFormat;
import dev.heng.conformance.format.Rounding;
import dev.heng.conformance.format.Significand;
import java.util.function.DoubleUnaryOperator;

/** Ways in which kernels of matrix products have been wrong. Each is applied to a correct unit of any profile. */
public enum ProductFault {
    /** The last position of K is left out. */
    DROP_LAST_K(0, "The last position of K is left out."),
    /** The last position of K is left out of the last row. */
    DROP_LAST_K_OF_LAST_ROW(0, "The last position of K is left out of the last row."),
    /** The last eight positions of K are left out. */
    DROP_LAST_8_OF_K(0, "The last eight positions of K are left out."),
    /** One element, in row 7 and column 11, is zero. */
    ZERO_ELEMENT(0, "One element, in row 7 and column 11, is zero."),
    /** Row 5 repeats row 4. */
    STALE_ROW(0, "Row 5 repeats row 4."),
    /** Columns 16 and 17 are swapped in the first eight rows. */
    SWAPPED_COLUMNS(0, "Columns 16 and 17 are swapped in the first eight rows."),
    /** The running sum is rounded to 11 bits, as float16 has, after every 32 positions of K. */
    HALF_ACCUMULATOR(11, "The running sum is rounded to 11 bits, as float16 has, after every 32 positions of K."),
    /** The running sum is rounded to 8 bits, as bfloat16 has, after every 32 positions of K. */
    BFLOAT16_ACCUMULATOR(8, "The running sum is rounded to 8 bits, as bfloat16 has, after every 32 positions of K."),
    /** Results are scaled by 1.01. */
    SCALED_BY_1_01(0, "Results are scaled by 1.01."),
    /** Results are scaled by 1.001. */
    SCALED_BY_1_001(0, "Results are scaled by 1.001."),
    /** Float32 operands are rounded to TF32's 11 bits. */
    TF32_INPUTS(11, "Float32 operands are rounded to TF32's 11 bits."),
    /** Float32 operands are rounded to bfloat16. */
    BFLOAT16_INPUTS(8, "Float32 operands are rounded to bfloat16."),
    /** Float32 operands are rounded to float16's 11 bits. */
    HALF_INPUTS(11, "Float32 operands are rounded to float16's 11 bits."),
    /** Results are truncated to bfloat16 instead of rounded. */
    TRUNCATED_OUTPUT(0, "Results are truncated to bfloat16 instead of rounded."),
    /** Results are rounded to float16's 11 bits and then to bfloat16. */
    TWICE_ROUNDED_OUTPUT(11, "Results are rounded to float16's 11 bits and then to bfloat16.");

    /** Positions of K between roundings of a narrow accumulator. */
    private static final int CHUNK = 32;

    /** Rows that two swapped columns are swapped in. */
    private static final int SWAPPED_ROWS = 8;

    private final int bits;
    private final String description;

    ProductFault(int bits, String description) {
        this.bits = bits;
        this.description = description;
    }

    /** Returns one sentence: what is done instead. */
    public String description() {
        return description;
    }

    /**
     * Returns whether the fault can be planted in products between these formats, of at least 8 rows and 18 columns.
     *
     * @param input the operands' format
     * @param output the result's format
     */
    public boolean appliesTo(FloatFormat input, FloatFormat output) {
        return switch (this) {
            case TF32_INPUTS, BFLOAT16_INPUTS, HALF_INPUTS -> input == FloatFormat.F32;
            case TRUNCATED_OUTPUT, TWICE_ROUNDED_OUTPUT -> output == FloatFormat.BF16;
            case DROP_LAST_K,
                    DROP_LAST_K_OF_LAST_ROW,
                    DROP_LAST_8_OF_K,
                    ZERO_ELEMENT,
                    STALE_ROW,
                    SWAPPED_COLUMNS,
                    HALF_ACCUMULATOR,
                    BFLOAT16_ACCUMULATOR,
                    SCALED_BY_1_01,
                    SCALED_BY_1_001 -> true;
        };
    }

    /**
     * Returns whether a unit of this profile may do what the fault does: the fault keeps at least the bits that the profile keeps
     * (or, for inputs, that it lets through), so that a device declaring the profile is not at fault.
     */
    public boolean isLegalUnder(AccumulationProfile profile) {
        boolean cutsInputs = this == TF32_INPUTS || this == BFLOAT16_INPUTS || this == HALF_INPUTS;
        return bits > 0 && (bits >= profile.keptBits() || (cutsInputs && bits >= profile.inputBits()));
    }

    /**
     * Returns the faulty product, rounded to {@code output}.
     *
     * @param unit the correct unit
     * @param a row-major A[M,K]
     * @param b row-major B[N,K]
     * @param m rows of A, at least 8
     * @param n rows of B, at least 18
     * @param k length along K, at least 9
     * @param order the order of summation
     * @param output the result's format
     */
    public double[] multiply(
            MatrixUnit unit, double[] a, double[] b, int m, int n, int k, SummationOrder order, FloatFormat output) {
        return switch (this) {
            case DROP_LAST_K -> rounded(shorter(unit, a, b, m, n, k, 1, order), output::round);
            case DROP_LAST_8_OF_K -> rounded(shorter(unit, a, b, m, n, k, 8, order), output::round);
            case DROP_LAST_K_OF_LAST_ROW -> {
                double[] c = unit.multiply(a, b, m, n, k, order);
                double[] wrong = shorter(unit, a, b, m, n, k, 1, order);
                System.arraycopy(wrong, (m - 1) * n, c, (m - 1) * n, n);
                yield rounded(c, output::round);
            }
            case HALF_ACCUMULATOR, BFLOAT16_ACCUMULATOR -> rounded(narrowSums(unit, a, b, m, n, k), output::round);
            case TF32_INPUTS, BFLOAT16_INPUTS, HALF_INPUTS ->
                rounded(unit.multiply(cut(a), cut(b), m, n, k, order), output::round);
            case ZERO_ELEMENT, STALE_ROW, SWAPPED_COLUMNS ->
                misplaced(rounded(unit.multiply(a, b, m, n, k, order), output::round), n);
            case SCALED_BY_1_01 ->
                rounded(unit.multiply(a, b, m, n, k, order), value -> output.round((float) value * 1.01f));
            case SCALED_BY_1_001 ->
                rounded(unit.multiply(a, b, m, n, k, order), value -> output.round((float) value * 1.001f));
            case TRUNCATED_OUTPUT ->
                rounded(unit.multiply(a, b, m, n, k, order), value -> output.round(value, Rounding.TOWARD_ZERO));
            case TWICE_ROUNDED_OUTPUT ->
                rounded(unit.multiply(a, b, m, n, k, order), value -> output.round(Significand.nearest(value, bits)));
        };
    }

    private static double[] shorter(
            MatrixUnit unit, double[] a, double[] b, int m, int n, int k, int dropped, SummationOrder order) {
        return unit.multiply(
                columns(a, m, k, 0, k - dropped), columns(b, n, k, 0, k - dropped), m, n, k - dropped, order);
    }

    private double[] narrowSums(MatrixUnit unit, double[] a, double[] b, int m, int n, int k) {
        double[] sums = new double[m * n];
        for (int from = 0; from < k; from += CHUNK) {
            int count = Math.min(CHUNK, k - from);
            double[] chunk = unit.multiply(
                    columns(a, m, k, from, count),
                    columns(b, n, k, from, count),
                    m,
                    n,
                    count,
                    new SummationOrder.Sequential());
            for (int index = 0; index < sums.length; index++) {
                double sum = Significand.nearest(sums[index] + chunk[index], AccumulationProfile.FLOAT_BITS);
                sums[index] = Significand.nearest(sum, bits);
            }
        }
        return sums;
    }

    private double[] misplaced(double[] c, int n) {
        switch (this) {
            case ZERO_ELEMENT -> c[7 * n + 11] = 0;
            case STALE_ROW -> System.arraycopy(c, 4 * n, c, 5 * n, n);
            case SWAPPED_COLUMNS -> {
                for (int row = 0; row < SWAPPED_ROWS; row++) {
                    double kept = c[row * n + 16];
                    c[row * n + 16] = c[row * n + 17];
                    c[row * n + 17] = kept;
                }
            }
            default -> throw new IllegalStateException(this + " does not misplace elements");
        }
        return c;
    }

    private double[] cut(double[] values) {
        return rounded(values.clone(), value -> Significand.nearest(value, bits));
    }

    private static double[] rounded(double[] values, DoubleUnaryOperator rounding) {
        for (int index = 0; index < values.length; index++) {
            values[index] = rounding.applyAsDouble(values[index]);
        }
        return values;
    }

    private static double[] columns(double[] values, int rows, int k, int from, int count) {
        double[] part = new double[rows * count];
        for (int row = 0; row < rows; row++) {
            System.arraycopy(values, row * k + from, part, row * count, count);
        }
        return part;
    }
}
