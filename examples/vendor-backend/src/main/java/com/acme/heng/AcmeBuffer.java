package com.acme.heng;

import dev.heng.spi.Buffer;
import dev.heng.spi.BufferRequest;
import java.lang.foreign.MemorySegment;
import java.util.Objects;

/** Device memory: here an array. */
final class AcmeBuffer implements Buffer {

    final AcmeBackend owner;
    private final BufferRequest request;
    private final MemorySegment memory;
    private boolean closed;

    AcmeBuffer(AcmeBackend owner, BufferRequest request, int bytes) {
        this.owner = owner;
        this.request = request;
        this.memory = MemorySegment.ofArray(new byte[bytes]);
    }

    /** The memory, as long as it is allocated. */
    MemorySegment memory() {
        if (closed) {
            throw new IllegalStateException(this + " is closed");
        }
        return memory;
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
        memory();
        Objects.checkFromIndexSize(offsetBytes, source.byteSize(), memory.byteSize());
        MemorySegment.copy(source, 0, memory, offsetBytes, source.byteSize());
    }

    @Override
    public void read(long offsetBytes, MemorySegment target) {
        memory();
        Objects.checkFromIndexSize(offsetBytes, target.byteSize(), memory.byteSize());
        MemorySegment.copy(memory, offsetBytes, target, 0, target.byteSize());
    }

    @Override
    public void fill(byte value) {
        memory().fill(value);
    }

    @Override
    public void close() {
        if (!closed) {
            closed = true;
            owner.forget(this);
        }
    }

    @Override
    public String toString() {
        return "buffer '" + request.name() + "'";
    }
}
