package dev.heng.backend.cuda.lowering;

import java.lang.foreign.MemorySegment;

/** One piece of work for the stream. */
public sealed interface Command {

    /**
     * A kernel.
     *
     * @param kernel its name
     * @param gridX blocks along x, positive
     * @param gridY blocks along y, positive
     * @param gridZ blocks along z, positive
     * @param block threads of a block
     * @param sharedBytes dynamic shared memory of a block
     * @param arguments its argument block
     * @param overlapping whether it waits by itself for the kernel before it
     */
    record Launch(
            String kernel,
            int gridX,
            int gridY,
            int gridZ,
            int block,
            int sharedBytes,
            MemorySegment arguments,
            boolean overlapping)
            implements Command {}

    /**
     * A fill of device memory.
     *
     * @param address where
     * @param value of every byte
     * @param bytes how many
     */
    record Fill(long address, byte value, long bytes) implements Command {}

    /**
     * A copy within the device.
     *
     * @param target where to
     * @param source where from
     * @param bytes how many
     */
    record Copy(long target, long source, long bytes) implements Command {}
}
