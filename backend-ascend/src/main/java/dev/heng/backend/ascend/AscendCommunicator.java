package dev.heng.backend.ascend;

import dev.heng.backend.ascend.device.Hccl;
import dev.heng.backend.ascend.device.Operators;
import dev.heng.backend.ascend.device.TensorView;
import dev.heng.spi.Buffer;
import dev.heng.spi.Communicator;
import dev.heng.spi.tensor.DType;

/**
 * A group of devices through HCCL. Everything is queued on the device's one stream.
 *
 * <p>Sums of F16 and BF16 go as F32: in which type HCCL adds narrower ones is documented nowhere, and the contract wants F32. That all ranks get the same bits is HCCL's promise with
 * HCCL_DETERMINISTIC=true in the environment.
 */
final class AscendCommunicator implements Communicator {

    private final AscendDevice device;
    private final Hccl hccl;
    private final Group group;
    private final Runnable onClose;
    private long wide;
    private long wideBytes;
    private boolean closed;

    AscendCommunicator(AscendDevice device, Hccl hccl, Group group, Runnable onClose) {
        this.device = device;
        this.hccl = hccl;
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
        TensorView from = view(source, dtype, count);
        AscendBuffer into = own(target);
        TensorView to = view(target, dtype, count);
        if (dtype == DType.F32) {
            hccl.allReduceSum(from.address(), to.address(), count);
        } else {
            TensorView sums = TensorView.dense(DType.F32, wide(4 * count), count);
            device.operators().run("aclnnCast", from, Operators.dataType(DType.F32), sums);
            hccl.allReduceSum(sums.address(), sums.address(), count);
            device.operators().run("aclnnCast", sums, Operators.dataType(dtype), to);
        }
        into.written(-1);
    }

    @Override
    public void allGather(Buffer source, Buffer target, DType dtype, long count) {
        hccl.allGather(
                view(source, dtype, count).address(),
                view(target, dtype, group.size() * count).address(),
                dtype,
                count);
        own(target).written(-1);
    }

    @Override
    public void broadcast(Buffer buffer, DType dtype, long count, int root) {
        group.requireRoot(root);
        hccl.broadcast(view(buffer, dtype, count).address(), dtype, count, root);
        own(buffer).written(-1);
    }

    @Override
    public void allToAll(Buffer source, long[] sendCounts, Buffer target, long[] receiveCounts, DType dtype) {
        group.requireCounts(sendCounts, receiveCounts);
        hccl.allToAll(
                view(source, dtype, sum(sendCounts)).address(),
                sendCounts,
                view(target, dtype, sum(receiveCounts)).address(),
                receiveCounts,
                dtype);
        own(target).written(-1);
    }

    private static long sum(long[] counts) {
        long sum = 0;
        for (long count : counts) {
            sum += count;
        }
        return sum;
    }

    private TensorView view(Buffer buffer, DType dtype, long count) {
        AscendBuffer one = own(buffer);
        if (dtype.bytes(count) > one.sizeBytes()) {
            throw new IllegalArgumentException(count + " elements of " + dtype + " do not fit into buffer '"
                    + one.request().name() + "' of " + one.sizeBytes() + " bytes");
        }
        return one.view(dtype, count);
    }

    private AscendBuffer own(Buffer buffer) {
        if (closed) {
            throw new IllegalStateException("rank " + group.rank() + " of " + group.size() + " has left its group");
        }
        if (buffer instanceof AscendBuffer one && one.belongsTo(device)) {
            return one;
        }
        throw new IllegalArgumentException(
                "buffer '" + buffer.request().name() + "' was not allocated by this backend " + device.address());
    }

    /** Memory for sums in F32; only the one stream uses it. */
    private long wide(long bytes) {
        if (bytes > wideBytes) {
            freeWide();
            wide = device.allocate("sums over ranks", bytes);
            wideBytes = bytes;
        }
        return wide;
    }

    private void freeWide() {
        if (wideBytes > 0) {
            // Freeing does not wait.
            device.runtime().synchronise(device.stream());
            device.runtime().free(wide);
            wideBytes = 0;
        }
    }

    @Override
    public void close() {
        if (!closed) {
            closed = true;
            freeWide();
            hccl.close();
            onClose.run();
        }
    }
}
