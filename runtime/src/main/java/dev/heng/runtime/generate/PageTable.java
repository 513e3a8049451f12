package dev.heng.runtime.generate;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import java.util.Arrays;

/**
 * Which page of the caches holds which positions of which sequence. Pages are handed out one by one as sequences grow, and go back when they shrink.
 */
final class PageTable {

    private static final ValueLayout.OfInt INT = ValueLayout.JAVA_INT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);

    private final int pageSize;
    private final int pagesPerSequence;
    private final int[][] pages;
    private final int[] lengths;
    private final int[] free;
    private int freeCount;

    PageTable(int sequences, int pagesPerSequence, int pageSize) {
        this.pageSize = pageSize;
        this.pagesPerSequence = pagesPerSequence;
        this.pages = new int[sequences][pagesPerSequence];
        this.lengths = new int[sequences];
        this.free = new int[Math.multiplyExact(sequences, pagesPerSequence)];
        // A stack, filled so that the lowest page is handed out first.
        for (int page = 0; page < free.length; page++) {
            free[page] = free.length - 1 - page;
        }
        this.freeCount = free.length;
    }

    /** Returns the positions of a sequence that are filled, or will be by the runs that are queued. */
    int length(int sequence) {
        return lengths[sequence];
    }

    /** Makes room for {@code tokens} more positions; the caller has checked that the sequence may be so long. */
    void extend(int sequence, int tokens) {
        int held = Math.ceilDiv(lengths[sequence], pageSize);
        lengths[sequence] += tokens;
        int needed = Math.ceilDiv(lengths[sequence], pageSize);
        while (held < needed) {
            freeCount--;
            pages[sequence][held] = free[freeCount];
            held++;
        }
    }

    /** Forgets everything from position {@code length} on. */
    void truncate(int sequence, int length) {
        int held = Math.ceilDiv(lengths[sequence], pageSize);
        int needed = Math.ceilDiv(length, pageSize);
        lengths[sequence] = length;
        while (held > needed) {
            held--;
            free[freeCount] = pages[sequence][held];
            freeCount++;
            // An entry past the end is not read; page 0 is at least a page.
            pages[sequence][held] = 0;
        }
    }

    /** Returns the pages that no sequence holds. */
    int freePages() {
        return freeCount;
    }

    /** Writes the table, I32 [sequences, pages per sequence]. */
    void writeTo(MemorySegment target) {
        for (int sequence = 0; sequence < pages.length; sequence++) {
            long row = (long) sequence * pagesPerSequence * Integer.BYTES;
            MemorySegment.copy(pages[sequence], 0, target, INT, row, pagesPerSequence);
        }
    }

    @Override
    public String toString() {
        return "lengths " + Arrays.toString(lengths) + ", " + freeCount + " free pages";
    }
}
