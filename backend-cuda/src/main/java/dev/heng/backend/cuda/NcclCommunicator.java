package dev.heng.backend.cuda;

import dev.heng.backend.cuda.device.NcclGroup;
import dev.heng.spi.BackendException;
import dev.heng.spi.Buffer;
import dev.heng.spi.Communicator;
import dev.heng.spi.tensor.DType;
import java.util.Arrays;

/**
 * A place in a group of GPUs. Sums of 16-bit numbers are made in float32 and rounded once, since NCCL would round after each rank.
 */
final class NcclCommunicator implements Communicator {

    private final CudaBackend backend;
    private final NcclGroup joined;
    private final Group group;
    private final Runnable onClose;
    private long wide;
    private long wideBytes;
    private boolean closed;

    /** Takes over the group, and closes it. */
    NcclCommunicator(CudaBackend backend, NcclGroup joined, Group group, Runnable onClose) {
        this.backend = backend;
        this.joined = joined;
        this.group = group;
        this.onClose = onClose;
    }

    @Override
    public int rank() {
        return group.rank();
    }

    @Override
    public int size() {
        return group.size();
    }

    @Override
    public void allReduceSum(Buffer source, Buffer target, DType dtype, long count) {
        long from = address(source, dtype.bytes(count));
        long to = address(target, dtype.bytes(count));
        switch (dtype) {
            case F32 -> joined.sum(from, to, count);
            case F16, BF16 -> {
                long sums = wide(DType.F32.bytes(count));
                backend.convert(from, dtype, sums, DType.F32, count);
                joined.sum(sums, sums, count);
                backend.convert(sums, DType.F32, to, dtype, count);
            }
            case F64, F8_E4M3, F8_E8M0, I8, I4, I32, I64 ->
                throw BackendException.of(
                        BackendException.Code.DECLINED,
                        "a sum of " + dtype + " over GPUs; it takes F32, F16 and BF16",
                        "sum one of these types");
        }
    }

    private long wide(long bytes) {
        if (bytes > wideBytes) {
            backend.free(wide);
            wide = 0;
            wideBytes = 0;
            wide = backend.allocate(bytes, "the float32 sums of a group of " + group.size() + " GPUs");
            wideBytes = bytes;
        }
        return wide;
    }

    @Override
    public void allGather(Buffer source, Buffer target, DType dtype, long count) {
        long bytes = dtype.bytes(count);
        joined.gather(address(source, bytes), address(target, Math.multiplyExact(bytes, group.size())), bytes);
    }

    @Override
    public void broadcast(Buffer buffer, DType dtype, long count, int root) {
        group.requireRoot(root);
        long bytes = dtype.bytes(count);
        joined.broadcast(address(buffer, bytes), bytes, root);
    }

    @Override
    public void allToAll(Buffer source, long[] sendCounts, Buffer target, long[] receiveCounts, DType dtype) {
        group.requireCounts(sendCounts, receiveCounts);
        long[] send = Arrays.stream(sendCounts).map(dtype::bytes).toArray();
        long[] receive = Arrays.stream(receiveCounts).map(dtype::bytes).toArray();
        long from = address(source, Arrays.stream(send).sum());
        long to = address(target, Arrays.stream(receive).sum());
        if (from == to) {
            throw new IllegalArgumentException("an exchange needs two buffers, and both are '"
                    + source.request().name() + "'");
        }
        joined.exchange(from, send, to, receive);
    }

    private long address(Buffer buffer, long bytes) {
        if (closed) {
            throw new IllegalStateException("rank " + group.rank() + " of " + group.size() + " has left its group");
        }
        if (!(buffer instanceof CudaBuffer own) || !own.belongsTo(backend)) {
            throw new IllegalArgumentException(
                    "buffer '" + buffer.request().name() + "' was not allocated by the backend that joined the group");
        }
        if (bytes < 0 || bytes > own.sizeBytes()) {
            throw new IllegalArgumentException("buffer '" + buffer.request().name() + "' has " + own.sizeBytes()
                    + " bytes, and a collective needs " + bytes);
        }
        backend.enter();
        return own.address();
    }

    @Override
    public void close() {
        if (!closed) {
            closed = true;
            backend.enter();
            joined.close();
            backend.free(wide);
            onClose.run();
        }
    }
}
