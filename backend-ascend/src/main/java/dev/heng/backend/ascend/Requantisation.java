package dev.heng.backend.ascend;

import dev.heng.backend.ascend.lowering.WeightForm;
import dev.heng.spi.BackendException;
import dev.heng.spi.WeightSource.Part;
import dev.heng.spi.graph.Value;
import dev.heng.spi.tensor.DType;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/**
 * FP8 blocks to int8 channels, for chips without FP8, only where the operator asked for it (option {@code fp8=int8}): for each row the scale is the smallest number of the
 * scales' type that is not below max|W| / 127, and each element W / scale rounded to nearest even. W is the exact real number that FP8 defines (QUANT-010), and there is
 * no other rounding: the result is a function of the checkpoint alone.
 */
final class Requantisation {

    private Requantisation() {}

    /**
     * Converts one matrix.
     *
     * @param codes [N, K] int8
     * @param scales [N] of the form's scale type
     * @throws BackendException INVALID_DATA if the weight holds a NaN, or scales that the type does not have
     */
    static void convert(
            Value weight,
            WeightForm form,
            Part part,
            long rows,
            int columns,
            MemorySegment codes,
            MemorySegment scales) {
        WeightRows matrix = new WeightRows(weight.type(), part);
        double[] row = new double[columns];
        for (long n = 0; n < rows; n++) {
            matrix.read(n, row);
            double largest = 0;
            for (double value : row) {
                if (Double.isNaN(value) || largest < Math.abs(value)) {
                    largest = Math.abs(value);
                }
                if (Double.isNaN(largest)) {
                    break;
                }
            }
            float scale = notBelow(largest / 127, form.scaleType());
            if (!Float.isFinite(scale)) {
                throw BackendException.of(
                        BackendException.Code.INVALID_DATA,
                        "weight '" + weight.name() + "', row " + n + ": its largest magnitude is " + largest
                                + ", which has no int8 scale in " + form.scaleType(),
                        "run this checkpoint without fp8=int8");
            }
            StoredNumbers.put(scales, form.scaleType(), n, scale);
            for (int k = 0; k < columns; k++) {
                codes.set(ValueLayout.JAVA_BYTE, n * columns + k, (byte) (scale == 0 ? 0 : Math.rint(row[k] / scale)));
            }
        }
    }

    /** Returns the smallest number of a type that is not below a non-negative one. */
    private static float notBelow(double value, DType dtype) {
        MemorySegment cell = MemorySegment.ofArray(new byte[4]);
        float candidate = (float) value;
        if (candidate < value) {
            candidate = Math.nextUp(candidate);
        }
        StoredNumbers.put(cell, dtype, 0, candidate);
        float stored = StoredNumbers.get(cell, dtype, 0);
        if (stored >= value || Float.isNaN(stored)) {
            return stored;
        }
        // Bit patterns of non-negative numbers ascend with their values.
        switch (dtype) {
            case F32 -> cell.set(StoredNumbers.INT, 0, cell.get(StoredNumbers.INT, 0) + 1);
            case F16, BF16 -> cell.set(StoredNumbers.SHORT, 0, (short) (cell.get(StoredNumbers.SHORT, 0) + 1));
            case F64, F8_E4M3, F8_E8M0, I8, I4, I32, I64 -> throw new IllegalArgumentException("no scale is " + dtype);
        }
        return StoredNumbers.get(cell, dtype, 0);
    }
}
