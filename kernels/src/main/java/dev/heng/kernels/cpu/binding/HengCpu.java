package dev.heng.kernels.cpu.binding;

import com.sun.jna.Native;
import com.sun.jna.NativeLibrary;

/**
 * The functions of {@code kernels/cpu/include/heng_cpu.h}, ABI version {@link #ABI_VERSION}, by direct mapping. Pointers are addresses.
 *
 * <p>Call {@link #register} once before anything else.
 */
public final class HengCpu {

    /** {@code HENG_CPU_ABI_VERSION} of the header that these declarations follow. */
    public static final int ABI_VERSION = 2;

    /** {@code HENG_CPU_OK}. */
    public static final int OK = 0;

    /** {@code HENG_CPU_INVALID}. */
    public static final int INVALID = 1;

    /** {@code HENG_CPU_OUT_OF_MEMORY}. */
    public static final int OUT_OF_MEMORY = 2;

    /** {@code HENG_CPU_UNSUPPORTED}. */
    public static final int UNSUPPORTED = 3;

    private HengCpu() {}

    /**
     * Loads the library at {@code path} and binds every function.
     *
     * @throws LinkageError if it cannot be loaded, or lacks a function
     */
    public static void register(String path) {
        Native.register(HengCpu.class, NativeLibrary.getInstance(path));
    }

    /** Returns the version of the library's interface. */
    public static native int heng_cpu_abi_version();

    /** Returns the layout of every structure as text. */
    public static native String heng_cpu_layout();

    /** Returns the dispatch levels that run here, the best last. */
    public static native String heng_cpu_levels();

    /** Returns the processor's features that matter. */
    public static native String heng_cpu_features();

    /** Returns the text of this thread's last failure. */
    public static native String heng_cpu_last_error();

    /** Makes a team; stores its address at {@code team}. */
    public static native int heng_cpu_team_create(int threads, int pin, String level, long team);

    /** Frees a team. */
    public static native void heng_cpu_team_free(long team);

    /** Returns the level of a team. */
    public static native String heng_cpu_team_level(long team);

    /** Returns 1 if a team's level takes subnormal floats for zero in products. */
    public static native int heng_cpu_team_flushes_subnormals(long team);

    /** Checks instructions; stores the program's address at {@code program}. */
    public static native int heng_cpu_program_create(
            long team, long instructions, long count, long maxSizes, long symbols, long program);

    /** Frees a program. */
    public static native void heng_cpu_program_free(long program);

    /** Returns the bytes of scratch of a program. */
    public static native long heng_cpu_program_scratch(long program);

    /** Runs instructions first..last-1. */
    public static native int heng_cpu_run(long program, long first, long last, long sizes);

    /** Sets where runs add seconds, 0 for nowhere. */
    public static native void heng_cpu_program_profile(long program, long seconds);

    /** Measures reading. */
    public static native int heng_cpu_measure_read(long team, long data, long bytes, long seconds);

    /** Measures multiplying. */
    public static native int heng_cpu_measure_fma(long team, long rounds, long flops);

    /** Measures copying. */
    public static native int heng_cpu_measure_copy(long team, long from, long to, long bytes, long seconds);

    /** {@code HENG_CPU_DOT_INT8}. */
    public static final int DOT_INT8 = 1;

    /** {@code HENG_CPU_DOT_BF16}. */
    public static final int DOT_BF16 = 2;

    /** Returns the dot-product instruction of a team's level, "" if there is none. */
    public static native String heng_cpu_dot_instruction(long team, int kind);

    /** Measures that instruction. */
    public static native int heng_cpu_measure_dot(long team, int kind, long rounds, long rate);

    /** Returns the address of fresh zeroed memory, or 0. */
    public static native long heng_cpu_memory_allocate(long bytes);

    /** Gives memory back. */
    public static native void heng_cpu_memory_free(long memory, long bytes);
}
