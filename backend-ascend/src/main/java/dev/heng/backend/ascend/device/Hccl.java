package dev.heng.backend.ascend.device;

import dev.heng.backend.ascend.binding.CannAbi;
import dev.heng.backend.ascend.binding.CannLibraries;
import dev.heng.kernels.vendor.VendorFunction;
import dev.heng.kernels.vendor.VendorLibraryException;
import dev.heng.spi.BackendException;
import dev.heng.spi.tensor.DType;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/**
 * One communicator of HCCL: what is called here is queued on the device's stream.
 *
 * <p>Source: hicann/hccl@09300b70df9a include/hccl.h, docs/zh/api_ref/comm_op_interface; hicann/hcomm@2b912e7d include/hccl/hccl_comm.h. Collectives are in libhccl.so,
 * communicators since CANN 9 in libhcomm.so.
 *
 * <p>Threading: one thread at a time, with the device set in it.
 */
public final class Hccl implements AutoCloseable {

    private final CannLibraries libraries;
    private final AclRuntime runtime;
    private final String device;
    private final long stream;
    private final long communicator;
    private boolean closed;

    private Hccl(CannLibraries libraries, AclRuntime runtime, String device, long stream, long communicator) {
        this.libraries = libraries;
        this.runtime = runtime;
        this.device = device;
        this.stream = stream;
        this.communicator = communicator;
    }

    /** Makes the root information of a new group. */
    public static byte[] rootInfo(CannLibraries libraries, AclRuntime runtime, String device) {
        int size = Math.toIntExact(CannAbi.table().struct("HcclRootInfo").bytes());
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment info = arena.allocate(size, 8);
            check(
                    libraries,
                    runtime,
                    device,
                    "HcclGetRootInfo",
                    function(libraries, device, "HcclGetRootInfo").callInt(info.address()));
            return info.toArray(ValueLayout.JAVA_BYTE);
        }
    }

    /**
     * Joins a group; returns when all of its ranks have.
     *
     * @param rootInfo what {@link #rootInfo} gave
     */
    public static Hccl join(
            CannLibraries libraries,
            AclRuntime runtime,
            String device,
            long stream,
            byte[] rootInfo,
            int rank,
            int size) {
        int wanted = Math.toIntExact(CannAbi.table().struct("HcclRootInfo").bytes());
        if (rootInfo.length != wanted) {
            throw new IllegalArgumentException(
                    "the id of a group of " + device + " has " + wanted + " bytes, not " + rootInfo.length);
        }
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment info = arena.allocate(wanted, 8);
            MemorySegment.copy(rootInfo, 0, info, ValueLayout.JAVA_BYTE, 0, wanted);
            MemorySegment made = arena.allocate(ValueLayout.JAVA_LONG);
            check(
                    libraries,
                    runtime,
                    device,
                    "HcclCommInitRootInfo",
                    function(libraries, device, "HcclCommInitRootInfo")
                            .callInt(size, info.address(), rank, made.address()));
            return new Hccl(libraries, runtime, device, stream, made.get(ValueLayout.JAVA_LONG, 0));
        }
    }

    /** Sums F32 elements over all ranks. */
    public void allReduceSum(long source, long target, long count) {
        call(
                "HcclAllReduce",
                source,
                target,
                count,
                type(DType.F32),
                constant("HCCL_REDUCE_SUM"),
                communicator,
                stream);
    }

    /** Concatenates the elements of all ranks. */
    public void allGather(long source, long target, DType dtype, long count) {
        call("HcclAllGather", source, target, count, type(dtype), communicator, stream);
    }

    /** Copies elements of one rank to all. */
    public void broadcast(long address, DType dtype, long count, int root) {
        call("HcclBroadcast", address, count, type(dtype), root, communicator, stream);
    }

    /** Sends adjacent runs of elements to every rank and receives one from each. Counts are host arrays that the callee reads during the call. */
    public void allToAll(long source, long[] sendCounts, long target, long[] receiveCounts, DType dtype) {
        try (Arena arena = Arena.ofConfined()) {
            call(
                    "HcclAlltoAllV",
                    source,
                    array(arena, sendCounts),
                    array(arena, starts(sendCounts)),
                    type(dtype),
                    target,
                    array(arena, receiveCounts),
                    array(arena, starts(receiveCounts)),
                    type(dtype),
                    communicator,
                    stream);
        }
    }

    private static long array(Arena arena, long[] values) {
        return arena.allocateFrom(ValueLayout.JAVA_LONG, values).address();
    }

    private static long[] starts(long[] counts) {
        long[] starts = new long[counts.length];
        for (int rank = 1; rank < counts.length; rank++) {
            starts[rank] = starts[rank - 1] + counts[rank - 1];
        }
        return starts;
    }

    /** HCCL's numbers of types are not CANN's. */
    private static int type(DType dtype) {
        return switch (dtype) {
            case F32 -> constant("HCCL_DATA_TYPE_FP32");
            case F16 -> constant("HCCL_DATA_TYPE_FP16");
            case BF16 -> constant("HCCL_DATA_TYPE_BFP16");
            case I8 -> constant("HCCL_DATA_TYPE_INT8");
            case I32 -> constant("HCCL_DATA_TYPE_INT32");
            case F64, I64, I4, F8_E4M3, F8_E8M0 ->
                throw new IllegalArgumentException("elements of " + dtype + " are not sent between ranks");
        };
    }

    private static int constant(String name) {
        return Math.toIntExact(CannAbi.table().constant(name));
    }

    private void call(String function, Object... arguments) {
        if (closed) {
            throw new IllegalStateException("the communicator of " + device + " is closed");
        }
        check(
                libraries,
                runtime,
                device,
                function,
                function(libraries, device, function).callInt(arguments));
    }

    private static void check(CannLibraries libraries, AclRuntime runtime, String device, String function, int result) {
        if (result != CannAbi.table().constant("HCCL_SUCCESS")) {
            String name = function(libraries, device, "HcclGetErrorString").callText(result);
            throw BackendException.ofNative(
                    BackendException.Code.NATIVE_FAILURE,
                    device,
                    function,
                    result,
                    name + "; " + runtime.recentMessage(),
                    "check that every rank runs with the same number of ranks and the same id, and that devices see each other (hccn_tool, HCCL_IF_IP)");
        }
    }

    private static VendorFunction function(CannLibraries libraries, String device, String name) {
        try {
            return libraries.function(name);
        } catch (VendorLibraryException absent) {
            throw BackendException.of(
                    BackendException.Code.LIBRARY, device + ": " + absent.getMessage(), absent.remedy(), absent);
        }
    }

    /** Waits for the stream, and leaves the group. Idempotent. */
    @Override
    public void close() {
        if (!closed) {
            runtime.synchronise(stream);
            call("HcclCommDestroy", communicator);
            closed = true;
        }
    }
}
