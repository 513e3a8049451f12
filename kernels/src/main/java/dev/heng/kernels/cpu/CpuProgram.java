package dev.heng.kernels.cpu;

import dev.heng.kernels.cpu.binding.HengCpu;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/**
 * Instructions that were checked and can be run.
 *
 * <p>Threading: that of its team. Ownership: whoever created it closes it, before the team; closing gives back its scratch memory.
 */
public final class CpuProgram implements AutoCloseable {

    private final long count;
    private final Arena arena = Arena.ofShared();
    private final MemorySegment sizes;
    private long handle;

    CpuProgram(long handle, long count, int symbols) {
        this.handle = handle;
        this.count = count;
        this.sizes = arena.allocate(ValueLayout.JAVA_LONG, symbols + 1L);
    }

    /** Returns the bytes of scratch memory that this program holds. */
    public long scratchBytes() {
        return HengCpu.heng_cpu_program_scratch(handle());
    }

    /**
     * Runs all instructions and returns when they are done.
     *
     * @param runSizes the size of each symbol, in elements
     * @throws CpuKernelException if data that the run read is out of range; the message names it
     */
    public void run(long[] runSizes) {
        MemorySegment.copy(runSizes, 0, sizes, ValueLayout.JAVA_LONG, 0, runSizes.length);
        CpuTeam.check("heng_cpu_run", HengCpu.heng_cpu_run(handle(), 0, count, sizes.address()));
    }

    /**
     * Sets where runs add the seconds that each instruction took.
     *
     * @param seconds one double for each instruction, borrowed; {@link MemorySegment#NULL} to stop
     */
    public void profile(MemorySegment seconds) {
        HengCpu.heng_cpu_program_profile(handle(), seconds.address());
    }

    /** Gives back the scratch memory. Idempotent. */
    @Override
    public void close() {
        if (handle != 0) {
            HengCpu.heng_cpu_program_free(handle);
            handle = 0;
            arena.close();
        }
    }

    private long handle() {
        if (handle == 0) {
            throw new IllegalStateException("the CPU program is closed");
        }
        return handle;
    }
}
