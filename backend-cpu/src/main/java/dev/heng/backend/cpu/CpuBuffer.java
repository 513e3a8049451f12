package dev.heng.backend.cpu;

import dev.heng.spi.BackendException;
import dev.heng.spi.Buffer;
import dev.heng.spi.BufferRequest;
import java.lang.foreign.MemorySegment;

/** Memory of the host. Runs are over when they return, so that reads and writes are plain copies. */
final class CpuBuffer implements Buffer {

    private final Kernels kernels;
    private final BufferRequest request;
    private final long sizeBytes;
    private final Runnable onClose;
    private final MemorySegment memory;
    private boolean closed;

    CpuBuffer(Kernels kernels, BufferRequest request, Runnable onClose) {
        this.kernels = kernels;
        this.request = request;
        this.sizeBytes = bytes(request);
        this.onClose = onClose;
        this.memory = kernels.allocate(Math.max(1, sizeBytes));
    }

    /**
     * Returns what {@code request} takes.
     *
     * @throws BackendException with OUT_OF_MEMORY if that is more than 2^63 bytes (RUN-014)
     */
    static long bytes(BufferRequest request) {
        try {
            return request.type().bytes(request.dims());
        } catch (ArithmeticException tooLarge) {
            throw BackendException.of(
                    BackendException.Code.OUT_OF_MEMORY,
                    "buffer '" + request.name() + "' of " + request.type() + " for " + request.dims()
                            + " takes more than 2^63 bytes",
                    "allow fewer tokens or pages",
                    tooLarge);
        }
    }

    /** Returns whether the backend with these kernels allocated the buffer. */
    boolean belongsTo(Kernels others) {
        return kernels == others;
    }

    @Override
    public BufferRequest request() {
        return request;
    }

    @Override
    public long sizeBytes() {
        return sizeBytes;
    }

    @Override
    public void write(MemorySegment source, long offsetBytes) {
        MemorySegment.copy(source, 0, range(offsetBytes, source.byteSize()), 0, source.byteSize());
    }

    @Override
    public void read(long offsetBytes, MemorySegment target) {
        MemorySegment.copy(range(offsetBytes, target.byteSize()), 0, target, 0, target.byteSize());
    }

    @Override
    public void fill(byte value) {
        range(0, sizeBytes).fill(value);
    }

    /** Returns where the bytes lie, for instructions. */
    long address() {
        requireOpen();
        return memory.address();
    }

    @Override
    public void close() {
        if (!closed) {
            closed = true;
            kernels.free(memory);
            onClose.run();
        }
    }

    private MemorySegment range(long offsetBytes, long bytes) {
        requireOpen();
        if (offsetBytes < 0 || bytes > sizeBytes - offsetBytes) {
            throw new IndexOutOfBoundsException("bytes " + offsetBytes + ".." + (offsetBytes + bytes - 1)
                    + " are not within buffer '" + request.name() + "' of " + sizeBytes);
        }
        return memory.asSlice(offsetBytes, bytes);
    }

    private void requireOpen() {
        if (closed) {
            throw new IllegalStateException("buffer '" + request.name() + "' is closed");
        }
    }
}
