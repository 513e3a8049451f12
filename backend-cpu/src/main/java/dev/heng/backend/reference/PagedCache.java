package dev.heng.backend.reference;

import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Set;

/**
 * Rows of a run in a paged cache [pages, pageSize, width], which lies in memory as just that (KV).
 */
final class PagedCache {

    private final Invocation in;
    private final int pageSize;
    private final long pages;
    private final int positionsOperand;
    private final Tensor positions;
    private final Tensor sequences;
    private final Tensor pageTable;

    /**
     * Looks at a cache through a page table.
     *
     * @param cacheOperand the operand that is the cache
     * @param positionsOperand the operand that holds positions; sequences and the page table follow it
     */
    PagedCache(Invocation in, int cacheOperand, int positionsOperand) {
        this.in = in;
        this.pageSize = Math.toIntExact(
                in.node().operand(cacheOperand).type().shape().dim(1).size());
        this.pages = in.operand(cacheOperand).rows() / pageSize;
        this.positionsOperand = positionsOperand;
        this.positions = in.operand(positionsOperand);
        this.sequences = in.operand(positionsOperand + 1);
        this.pageTable = in.operand(positionsOperand + 2);
    }

    /** Returns the position of a row of the run; negative for padding (KV-003). */
    int position(int row) {
        return positions.integer(row);
    }

    /** Returns the sequence of a row of the run, checked (KV-004). */
    int sequence(int row) {
        int sequence = sequences.integer(row);
        if (sequence < 0 || sequence >= pageTable.rows()) {
            throw in.invalidData(
                    positionsOperand + 1,
                    Integer.toString(row),
                    sequence,
                    "the page table of this run has sequences 0.." + (pageTable.rows() - 1));
        }
        return sequence;
    }

    /** Returns the row of the cache, seen as [pages * pageSize, width], that holds a position of a sequence (KV-002), checked (KV-004). */
    long slot(int sequence, int position) {
        int entry = position / pageSize;
        if (entry >= pageTable.columns()) {
            throw in.invalidData(
                    positionsOperand,
                    "of sequence " + sequence,
                    position,
                    "a sequence has room for " + (long) pageTable.columns() * pageSize + " positions: "
                            + pageTable.columns() + " pages of " + pageSize);
        }
        int page = pageTable.integer(sequence, entry);
        if (page < 0 || page >= pages) {
            throw in.invalidData(
                    positionsOperand + 2, sequence + ", " + entry, page, "the cache has pages 0.." + (pages - 1));
        }
        return (long) page * pageSize + position % pageSize;
    }

    /**
     * Adjacent rows of one sequence.
     *
     * @param sequence the row of the page table
     * @param firstRow the first row of the run
     * @param positions the rows' positions, ascending
     * @param slots the cache's row for every position from 0 to the last
     */
    @SuppressWarnings("ArrayRecordComponent") // Made and read here, never compared.
    record Span(int sequence, int firstRow, int[] positions, long[] slots) {}

    /**
     * Returns the sequences of this run, without padding.
     *
     * @throws dev.heng.spi.BackendException if rows of a sequence are not adjacent or not in ascending order (MLA-006)
     */
    List<Span> spans() {
        List<Span> spans = new ArrayList<>();
        Set<Integer> seen = new HashSet<>();
        int rows = Math.toIntExact(positions.columns());
        for (int row = 0; row < rows; ) {
            if (position(row) < 0) {
                row++;
                continue;
            }
            int sequence = sequence(row);
            int end = row + 1;
            while (end < rows && position(end) >= 0 && sequence(end) == sequence) {
                if (position(end) <= position(end - 1)) {
                    throw in.invalidData(
                            positionsOperand,
                            Integer.toString(end),
                            position(end),
                            "rows of a sequence are in ascending order of position; the row before has "
                                    + position(end - 1));
                }
                end++;
            }
            if (!seen.add(sequence)) {
                throw in.invalidData(
                        positionsOperand + 1, Integer.toString(row), sequence, "rows of a sequence are adjacent");
            }
            int[] its = new int[end - row];
            for (int i = 0; i < its.length; i++) {
                its[i] = position(row + i);
            }
            int last = its[its.length - 1];
            slot(sequence, last); // A position out of bounds is refused before anything is made that is as long.
            long[] slots = new long[last + 1];
            for (int p = 0; p <= last; p++) {
                slots[p] = slot(sequence, p);
            }
            spans.add(new Span(sequence, row, its, slots));
            row = end;
        }
        return spans;
    }

    /** KV-001: writes every row that is not padding; parts lie side by side, bit for bit. */
    static void append(Invocation in, int parts) {
        PagedCache cache = new PagedCache(in, 0, parts + 1);
        Tensor memory = in.operand(0);
        int rows = in.rows(1);
        // All rows are checked before the first is written, so that a refused run leaves the cache as it was (RUN-006).
        long[] slots = new long[rows];
        for (int row = 0; row < rows; row++) {
            slots[row] = cache.position(row) < 0 ? -1 : cache.slot(cache.sequence(row), cache.position(row));
        }
        for (int row = 0; row < rows; row++) {
            int column = 0;
            for (int part = 1; part <= parts && slots[row] >= 0; part++) {
                Tensor source = in.operand(part);
                memory.copyBits(slots[row], column, source, row, 0, source.columns());
                column += source.columns();
            }
        }
    }
}
