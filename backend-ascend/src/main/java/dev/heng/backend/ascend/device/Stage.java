package dev.heng.backend.ascend.device;

import dev.heng.backend.ascend.device.AclRuntime.CopyKind;
import dev.heng.spi.tensor.DType;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.List;

/**
 * Device memory that lasts for one run, and what the host sends along with a run.
 *
 * <p>All work is on one stream in order, so memory of an earlier run may be given out again at once: whatever uses it comes later. Host data goes through pinned
 * memory, which is reused only after the stream was waited for.
 *
 * <p>Threading: one thread at a time, with the device set in it.
 */
public final class Stage implements AutoCloseable {

    private static final long CHUNK = 1L << 22;
    private static final long STAGING = 1L << 20;
    private static final long ALIGNMENT = 64;

    private record Chunk(long address, long bytes) {}

    private final AclRuntime runtime;
    private final long stream;
    private final List<Chunk> chunks = new ArrayList<>();
    private int current;
    private long used;
    private MemorySegment staging = MemorySegment.NULL;
    private long staged;

    /** Makes an empty stage on a stream. */
    public Stage(AclRuntime runtime, long stream) {
        this.runtime = runtime;
        this.stream = stream;
    }

    /** Gives everything out anew. */
    public void begin() {
        current = 0;
        used = 0;
    }

    /** Returns uninitialised device memory that lasts until the next {@link #begin}. */
    public TensorView temporary(DType dtype, long... dims) {
        long elements = 1;
        for (long dim : dims) {
            elements = Math.multiplyExact(elements, dim);
        }
        return TensorView.dense(dtype, reserve(Math.max(1, dtype.bytes(elements))), dims);
    }

    private long reserve(long bytes) {
        long rounded = Math.ceilDiv(bytes, ALIGNMENT) * ALIGNMENT;
        while (current < chunks.size() && used + rounded > chunks.get(current).bytes()) {
            current++;
            used = 0;
        }
        if (current == chunks.size()) {
            long size = Math.max(CHUNK, rounded);
            chunks.add(new Chunk(runtime.allocate(size), size));
        }
        long address = chunks.get(current).address() + used;
        used += rounded;
        return address;
    }

    /** Sends integers along; returns where they will be. */
    public TensorView upload(int[] values, long... dims) {
        TensorView target = temporary(DType.I32, dims);
        MemorySegment.copy(values, 0, pinned(4L * values.length), ValueLayout.JAVA_INT, 0, values.length);
        return send(target, 4L * values.length);
    }

    /** Sends floats along; returns where they will be. */
    public TensorView upload(float[] values, long... dims) {
        TensorView target = temporary(DType.F32, dims);
        MemorySegment.copy(values, 0, pinned(4L * values.length), ValueLayout.JAVA_FLOAT, 0, values.length);
        return send(target, 4L * values.length);
    }

    /** Copies host bytes into device memory; when it returns, {@code source} may be reused. */
    public void write(MemorySegment source, long address) {
        for (long done = 0; done < source.byteSize(); ) {
            long piece = Math.min(STAGING, source.byteSize() - done);
            MemorySegment pinned = pinned(piece);
            MemorySegment.copy(source, done, pinned, 0, piece);
            runtime.copyAsync(address + done, pinned.address(), piece, CopyKind.HOST_TO_DEVICE, stream);
            staged += Math.ceilDiv(piece, ALIGNMENT) * ALIGNMENT;
            done += piece;
        }
    }

    /** Waits for the stream and copies device memory out. */
    public void read(long address, MemorySegment target) {
        for (long done = 0; done < target.byteSize(); ) {
            long piece = Math.min(STAGING, target.byteSize() - done);
            MemorySegment pinned = pinned(piece);
            runtime.copyAsync(pinned.address(), address + done, piece, CopyKind.DEVICE_TO_HOST, stream);
            runtime.synchronise(stream);
            MemorySegment.copy(pinned, 0, target, done, piece);
            staged = 0;
            done += piece;
        }
        if (target.byteSize() == 0) {
            runtime.synchronise(stream);
        }
    }

    private TensorView send(TensorView target, long bytes) {
        if (bytes > 0) {
            runtime.copyAsync(target.address(), staging.address() + staged, bytes, CopyKind.HOST_TO_DEVICE, stream);
            staged += Math.ceilDiv(bytes, ALIGNMENT) * ALIGNMENT;
        }
        return target;
    }

    /** Returns pinned memory at the mark {@code staged}, waiting for the stream if what is left does not suffice. */
    @SuppressWarnings("restricted") // the size is what was just allocated
    private MemorySegment pinned(long bytes) {
        if (staged + bytes > staging.byteSize()) {
            runtime.synchronise(stream);
            staged = 0;
            if (bytes > staging.byteSize()) {
                freeStaging();
                long size = Math.max(STAGING, bytes);
                staging = MemorySegment.ofAddress(runtime.allocateHost(size)).reinterpret(size);
            }
        }
        return staging.asSlice(staged, bytes);
    }

    private void freeStaging() {
        if (staging.byteSize() > 0) {
            runtime.freeHost(staging.address());
            staging = MemorySegment.NULL;
        }
    }

    /** Waits for the stream and frees everything. */
    @Override
    public void close() {
        runtime.synchronise(stream);
        chunks.forEach(chunk -> runtime.free(chunk.address()));
        chunks.clear();
        freeStaging();
        begin();
        staged = 0;
    }
}
