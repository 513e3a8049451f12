package dev.heng.backend.cuda.device;

import dev.heng.backend.cuda.binding.Nccl;
import dev.heng.spi.BackendException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.List;

/**
 * A place in a group of GPUs, through NCCL: every call is queued on the device's stream, in order with its other work. NCCL is looked for and bound by the first who asks for
 * a group. Ownership: whoever joined closes, before the device. Threading: as the device.
 */
public final class NcclGroup implements AutoCloseable {

    /** The library, as it is looked for: one ABI for CUDA 12 and 13. */
    public static final ToolkitLibrary LIBRARY = new ToolkitLibrary("nccl", "nccl", List.of(".2"), "heng.cuda.nccl");

    // Source: nccl.h, ncclDataType_t and ncclRedOp_t.
    private static final int UINT8 = 1;
    private static final int FLOAT32 = 7;
    private static final int SUM = 0;

    /** ncclInvalidUsage of nccl.h. */
    private static final int INVALID_USAGE = 5;

    private final CudaDevice device;
    private final int size;
    private long communicator;

    private NcclGroup(CudaDevice device, int size, long communicator) {
        this.device = device;
        this.size = size;
        this.communicator = communicator;
    }

    private static final class Holder {
        static final ToolkitLibrary.Loading LOADING = LIBRARY.load(Nccl::register);
    }

    private static void require() {
        if (Holder.LOADING instanceof ToolkitLibrary.Missing missing) {
            throw BackendException.of(BackendException.Code.LIBRARY, missing.detail(), missing.remedy());
        }
    }

    /**
     * Makes the id of a new group.
     *
     * @throws BackendException with LIBRARY if there is no NCCL, naming where it was looked for
     */
    public static byte[] newId(String address) {
        require();
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment id = arena.allocate(Nccl.ID_BYTES, 8);
            check(Nccl.ncclGetUniqueId(id.address()), "ncclGetUniqueId", address);
            return id.toArray(ValueLayout.JAVA_BYTE);
        }
    }

    /**
     * Joins, and returns when all ranks have; the calling thread has entered the device.
     *
     * @param id of {@link #newId}
     * @throws BackendException with DECLINED where two ranks share a GPU (seen with NCCL on one H200: ncclInvalidUsage)
     */
    public static NcclGroup join(CudaDevice device, byte[] id, int rank, int size) {
        require();
        if (id.length != Nccl.ID_BYTES) {
            throw new IllegalArgumentException(
                    "the id of a group of GPUs has " + Nccl.ID_BYTES + " bytes, not " + id.length);
        }
        Nccl.UniqueId unique = new Nccl.UniqueId();
        System.arraycopy(id, 0, unique.internal, 0, id.length);
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment out = arena.allocate(ValueLayout.JAVA_LONG);
            int status = Nccl.ncclCommInitRank(out.address(), size, unique, rank);
            if (status == INVALID_USAGE) {
                throw BackendException.ofNative(
                        BackendException.Code.DECLINED,
                        device.address(),
                        "ncclCommInitRank",
                        status,
                        "NCCL joins GPUs, each for one rank, and refused this group of " + size,
                        "give each rank a GPU of its own; NCCL_DEBUG=WARN says more");
            }
            check(status, "ncclCommInitRank", device.address());
            return new NcclGroup(device, size, out.get(ValueLayout.JAVA_LONG, 0));
        }
    }

    /** Queues a sum of float32 numbers over all ranks; {@code target} may be {@code source}. */
    public void sum(long source, long target, long count) {
        check(
                Nccl.ncclAllReduce(source, target, count, FLOAT32, SUM, communicator, device.stream()),
                "ncclAllReduce",
                device.address());
    }

    /** Queues the concatenation of every rank's bytes. */
    public void gather(long source, long target, long bytes) {
        check(
                Nccl.ncclAllGather(source, target, bytes, UINT8, communicator, device.stream()),
                "ncclAllGather",
                device.address());
    }

    /** Queues a copy of one rank's bytes to all. */
    public void broadcast(long buffer, long bytes, int root) {
        check(
                Nccl.ncclBroadcast(buffer, buffer, bytes, UINT8, root, communicator, device.stream()),
                "ncclBroadcast",
                device.address());
    }

    /**
     * Queues an exchange of adjacent runs of bytes.
     *
     * @param send bytes for each rank
     * @param receive bytes from each rank
     */
    public void exchange(long source, long[] send, long target, long[] receive) {
        check(Nccl.ncclGroupStart(), "ncclGroupStart", device.address());
        long from = source;
        long to = target;
        for (int peer = 0; peer < size; peer++) {
            if (send[peer] > 0) {
                check(
                        Nccl.ncclSend(from, send[peer], UINT8, peer, communicator, device.stream()),
                        "ncclSend",
                        device.address());
            }
            if (receive[peer] > 0) {
                check(
                        Nccl.ncclRecv(to, receive[peer], UINT8, peer, communicator, device.stream()),
                        "ncclRecv",
                        device.address());
            }
            from += send[peer];
            to += receive[peer];
        }
        check(Nccl.ncclGroupEnd(), "ncclGroupEnd", device.address());
    }

    private static void check(int status, String function, String address) {
        if (status != 0) {
            throw BackendException.ofNative(
                    BackendException.Code.DEVICE_LOST,
                    address,
                    function,
                    status,
                    Nccl.ncclGetErrorString(status),
                    "see that all ranks run the same library and reach each other; NCCL_DEBUG=WARN says more");
        }
    }

    @Override
    public void close() {
        if (communicator != 0) {
            device.synchronize();
            Nccl.ncclCommDestroy(communicator);
            communicator = 0;
        }
    }
}
