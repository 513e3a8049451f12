package dev.heng.conformance.faulty;

import dev.heng.spi.Bindings;
import dev.heng.spi.Buffer;
import dev.heng.spi.BufferRequest;
import java.lang.foreign.MemorySegment;
import java.util.HashMap;
import java.util.Map;

/** A buffer that hands every call on to another one, which it owns. */
class ForwardingBuffer implements Buffer {

    private final Buffer real;

    ForwardingBuffer(Buffer real) {
        this.real = real;
    }

    /** Returns the same bindings with the buffers that a real program understands. */
    static Bindings unwrapped(Bindings bindings) {
        Map<String, Buffer> buffers = new HashMap<>();
        bindings.buffers().forEach((name, buffer) -> buffers.put(name, unwrapped(buffer)));
        return new Bindings(bindings.dims(), bindings.batch(), buffers);
    }

    private static Buffer unwrapped(Buffer buffer) {
        return buffer instanceof ForwardingBuffer wrapper ? unwrapped(wrapper.real) : buffer;
    }

    final Buffer real() {
        return real;
    }

    @Override
    public BufferRequest request() {
        return real.request();
    }

    @Override
    public long sizeBytes() {
        return real.sizeBytes();
    }

    @Override
    public void write(MemorySegment source, long offsetBytes) {
        real.write(source, offsetBytes);
    }

    @Override
    public void read(long offsetBytes, MemorySegment target) {
        real.read(offsetBytes, target);
    }

    @Override
    public void fill(byte value) {
        real.fill(value);
    }

    @Override
    public void close() {
        real.close();
    }
}
