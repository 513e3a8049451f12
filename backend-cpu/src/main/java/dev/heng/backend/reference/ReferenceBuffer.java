package dev.heng.backend.reference;

import dev.heng.spi.Buffer;
import dev.heng.spi.BufferRequest;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.Objects;

/**
 * Memory of the host, 64-byte aligned; states lie in it as [pages, pageSize, width] (KV-005).
 *
 * <p>Everything runs at once, so nothing is ever waited for. A fresh buffer is filled with 0xff, NaN in every floating type, so that whoever relies on fresh
 * memory is seen (RUN-012).
 */
final class ReferenceBuffer implements Buffer {

    private final ReferenceBackend backend;
    private final BufferRequest request;
    private final Arena arena;
    private final MemorySegment memory;
    private boolean closed;

    ReferenceBuffer(ReferenceBackend backend, BufferRequest request, long bytes) {
        this.backend = backend;
        this.request = request;
        this.arena = Arena.ofShared();
        this.memory = arena.allocate(bytes, ReferenceBackend.ALIGNMENT_BYTES);
        memory.fill((byte) 0xff);
    }

    @Override
    public BufferRequest request() {
        return request;
    }

    @Override
    public long sizeBytes() {
        return memory.byteSize();
    }

    @Override
    public void write(MemorySegment source, long offsetBytes) {
        check(offsetBytes, source.byteSize());
        MemorySegment.copy(source, 0, memory, offsetBytes, source.byteSize());
    }

    @Override
    public void read(long offsetBytes, MemorySegment target) {
        check(offsetBytes, target.byteSize());
        MemorySegment.copy(memory, offsetBytes, target, 0, target.byteSize());
    }

    @Override
    public void fill(byte value) {
        requireOpen();
        memory.fill(value);
    }

    @Override
    public void close() {
        if (!closed) {
            closed = true;
            arena.close();
            backend.forget(this, memory.byteSize());
        }
    }

    /** Returns the memory itself, for a run of {@code user}. */
    MemorySegment memory(ReferenceBackend user) {
        requireOpen();
        if (!backend.equals(user)) {
            throw new IllegalArgumentException(this + " belongs to another backend");
        }
        return memory;
    }

    @Override
    public String toString() {
        return "buffer '" + request.name() + "'";
    }

    private void check(long offsetBytes, long bytes) {
        requireOpen();
        try {
            Objects.checkFromIndexSize(offsetBytes, bytes, memory.byteSize());
        } catch (IndexOutOfBoundsException outside) {
            throw new IndexOutOfBoundsException(
                    bytes + " bytes from " + offsetBytes + " are not within " + this + " of " + memory.byteSize());
        }
    }

    private void requireOpen() {
        if (closed) {
            throw new IllegalStateException(this + " is closed");
        }
    }
}
