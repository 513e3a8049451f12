package dev.heng.backend.reference;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;

/**
 * Memory for the values between nodes, lent and taken back, so that a run takes what its live values need and the next takes it again. Blocks come in powers of two of
 * bytes.
 */
final class ActivationMemory implements AutoCloseable {

    private final Arena arena = Arena.ofShared();
    private final List<MemorySegment> all = new ArrayList<>();
    private final Map<Long, Deque<MemorySegment>> free = new TreeMap<>();

    /** Returns at least {@code bytes} bytes, not initialised. */
    MemorySegment take(long bytes) {
        long size = Math.max(ReferenceBackend.ALIGNMENT_BYTES, Long.highestOneBit(Math.max(1, bytes - 1)) << 1);
        Deque<MemorySegment> blocks = free.computeIfAbsent(size, _ -> new ArrayDeque<>());
        MemorySegment block = blocks.pollLast();
        if (block == null) {
            block = arena.allocate(size, ReferenceBackend.ALIGNMENT_BYTES);
            all.add(block);
        }
        return block;
    }

    /** Takes a block back that {@link #take} returned. */
    void giveBack(MemorySegment block) {
        free.computeIfAbsent(block.byteSize(), _ -> new ArrayDeque<>()).addLast(block);
    }

    /** Takes everything back. */
    void reset() {
        free.clear();
        for (MemorySegment block : all) {
            giveBack(block);
        }
    }

    @Override
    public void close() {
        arena.close();
    }
}
