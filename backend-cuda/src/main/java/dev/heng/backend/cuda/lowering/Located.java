package dev.heng.backend.cuda.lowering;

import dev.heng.spi.graph.Value;
import dev.heng.spi.tensor.DType;

/**
 * Where a value lies: rows of {@code columns} elements, {@code stride} apart.
 *
 * @param address of the first element
 * @param stride from row to row, in elements
 * @param type of an element
 * @param columns elements of a row
 * @param root the value whose memory it is: itself, or what a view looks into
 */
record Located(long address, long stride, DType type, int columns, Value root) {

    /** Returns the address of a row. */
    long row(long row) {
        return address + row * stride * type.bits() / 8;
    }

    /** Returns the rows from {@code row} on. */
    Located from(long row) {
        return new Located(row(row), stride, type, columns, root);
    }
}
