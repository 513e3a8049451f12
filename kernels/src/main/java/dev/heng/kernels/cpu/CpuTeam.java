package dev.heng.kernels.cpu;

import dev.heng.kernels.cpu.binding.HengCpu;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.Optional;

/**
 * A team of native threads that runs programs, one at a time.
 *
 * <p>Threading: any thread, one at a time. Ownership: whoever created it closes it, after its programs.
 */
public final class CpuTeam implements AutoCloseable {

    private final int threads;
    private final String level;
    private final boolean flushesSubnormals;
    private long handle;

    private CpuTeam(long handle, int threads) {
        this.handle = handle;
        this.threads = threads;
        this.level = HengCpu.heng_cpu_team_level(handle);
        this.flushesSubnormals = HengCpu.heng_cpu_team_flushes_subnormals(handle) != 0;
    }

    static CpuTeam create(int threads, boolean pin, String level) {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment result = arena.allocate(ValueLayout.ADDRESS);
            check("heng_cpu_team_create", HengCpu.heng_cpu_team_create(threads, pin ? 1 : 0, level, result.address()));
            return new CpuTeam(result.get(ValueLayout.JAVA_LONG, 0), threads);
        }
    }

    /** Returns the number of threads. */
    public int threads() {
        return threads;
    }

    /** Returns whether this team's level takes subnormal floats for zero in products: the matrix tiles of AMX do. */
    public boolean flushesSubnormals() {
        return flushesSubnormals;
    }

    /** Returns the dispatch level that this team runs. */
    public String level() {
        return level;
    }

    /**
     * Checks instructions and readies them for runs; the caller closes the program, before this team.
     *
     * @param instructions {@code count} instructions; borrowed for the life of the program, as is everything they point to
     * @param maxSizes the largest size of each symbol, in elements
     * @throws CpuKernelException if an instruction is wrong; the message names it
     */
    public CpuProgram createProgram(MemorySegment instructions, long count, long[] maxSizes) {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment result = arena.allocate(ValueLayout.ADDRESS);
            MemorySegment sizes = arena.allocate(ValueLayout.JAVA_LONG, maxSizes.length + 1L);
            MemorySegment.copy(maxSizes, 0, sizes, ValueLayout.JAVA_LONG, 0, maxSizes.length);
            check(
                    "heng_cpu_program_create",
                    HengCpu.heng_cpu_program_create(
                            handle(),
                            instructions.address(),
                            count,
                            sizes.address(),
                            maxSizes.length,
                            result.address()));
            return new CpuProgram(result.get(ValueLayout.JAVA_LONG, 0), count, maxSizes.length);
        }
    }

    /** Measures how fast all threads together read {@code data}, each its own part, in bytes per second. */
    public double measureRead(MemorySegment data) {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment seconds = arena.allocate(ValueLayout.JAVA_DOUBLE);
            check(
                    "heng_cpu_measure_read",
                    HengCpu.heng_cpu_measure_read(handle(), data.address(), data.byteSize(), seconds.address()));
            return data.byteSize() / seconds.get(ValueLayout.JAVA_DOUBLE, 0);
        }
    }

    /** Measures fused multiply-adds of all threads together, in floating-point operations per second. */
    public double measureFma(long rounds) {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment rate = arena.allocate(ValueLayout.JAVA_DOUBLE);
            check("heng_cpu_measure_fma", HengCpu.heng_cpu_measure_fma(handle(), rounds, rate.address()));
            return rate.get(ValueLayout.JAVA_DOUBLE, 0);
        }
    }

    /**
     * Measures how fast all threads together copy {@code from} to {@code to}, in bytes per second; each byte counts twice, as read and as written.
     *
     * @param from as large as {@code to}
     */
    public double measureCopy(MemorySegment from, MemorySegment to) {
        if (from.byteSize() != to.byteSize()) {
            throw new IllegalArgumentException("a copy of " + from.byteSize() + " bytes into " + to.byteSize());
        }
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment seconds = arena.allocate(ValueLayout.JAVA_DOUBLE);
            check(
                    "heng_cpu_measure_copy",
                    HengCpu.heng_cpu_measure_copy(
                            handle(), from.address(), to.address(), from.byteSize(), seconds.address()));
            return 2.0 * from.byteSize() / seconds.get(ValueLayout.JAVA_DOUBLE, 0);
        }
    }

    /** Dot-product instructions. */
    public enum Dot {
        /** Int8 factors with int32 sums. */
        INT8(HengCpu.DOT_INT8),
        /** Bfloat16 factors with float sums. */
        BF16(HengCpu.DOT_BF16);

        private final int kind;

        Dot(int kind) {
            this.kind = kind;
        }
    }

    /** Returns the instruction of this kind that the team's level multiplies with, as the processor's manual calls it; empty if there is none. */
    public Optional<String> dotInstruction(Dot dot) {
        String name = HengCpu.heng_cpu_dot_instruction(handle(), dot.kind);
        return name.isEmpty() ? Optional.empty() : Optional.of(name);
    }

    /**
     * Measures dot products of all threads together, in operations per second, a multiply-add being two.
     *
     * @throws CpuKernelException if the level has no such instruction
     */
    public double measureDot(Dot dot, long rounds) {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment rate = arena.allocate(ValueLayout.JAVA_DOUBLE);
            check("heng_cpu_measure_dot", HengCpu.heng_cpu_measure_dot(handle(), dot.kind, rounds, rate.address()));
            return rate.get(ValueLayout.JAVA_DOUBLE, 0);
        }
    }

    /** Ends the threads. Idempotent. */
    @Override
    public void close() {
        if (handle != 0) {
            HengCpu.heng_cpu_team_free(handle);
            handle = 0;
        }
    }

    private long handle() {
        if (handle == 0) {
            throw new IllegalStateException("the team of CPU threads is closed");
        }
        return handle;
    }

    /** Throws what a status other than OK says. */
    static void check(String function, int status) {
        if (status == HengCpu.OK) {
            return;
        }
        CpuKernelException.Kind kind = switch (status) {
            case HengCpu.INVALID -> CpuKernelException.Kind.INVALID;
            case HengCpu.OUT_OF_MEMORY -> CpuKernelException.Kind.OUT_OF_MEMORY;
            case HengCpu.UNSUPPORTED -> CpuKernelException.Kind.UNSUPPORTED;
            default -> CpuKernelException.Kind.SYSTEM;
        };
        throw new CpuKernelException(kind, function, HengCpu.heng_cpu_last_error());
    }
}
