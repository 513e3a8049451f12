package dev.heng.backend.ascend.lowering;

import dev.heng.backend.ascend.device.TensorView;
import dev.heng.spi.BackendException;
import java.util.Arrays;
import java.util.List;

/**
 * The paged key-value cache: [pages * pageSize, W] rows. Which slot a row has is worked out on the host, which knows positions and page table, and sent along as
 * indices.
 */
public final class PagedCache {

    private final Basics basics;
    private final String device;

    /** Uses these; {@code device} is how messages call the device. */
    public PagedCache(Basics basics, String device) {
        this.basics = basics;
        this.device = device;
    }

    /**
     * Where each row of a run belongs.
     *
     * @param positions of the rows, negative for padding
     * @param sequences of the rows: rows of the page table
     * @param pageTable row-major [sequences, perSequence]
     * @param perSequence entries in one row of the page table
     * @param pages of the cache
     * @param pageSize slots of a page
     */
    @SuppressWarnings("ArrayRecordComponent") // built for one call and compared by nobody
    public record Layout(
            int[] positions, int[] sequences, int[] pageTable, int perSequence, long pages, long pageSize) {

        /** Returns the slot of a position of a sequence, checked (KV-004). */
        int slot(String device, int sequence, int position) {
            long entry = position / pageSize;
            if (sequence < 0 || sequence >= rowsOfTable() || entry >= perSequence) {
                throw bad(
                        device,
                        "position " + position + " of sequence " + sequence + " is not in the page table of "
                                + rowsOfTable() + " sequences with " + perSequence + " pages each");
            }
            int page = pageTable[(int) (sequence * (long) perSequence + entry)];
            if (page < 0 || page >= pages) {
                throw bad(
                        device,
                        "sequence " + sequence + " has page " + page + " at position " + position
                                + ", and the cache has " + pages);
            }
            return (int) (page * pageSize + position % pageSize);
        }

        private int rowsOfTable() {
            return perSequence == 0 ? 0 : pageTable.length / perSequence;
        }
    }

    private static BackendException bad(String device, String what) {
        return BackendException.of(
                BackendException.Code.INVALID_DATA, device + ": " + what, "correct the data that the run was given");
    }

    /** Appends the parts, side by side, to a cache [slots, W]. */
    public void append(TensorView cache, List<TensorView> parts, Layout layout) {
        int[] rows = new int[layout.positions().length];
        int[] slots = new int[rows.length];
        int count = 0;
        for (int row = 0; row < rows.length; row++) {
            if (layout.positions()[row] >= 0) {
                rows[count] = row;
                slots[count++] = layout.slot(device, layout.sequences()[row], layout.positions()[row]);
            }
        }
        if (count == 0) {
            return;
        }
        long width = cache.dim(1);
        TensorView together = basics.stage().temporary(cache.dtype(), rows.length, width);
        long from = 0;
        for (TensorView part : parts) {
            basics.store(part, together.strided(from, new long[] {rows.length, part.dim(1)}, new long[] {width, 1}));
            from += part.dim(1);
        }
        if (count < rows.length) {
            TensorView kept = basics.stage().temporary(cache.dtype(), count, width);
            basics.select(together, basics.stage().upload(Arrays.copyOf(rows, count), count), kept);
            together = kept;
        }
        TensorView indices = basics.stage().upload(Arrays.copyOf(slots, count), count, 1);
        basics.operators().run("aclnnScatterNdUpdate", cache, indices, together);
    }

    /** Gathers the rows of slots 0..last of a sequence, in order, into dense memory [last + 1, W] of the cache's type. */
    TensorView history(TensorView cache, Layout layout, int sequence, int last) {
        int[] slots = new int[last + 1];
        for (int position = 0; position <= last; position++) {
            slots[position] = layout.slot(device, sequence, position);
        }
        TensorView rows = basics.stage().temporary(cache.dtype(), slots.length, cache.dim(1));
        basics.select(cache, basics.stage().upload(slots, slots.length), rows);
        return rows;
    }
}
