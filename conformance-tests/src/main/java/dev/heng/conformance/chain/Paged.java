package dev.heng.conformance.chain;

import java.util.Arrays;

/** A paged cache of the chain's own (KV-002): rows in double, NaN where nothing was written. */
final class Paged {

    private final int pageSize;
    private final int width;
    private final double[] slots;

    Paged(int pages, int pageSize, int width) {
        this.pageSize = pageSize;
        this.width = width;
        this.slots = new double[Math.multiplyExact(Math.multiplyExact(pages, pageSize), width)];
        Arrays.fill(slots, Double.NaN);
    }

    int width() {
        return width;
    }

    double[] slots() {
        return slots;
    }

    /** Returns where the row of a position begins in {@link #slots()}. */
    int row(Numbers table, int sequence, int position) {
        int page = table.integer(sequence * table.width() + position / pageSize);
        return (page * pageSize + position % pageSize) * width;
    }
}
