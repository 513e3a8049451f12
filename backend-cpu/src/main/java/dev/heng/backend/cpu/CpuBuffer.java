package dev.heng.backend.cpu;

import dev.heng.kernels.cpu.CpuLibrary;
import dev.heng.spi.Buffer;
import dev.heng.spi.BufferRequest;
import java.lang.foreign.MemorySegment;

/** Memory of the host. Runs are over when they return, so that reads and writes are plain copies. */
final class CpuBuffer implements Buffer {

    private final CpuLibrary library;
    private final BufferRequest request;
    private final long sizeBytes;
    private final Runnable onClose;
    private final MemorySegment memory;
    private boolean closed;

    CpuBuffer(CpuLibrary library, BufferRequest request, Runnable onClose) {
        this.library = library;
        this.request = request;
        this.sizeBytes = request.type().bytes(request.dims());
        this.onClose = onClose;
        this.memory = library.allocate(Math.max(1, sizeBytes));
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
            library.free(memory);
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
