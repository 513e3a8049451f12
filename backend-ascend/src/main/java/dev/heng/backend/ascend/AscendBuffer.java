package dev.heng.backend.ascend;

import dev.heng.backend.ascend.device.TensorView;
import dev.heng.spi.BackendException;
import dev.heng.spi.Buffer;
import dev.heng.spi.BufferRequest;
import dev.heng.spi.tensor.DType;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import org.jspecify.annotations.Nullable;

/**
 * Memory of the device. What the host wrote last is remembered, because the host works out slots and angles from it; after a run wrote it, it is read back when next
 * needed.
 */
final class AscendBuffer implements Buffer {

    /** What the host remembers of a buffer: enough for positions, page tables and sampling parameters, and not a prompt's activations. */
    private static final long MOST_KNOWN_BYTES = 1L << 20;

    private final AscendDevice device;
    private final BufferRequest request;
    private final long sizeBytes;
    private final Runnable onClose;
    private final long address;
    private @Nullable MemorySegment known;
    private long bound = -1;
    private boolean closed;

    AscendBuffer(AscendDevice device, BufferRequest request, Runnable onClose) {
        this.device = device;
        this.request = request;
        this.sizeBytes = bytes(request);
        this.onClose = onClose;
        this.address = device.allocate("buffer '" + request.name() + "'", sizeBytes);
    }

    private static long bytes(BufferRequest request) {
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

    boolean belongsTo(AscendDevice other) {
        return device == other;
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
        device.stage().write(source, address + offsetBytes);
        bound = -1;
        known = offsetBytes == 0 && source.byteSize() <= MOST_KNOWN_BYTES
                ? MemorySegment.ofArray(source.toArray(ValueLayout.JAVA_BYTE))
                : null;
    }

    @Override
    public void read(long offsetBytes, MemorySegment target) {
        requireRange(offsetBytes, target.byteSize());
        device.stage().read(address + offsetBytes, target);
    }

    @Override
    public void fill(byte value) {
        requireOpen();
        known = null;
        bound = -1;
        if (sizeBytes > 0) {
            device.runtime().fillAsync(address, sizeBytes, value, device.stream());
        }
    }

    /** Returns the first I32 elements as the device has them, waiting for it if a run wrote them. */
    int[] integers(int count) {
        return bytes(4L * count).asSlice(0, 4L * count).toArray(ValueLayout.JAVA_INT_UNALIGNED);
    }

    /** Returns the first bytes as the device has them, waiting for it if a run wrote them. */
    MemorySegment bytes(long count) {
        requireOpen();
        MemorySegment have = known;
        if (have == null || have.byteSize() < count) {
            have = MemorySegment.ofArray(new byte[Math.toIntExact(count)]);
            device.stage().read(address, have);
            known = have;
        }
        return have;
    }

    /** Returns a number above every element if a run wrote them and it is known, else -1. */
    long bound() {
        return bound;
    }

    /**
     * Says that a run writes this buffer.
     *
     * @param newBound above every element, which are not negative, or -1 if that is not known
     */
    void written(long newBound) {
        known = null;
        bound = newBound;
    }

    TensorView view(DType dtype, long... dims) {
        requireOpen();
        return TensorView.dense(dtype, address, dims);
    }

    @Override
    public void close() {
        if (!closed) {
            closed = true;
            // Freeing does not wait, and queued runs may use the memory.
            device.runtime().synchronise(device.stream());
            device.runtime().free(address);
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
