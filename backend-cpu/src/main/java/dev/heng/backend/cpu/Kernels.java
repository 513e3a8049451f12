package dev.heng.backend.cpu;

import dev.heng.kernels.cpu.CpuKernelException;
import dev.heng.kernels.cpu.CpuLayout;
import dev.heng.spi.Ceiling;
import java.lang.foreign.MemorySegment;
import java.util.List;

/**
 * What executes instructions: a team of threads that runs programs, the memory they work in, and the layout in which they want it described.
 * The lowering writes one instruction stream whoever reads it.
 *
 * <p>Threading: any thread, one at a time. Ownership: the backend closes it, after every program and buffer.
 */
sealed interface Kernels extends AutoCloseable permits NativeKernels, VectorKernels {

    /** A checked instruction stream. Closed before the kernels that made it. */
    interface Executable extends AutoCloseable {

        /**
         * Runs all instructions and returns when they are done.
         *
         * @param sizes the size of each symbol, in elements
         * @throws CpuKernelException if data that the run read is out of range; the message names instruction and operation
         */
        void run(long[] sizes);

        /** Returns the bytes of working memory that this program holds besides what the caller gave. */
        long scratchBytes();

        @Override
        void close();
    }

    /** Returns the dispatch level that runs. */
    String level();

    /** Returns whether F32 subnormals are taken for zero anywhere. */
    default boolean flushesSubnormals() {
        return false;
    }

    /** Returns the name under which plans list these kernels. */
    String label();

    /** Returns where the fields of instructions, weights and caches lie. */
    CpuLayout layout();

    /**
     * Allocates zeroed memory; give it back with {@link #free}.
     *
     * @param bytes how much, positive
     * @throws CpuKernelException if there is none
     */
    MemorySegment allocate(long bytes);

    /** Gives back what {@link #allocate} returned. */
    void free(MemorySegment memory);

    /**
     * Checks instructions and readies them for runs.
     *
     * @param instructions {@code count} instructions; borrowed for the life of the program, as is everything they point to
     * @param maxSizes the largest size of each symbol, in elements
     * @throws CpuKernelException if an instruction is wrong; the message names it
     */
    Executable createProgram(MemorySegment instructions, long count, long[] maxSizes);

    /** Measures what these kernels can do at most; what cannot be measured is left out. */
    default List<Ceiling> measureCeilings() {
        return List.of();
    }

    @Override
    void close();
}
