package dev.heng.backend.cuda.lowering;

import dev.heng.spi.tensor.DType;
import java.lang.foreign.MemorySegment;
import java.util.List;

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
     * @param maps matrices that must be described to the copy engine, in the argument block, before the launch; copied
     */
    record Launch(
            String kernel,
            int gridX,
            int gridY,
            int gridZ,
            int block,
            int sharedBytes,
            MemorySegment arguments,
            boolean overlapping,
            List<MatrixMap> maps)
            implements Command {
        public Launch {
            maps = List.copyOf(maps);
        }
    }

    /**
     * A dense product by cuBLASLt.
     *
     * @param type of both operands
     * @param out type of the result
     * @param rows of x
     * @param features rows of w
     * @param k columns of both
     * @param stride elements from row to row of x
     * @param x address of the rows
     * @param w address of the weight
     * @param y address of the result
     */
    record LibraryProduct(DType type, DType out, long rows, long features, long k, long stride, long x, long w, long y)
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
