package dev.heng.kernels;

import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/**
 * Places values in one block of memory so that those whose lives do not meet share it: first fit over free intervals.
 *
 * <p>Offsets are found first; the block is allocated once its size is known. Threading: one thread at a time.
 */
public final class ScratchPlan {

    private record Interval(long begin, long end) {}

    private final long alignment;
    private final List<Interval> free = new ArrayList<>(List.of(new Interval(0, Long.MAX_VALUE / 2)));
    private final Map<Long, Long> taken = new HashMap<>();
    private long size;

    /**
     * Makes an empty plan.
     *
     * @param alignment of every offset, in bytes; what nothing takes is this large too
     */
    public ScratchPlan(long alignment) {
        this.alignment = alignment;
    }

    /** Takes {@code bytes} and returns their offset. */
    public long take(long bytes) {
        long wanted = Math.max(alignment, (bytes + alignment - 1) / alignment * alignment);
        for (int index = 0; index < free.size(); index++) {
            Interval interval = free.get(index);
            if (interval.end - interval.begin >= wanted) {
                long begin = interval.begin;
                if (interval.end - begin == wanted) {
                    free.remove(index);
                } else {
                    free.set(index, new Interval(begin + wanted, interval.end));
                }
                taken.put(begin, wanted);
                size = Math.max(size, begin + wanted);
                return begin;
            }
        }
        throw new IllegalStateException("no room for " + bytes + " bytes");
    }

    /** Gives back what {@link #take} returned. */
    public void give(long offset) {
        Long bytes = taken.remove(offset);
        if (bytes == null) {
            throw new IllegalArgumentException("nothing was taken at " + offset);
        }
        int index = 0;
        while (index < free.size() && free.get(index).begin < offset) {
            index++;
        }
        free.add(index, new Interval(offset, offset + bytes));
        if (index + 1 < free.size() && free.get(index).end == free.get(index + 1).begin) {
            free.set(index, new Interval(free.get(index).begin, free.remove(index + 1).end));
        }
        if (index > 0 && free.get(index - 1).end == free.get(index).begin) {
            free.set(index - 1, new Interval(free.get(index - 1).begin, free.remove(index).end));
        }
    }

    /** Returns the bytes that all of it takes. */
    public long sizeBytes() {
        return Math.max(alignment, size);
    }
}
