package dev.heng.backend.cpu.vector;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.concurrent.atomic.AtomicReference;
import org.jspecify.annotations.Nullable;

/** One thread's view of the instruction that is being run, and its working arrays, which grow to what was needed and stay. */
final class Context {

    private static final int ARRAYS = 8;

    private final int thread;
    private final int threads;
    private final long shared;
    private final AtomicReference<@Nullable String> failure;
    private final float[][] floats = new float[ARRAYS][0];
    private short[] shorts = {};
    private int[] integers = {};
    private MemorySegment packed = MemorySegment.NULL;
    private @Nullable Operation operation;
    private int rows;
    private long[] sizes = {};

    Context(int thread, int threads, long shared, AtomicReference<@Nullable String> failure) {
        this.thread = thread;
        this.threads = threads;
        this.shared = shared;
        this.failure = failure;
    }

    void begin(Operation next, int itsRows, long[] runSizes) {
        operation = next;
        rows = itsRows;
        sizes = runSizes;
    }

    int thread() {
        return thread;
    }

    int threads() {
        return threads;
    }

    int rows() {
        return rows;
    }

    long[] sizes() {
        return sizes;
    }

    /** Returns the address of memory that all threads share for the length of the instruction. */
    long shared() {
        return shared;
    }

    /** Returns this thread's working array {@code number}, with room for {@code count} floats. */
    float[] floats(int number, int count) {
        if (floats[number].length < count) {
            floats[number] = new float[count];
        }
        return floats[number];
    }

    short[] shorts(int count) {
        if (shorts.length < count) {
            shorts = new short[count];
        }
        return shorts;
    }

    int[] integers(int count) {
        if (integers.length < count) {
            integers = new int[count];
        }
        return integers;
    }

    /** Returns the address of this thread's memory for packed activations, with room for {@code bytes}. */
    long packed(long bytes) {
        if (packed.byteSize() < bytes) {
            packed = Arena.ofAuto().allocate(bytes, 64);
        }
        return packed.address();
    }

    /** Records the first failure of a run. */
    void fail(String text) {
        Operation current = operation;
        String where = current == null ? "" : current.name() + ": ";
        failure.compareAndSet(null, where + text);
    }
}
