package dev.heng.backend.cpu.vector;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/**
 * Access to memory by address, as instructions name it.
 *
 * <p>One segment over all memory, in a constant: the compiler then knows its bounds and that it never closes, and an access costs what it costs in C.
 * What keeps accesses within bounds is what keeps them there in C: sizes that were checked when the program was made, and indices that are checked
 * when data brings them.
 */
final class Memory {

    /** All memory of the process. */
    static final MemorySegment ALL = everything();

    private Memory() {}

    @SuppressWarnings(
            "restricted") // addresses come from this backend's own allocations and from buffers that it checked
    private static MemorySegment everything() {
        return MemorySegment.NULL.reinterpret(Long.MAX_VALUE);
    }

    static byte i8(long address) {
        return ALL.get(ValueLayout.JAVA_BYTE, address);
    }

    static short i16(long address) {
        return ALL.get(ValueLayout.JAVA_SHORT_UNALIGNED, address);
    }

    static int i32(long address) {
        return ALL.get(ValueLayout.JAVA_INT_UNALIGNED, address);
    }

    static long i64(long address) {
        return ALL.get(ValueLayout.JAVA_LONG_UNALIGNED, address);
    }

    static float f32(long address) {
        return ALL.get(ValueLayout.JAVA_FLOAT_UNALIGNED, address);
    }

    static double f64(long address) {
        return ALL.get(ValueLayout.JAVA_DOUBLE_UNALIGNED, address);
    }

    static void putI16(long address, short value) {
        ALL.set(ValueLayout.JAVA_SHORT_UNALIGNED, address, value);
    }

    static void putI32(long address, int value) {
        ALL.set(ValueLayout.JAVA_INT_UNALIGNED, address, value);
    }

    static void putF32(long address, float value) {
        ALL.set(ValueLayout.JAVA_FLOAT_UNALIGNED, address, value);
    }

    static void putF64(long address, double value) {
        ALL.set(ValueLayout.JAVA_DOUBLE_UNALIGNED, address, value);
    }

    /** Copies {@code count} float32 from memory into an array. */
    static void load(long address, float[] target, int offset, int count) {
        MemorySegment.copy(ALL, ValueLayout.JAVA_FLOAT_UNALIGNED, address, target, offset, count);
    }

    /** Copies {@code count} float32 from an array into memory. */
    static void store(float[] source, int offset, long address, int count) {
        MemorySegment.copy(source, offset, ALL, ValueLayout.JAVA_FLOAT_UNALIGNED, address, count);
    }

    static void load(long address, short[] target, int offset, int count) {
        MemorySegment.copy(ALL, ValueLayout.JAVA_SHORT_UNALIGNED, address, target, offset, count);
    }

    static void store(short[] source, int offset, long address, int count) {
        MemorySegment.copy(source, offset, ALL, ValueLayout.JAVA_SHORT_UNALIGNED, address, count);
    }

    /** Copies bytes, which may overlap. */
    static void copy(long from, long to, long bytes) {
        MemorySegment.copy(ALL, from, ALL, to, bytes);
    }
}
