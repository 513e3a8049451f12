package dev.heng.backend.cpu.vector;

/**
 * A matrix as it lies in memory.
 *
 * @param type of its elements
 * @param scaleType of its scales; read only if it has some
 * @param rows N
 * @param columns K
 * @param rowBytes distance of rows
 * @param blockRows rows that share a scale (E4M3)
 * @param blockColumns columns that share a scale (E4M3, I4)
 * @param data address of the elements
 * @param scales address of the scales, or 0
 * @param zeroPoints address of the zero points, or 0
 */
record Weight(
        Element type,
        Element scaleType,
        long rows,
        int columns,
        long rowBytes,
        long blockRows,
        int blockColumns,
        long data,
        long scales,
        long zeroPoints) {

    static Weight at(long address) {
        return new Weight(
                Element.of(Memory.i32(address)),
                Element.of(Memory.i32(address + 4)),
                Memory.i64(address + 8),
                Math.toIntExact(Memory.i64(address + 16)),
                Memory.i64(address + 24),
                Memory.i64(address + 32),
                Math.toIntExact(Memory.i64(address + 40)),
                Memory.i64(address + 48),
                Memory.i64(address + 56),
                Memory.i64(address + 64));
    }

    long row(long row) {
        return data + row * rowBytes;
    }

    /** Returns how many blocks or groups of columns a row has. */
    int columnBlocks() {
        return Math.ceilDiv(columns, blockColumns);
    }

    float scale(long index) {
        return scaleType.real(scales, index);
    }

    /** Returns 8 less the zero point of an int4 group: what to add to a code less 8. */
    float zeroOffset(long row, int groups, int group) {
        if (zeroPoints == 0) {
            return 0;
        }
        int word = Memory.i32(zeroPoints + 4 * (row / 8 * groups + group));
        return 8 - (word >>> (4 * (row % 8)) & 15);
    }

    /** Returns whether an int4 matrix has groups of whole words, so that a word has one scale. */
    boolean wordsAreWhole() {
        return blockColumns % 8 == 0 || blockColumns >= columns;
    }

    boolean sameFormat(Weight other) {
        return rows == other.rows
                && columns == other.columns
                && type == other.type
                && blockColumns == other.blockColumns
                && (zeroPoints == 0) == (other.zeroPoints == 0);
    }
}
