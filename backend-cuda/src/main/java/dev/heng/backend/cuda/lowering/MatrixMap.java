package dev.heng.backend.cuda.lowering;

/**
 * A matrix that a kernel reads through the copy engine, and where in its argument block the driver's description of it goes.
 *
 * @param offset of the description, in bytes
 * @param element what an element is
 * @param address of the matrix
 * @param columns elements of a row
 * @param rows of the matrix
 * @param rowBytes from row to row
 * @param boxColumns elements of a box's row
 * @param boxRows rows of a box
 * @param swizzled whether boxes are laid out for the matrix unit
 */
public record MatrixMap(
        int offset,
        Element element,
        long address,
        long columns,
        long rows,
        long rowBytes,
        int boxColumns,
        int boxRows,
        boolean swizzled) {

    /** Bytes of a description. */
    public static final int BYTES = 128;

    public MatrixMap {
        if (address % 16 != 0 || rowBytes % 16 != 0) {
            throw new IllegalArgumentException(
                    "the copy engine takes no matrix at " + address + " with rows of " + rowBytes + " bytes");
        }
    }

    /** Types of elements, by their CUtensorMapDataType. */
    public enum Element {
        /** One byte. */
        BYTE(0),
        /** Eight bytes. */
        PAIR_OF_FLOATS(4),
        /** bfloat16. */
        BF16(9);

        private final int type;

        Element(int type) {
            this.type = type;
        }

        /** Returns the driver's number. */
        public int type() {
            return type;
        }
    }

    /** Returns the same matrix at another place of the argument block. */
    MatrixMap at(int newOffset) {
        return new MatrixMap(newOffset, element, address, columns, rows, rowBytes, boxColumns, boxRows, swizzled);
    }
}
