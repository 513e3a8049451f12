package dev.heng.runtime.fallback;

import dev.heng.runtime.partition.Side;
import dev.heng.spi.Backend;
import dev.heng.spi.Buffer;
import dev.heng.spi.BufferRequest;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.Collection;
import java.util.Comparator;
import java.util.EnumMap;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * A buffer of two devices: memory on each that has used it, and how much of which is up to date. What one device computed reaches the other through host memory, when
 * the other needs it.
 *
 * <p>A cache is allocated by the first device that uses it, and no other may.
 */
final class MirroredBuffer implements Buffer {

    private final Map<Side, Backend> backends;
    private final BufferRequest request;
    private final long sizeBytes;
    private final Map<Side, Copy> copies = new EnumMap<>(Side.class);

    private @Nullable Byte filledWith;
    private boolean closed;

    MirroredBuffer(Map<Side, Backend> backends, BufferRequest request) {
        this.backends = backends;
        this.request = request;
        this.sizeBytes = request.type().bytes(request.dims());
    }

    /** The memory on one device. */
    private static final class Copy {

        private final Buffer buffer;
        /** How many bytes from the start are up to date. */
        private long valid;

        Copy(Buffer buffer) {
            this.buffer = buffer;
        }

        long valid() {
            return valid;
        }
    }

    /**
     * Returns the memory of one side with its first {@code bytes} up to date.
     *
     * @throws dev.heng.spi.BackendException if it does not fit there
     */
    Buffer current(Side side, long bytes) {
        Copy here = allocated(side);
        Copy there = copies.get(side.other());
        if (there != null) {
            long fresh = Math.min(bytes, there.valid);
            if (fresh > here.valid) {
                copy(there, here, fresh);
            }
        }
        return here.buffer;
    }

    private static void copy(Copy from, Copy to, long bytes) {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment host = arena.allocate(bytes);
            from.buffer.read(0, host);
            to.buffer.write(host, 0);
        }
        to.valid = bytes;
    }

    /** Returns the memory of one side, to be written by a run. */
    Buffer target(Side side) {
        return allocated(side).buffer;
    }

    /** Notes that a run writes the first {@code bytes} on one side, so that the other is out of date. */
    void written(Side side, long bytes) {
        Copy here = allocated(side);
        here.valid = Math.max(here.valid, bytes);
        Copy there = copies.get(side.other());
        if (there != null) {
            there.valid = 0;
        }
    }

    private Copy allocated(Side side) {
        requireOpen();
        Copy copy = copies.get(side);
        if (copy != null) {
            return copy;
        }
        if (isState() && !copies.isEmpty()) {
            throw new IllegalStateException("the cache '" + request.name() + "' is used by two devices");
        }
        Backend backend = backends.get(side);
        if (backend == null) {
            throw new IllegalStateException("there is no device " + side);
        }
        copy = new Copy(backend.allocate(request));
        copies.put(side, copy);
        if (filledWith != null) {
            copy.buffer.fill(filledWith);
        }
        return copy;
    }

    private boolean isState() {
        return request.usage() == BufferRequest.Usage.STATE;
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
        long end = offsetBytes + source.byteSize();
        for (Copy copy : placed()) {
            copy.buffer.write(source, offsetBytes);
            if (offsetBytes <= copy.valid) {
                copy.valid = Math.max(copy.valid, end);
            }
        }
    }

    @Override
    public void read(long offsetBytes, MemorySegment target) {
        Copy freshest =
                placed().stream().max(Comparator.comparingLong(Copy::valid)).orElseThrow();
        freshest.buffer.read(offsetBytes, target);
    }

    @Override
    public void fill(byte value) {
        requireOpen();
        filledWith = value;
        for (Copy copy : copies.values()) {
            copy.buffer.fill(value);
            copy.valid = sizeBytes;
        }
    }

    /** Returns the copies there are; a tensor that no device has used yet goes to the chosen one. */
    private Collection<Copy> placed() {
        requireOpen();
        if (copies.isEmpty()) {
            if (isState()) {
                throw new IllegalStateException(
                        "the cache '" + request.name() + "' has no device before the first run");
            }
            allocated(Side.FIRST);
        }
        return copies.values();
    }

    private void requireOpen() {
        if (closed) {
            throw new IllegalStateException("the buffer '" + request.name() + "' is closed");
        }
    }

    @Override
    public void close() {
        closed = true;
        for (Copy copy : copies.values()) {
            copy.buffer.close();
        }
    }
}
