package dev.heng.conformance.fill;

import dev.heng.conformance.format.FloatFormat;

/**
 * A row-major matrix whose values are numbers of {@code format}, and what its fill triggered.
 *
 * @param format the format that represents every value exactly
 * @param rows the number of rows
 * @param columns the number of columns, the length along K
 * @param values {@code rows * columns} values; owned by this record and not to be changed
 * @param degeneracy what the fill triggered
 */
@SuppressWarnings("ArrayRecordComponent") // Tensors are large: identity is the right equality, and a copy a waste.
public record FilledMatrix(FloatFormat format, int rows, int columns, double[] values, Degeneracy degeneracy) {

    public FilledMatrix {
        if (rows < 0 || columns < 0 || values.length != Math.multiplyExact(rows, columns)) {
            throw new IllegalArgumentException(
                    values.length + " values do not make a matrix of " + rows + " x " + columns);
        }
    }

    /** Returns the value at ({@code row}, {@code column}). */
    public double at(int row, int column) {
        return values[row * columns + column];
    }
}
