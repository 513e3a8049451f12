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
 * Memory of the device. Integers that the host wrote are remembered, because the host works out slots and angles from them; after a run wrote them, they are read back
 * when next needed.
 */
final class AscendBuffer implements Buffer {

    private final AscendDevice device;
    private final BufferRequest request;
    private final long sizeBytes;
    private final Runnable onClose;
    private final long address;
    private int @Nullable [] integers;
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
        if (request.type().dtype() == DType.I32 && offsetBytes == 0 && source.byteSize() % 4 == 0) {
            integers = source.toArray(ValueLayout.JAVA_INT_UNALIGNED);
        } else {
            integers = null;
        }
    }

    @Override
    public void read(long offsetBytes, MemorySegment target) {
        requireRange(offsetBytes, target.byteSize());
        device.stage().read(address + offsetBytes, target);
    }

    @Override
    public void fill(byte value) {
        requireOpen();
        integers = null;
        if (sizeBytes > 0) {
            device.runtime().fillAsync(address, sizeBytes, value, device.stream());
        }
    }

    /** Returns the first I32 elements as the device has them, waiting for it if a run wrote them. */
    int[] integers(int count) {
        requireOpen();
        int[] known = integers;
        if (known == null || known.length < count) {
            MemorySegment copy = MemorySegment.ofArray(new int[count]);
            device.stage().read(address, copy);
            known = copy.toArray(ValueLayout.JAVA_INT);
            integers = known;
        }
        return known;
    }

    /** Says that a run writes this buffer. */
    void written() {
        integers = null;
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
