package dev.heng.backend.cuda.device;

import java.lang.foreign.MemorySegment;

/**
 * Page-locked memory through which the host's bytes go to the device and back: two halves that are filled in turn, so that filling one goes on while the link empties the
 * other. Threading: as the device.
 */
public final class Staging implements AutoCloseable {

    private static final long ALIGNMENT = 256;

    private final CudaDevice device;
    private final MemorySegment memory;
    private final MemorySegment back;
    private final long half;
    private final long[] events = new long[2];
    private int current;
    private long used;

    /**
     * Allocates the memory.
     *
     * @param bytes of both halves together
     */
    public Staging(CudaDevice device, long bytes) {
        this.device = device;
        this.half = bytes / 2;
        this.memory = device.allocateHost(bytes);
        this.back = device.allocateHost(half);
        events[0] = device.createEvent();
        events[1] = device.createEvent();
    }

    /** Queues a copy of {@code source} to the device; the source may be reused when this returns. */
    public void upload(long target, MemorySegment source) {
        long done = 0;
        while (done < source.byteSize()) {
            if (used == half) {
                device.record(events[current]);
                current = 1 - current;
                device.await(events[current]);
                used = 0;
            }
            long part = Math.min(source.byteSize() - done, half - used);
            MemorySegment slot = memory.asSlice(current * half + used, part);
            MemorySegment.copy(source, done, slot, 0, part);
            device.upload(target + done, slot);
            done += part;
            used = Math.min(half, (used + part + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT);
        }
    }

    /** Waits for the work before it and copies device memory to {@code target}. */
    public void download(MemorySegment target, long source) {
        long done = 0;
        do {
            long part = Math.min(target.byteSize() - done, half);
            if (part > 0) {
                device.download(back.asSlice(0, part), source + done);
            }
            device.synchronize();
            MemorySegment.copy(back, 0, target, done, part);
            done += part;
        } while (done < target.byteSize());
    }

    @Override
    public void close() {
        device.synchronize();
        device.destroyEvent(events[0]);
        device.destroyEvent(events[1]);
        device.freeHost(memory);
        device.freeHost(back);
    }
}
