package dev.heng.backend.cuda;

import dev.heng.spi.Buffer;
import dev.heng.spi.BufferRequest;
import java.lang.foreign.MemorySegment;

/** Device memory. Writes and fills are queued in order with runs; reads wait. */
final class CudaBuffer implements Buffer {

    private final CudaBackend backend;
    private final BufferRequest request;
    private final long sizeBytes;
    private final Runnable onClose;
    private final long address;
    private boolean closed;

    CudaBuffer(CudaBackend backend, BufferRequest request, long sizeBytes, long address, Runnable onClose) {
        this.backend = backend;
        this.request = request;
        this.sizeBytes = sizeBytes;
        this.address = address;
        this.onClose = onClose;
    }

    /** Returns whether {@code other} allocated this buffer. */
    boolean belongsTo(CudaBackend other) {
        return backend == other;
    }

    /** Returns where the bytes lie on the device. */
    long address() {
        requireOpen();
        return address;
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
        requireRange(offsetBytes, source.byteSize());
        backend.upload(address + offsetBytes, source);
    }

    @Override
    public void read(long offsetBytes, MemorySegment target) {
        requireRange(offsetBytes, target.byteSize());
        backend.download(target, address + offsetBytes);
    }

    @Override
    public void fill(byte value) {
        requireOpen();
        backend.fill(address, value, sizeBytes);
    }

    @Override
    public void close() {
        if (!closed) {
            closed = true;
            backend.free(address);
            onClose.run();
        }
    }

    private void requireRange(long offsetBytes, long bytes) {
        requireOpen();
        if (offsetBytes < 0 || bytes > sizeBytes - offsetBytes) {
            throw new IndexOutOfBoundsException("bytes " + offsetBytes + ".." + (offsetBytes + bytes - 1)
                    + " are not within buffer '" + request.name() + "' of " + sizeBytes);
        }
    }

    private void requireOpen() {
        if (closed) {
            throw new IllegalStateException("buffer '" + request.name() + "' is closed");
        }
    }
}
