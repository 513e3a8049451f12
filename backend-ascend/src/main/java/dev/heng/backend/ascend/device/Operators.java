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
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * Calls CANN's operators by their two-phase protocol on one stream.
 *
 * <p>The first phase checks on the host and gives the size of a workspace and an executor; the second queues the work and consumes the executor, also when it
 * fails. Handles of tensors live until the second phase has returned, device memory until the stream has passed. The workspace is one block that only grows, and
 * belongs to this stream. Both phases run in the caller's thread. Source: hicann/opbase@aa3cd74b7f6d include/nnopbase/aclnn, src/nnopbase/common/api/acl_op_api.cpp.
 *
 * <p>Threading: one thread at a time, with the device set in it.
 */
public final class Operators implements AutoCloseable {

    /** A tensor that is a list of its own: the list owns it. */
    public record Listed(TensorView tensor) {}

    /** A host array of integers, copied by the callee. */
    public record Integers(List<Long> values) {
        /** Copies the values. */
        public Integers {
            values = List.copyOf(values);
        }
    }

    /** A host scalar, copied by the callee. */
    public record Scalar(float value) {}

    private final CannLibraries libraries;
    private final AclRuntime runtime;
    private final String device;
    private final long stream;
    private long workspace;
    private long workspaceBytes;
    private long calls;

    /**
     * Calls operators on a stream.
     *
     * @param device how messages call the device
     */
    public Operators(CannLibraries libraries, AclRuntime runtime, String device, long stream) {
        this.libraries = libraries;
        this.runtime = runtime;
        this.device = device;
        this.stream = stream;
    }

    /** Returns the number of operators that were queued. */
    public long calls() {
        return calls;
    }

    /** Returns whether this release has an operator. */
    public boolean has(String operator) {
        return libraries.has(operator + "GetWorkspaceSize");
    }

    /**
     * Queues one operator.
     *
     * @param operator its name, for example {@code aclnnMatmul}
     * @param arguments in the order of its first phase, without the two results: {@link TensorView} or null for a tensor, {@link Listed} or null for a list, {@link Integers},
     *     {@link Scalar}, and Long, Integer, Byte, Double for numbers
     * @throws BackendException if the library refuses
     */
    public void run(String operator, @Nullable Object... arguments) {
        VendorFunction first = bind(operator + "GetWorkspaceSize");
        VendorFunction second = bind(operator);
        List<Runnable> cleanup = new ArrayList<>();
        try (Arena arena = Arena.ofConfined()) {
            Object[] values = new Object[arguments.length + 2];
            for (int i = 0; i < arguments.length; i++) {
                values[i] = argument(arguments[i], arena, cleanup);
            }
            MemorySegment results = arena.allocate(ValueLayout.JAVA_LONG, 2);
            values[arguments.length] = results.address();
            values[arguments.length + 1] = results.address() + 8;
            runtime.check(first.declaration().name(), first.callInt(values));
            long bytes = results.getAtIndex(ValueLayout.JAVA_LONG, 0);
            long executor = results.getAtIndex(ValueLayout.JAVA_LONG, 1);
            try {
                reserve(bytes);
            } catch (BackendException outOfMemory) {
                // Abandoned executors leak.
                bind("aclDestroyAclOpExecutor").callInt(executor);
                throw outOfMemory;
            }
            runtime.check(operator, second.callInt(bytes == 0 ? 0L : workspace, bytes, executor, stream));
            calls++;
        } finally {
            cleanup.forEach(Runnable::run);
        }
    }

    private Object argument(@Nullable Object argument, Arena arena, List<Runnable> cleanup) {
        return switch (argument) {
            case null -> 0L;
            case TensorView view -> {
                long tensor = tensor(view, arena);
                cleanup.add(() -> bind("aclDestroyTensor").callInt(tensor));
                yield tensor;
            }
            case Listed listed -> {
                MemorySegment array = arena.allocateFrom(ValueLayout.JAVA_LONG, tensor(listed.tensor(), arena));
                long list = created("aclCreateTensorList", array.address(), 1L);
                cleanup.add(() -> bind("aclDestroyTensorList").callInt(list));
                yield list;
            }
            case Integers integers -> {
                MemorySegment copied = arena.allocateFrom(
                        ValueLayout.JAVA_LONG,
                        integers.values().stream().mapToLong(Long::longValue).toArray());
                long array = created("aclCreateIntArray", copied.address(), (long)
                        integers.values().size());
                cleanup.add(() -> bind("aclDestroyIntArray").callInt(array));
                yield array;
            }
            case Scalar scalar -> {
                MemorySegment value = arena.allocateFrom(ValueLayout.JAVA_FLOAT, scalar.value());
                long created = created("aclCreateScalar", value.address(), dataType(DType.F32));
                cleanup.add(() -> bind("aclDestroyScalar").callInt(created));
                yield created;
            }
            default -> argument;
        };
    }

    /** The data of a tensor begins at a multiple of 32 bytes; the rest of its address is the offset of the view. */
    private long tensor(TensorView view, Arena arena) {
        long elementBytes = view.dtype().bytes(1);
        long base = view.address() & ~31L;
        long offset = (view.address() - base) / elementBytes;
        MemorySegment dims = arena.allocateFrom(ValueLayout.JAVA_LONG, view.dims());
        MemorySegment strides = arena.allocateFrom(ValueLayout.JAVA_LONG, view.strides());
        MemorySegment storage =
                arena.allocateFrom(ValueLayout.JAVA_LONG, view.elements() == 0 ? 0 : offset + view.extent());
        return created(
                "aclCreateTensor",
                dims.address(),
                (long) view.rank(),
                dataType(view.dtype()),
                strides.address(),
                offset,
                (int) CannAbi.table().constant("ACL_FORMAT_ND"),
                storage.address(),
                1L,
                base);
    }

    private long created(String function, Object... arguments) {
        long handle = bind(function).callAddress(arguments);
        if (handle == 0) {
            throw BackendException.ofNative(
                    BackendException.Code.NATIVE_FAILURE,
                    device,
                    function,
                    0,
                    runtime.recentMessage(),
                    "this is a mistake in the backend: report it with the message");
        }
        return handle;
    }

    private void reserve(long bytes) {
        if (bytes > workspaceBytes) {
            if (workspace != 0) {
                // Queued work may still use the old one, and freeing does not wait.
                runtime.synchronise(stream);
                runtime.free(workspace);
                workspace = 0;
                workspaceBytes = 0;
            }
            long rounded = Math.max(1 << 20, Long.highestOneBit(bytes) << 1);
            workspace = runtime.allocate(rounded);
            workspaceBytes = rounded;
        }
    }

    /** Returns CANN's number for an element type. */
    public static int dataType(DType dtype) {
        String name = switch (dtype) {
            case F32 -> "ACL_FLOAT";
            case F16 -> "ACL_FLOAT16";
            case BF16 -> "ACL_BF16";
            case I8 -> "ACL_INT8";
            case I32 -> "ACL_INT32";
            case I64 -> "ACL_INT64";
            case F64 -> "ACL_DOUBLE";
            case I4 -> "ACL_INT4";
            case F8_E4M3 -> "ACL_FLOAT8_E4M3FN";
            case F8_E8M0 -> "ACL_FLOAT8_E8M0";
        };
        return (int) CannAbi.table().constant(name);
    }

    private VendorFunction bind(String function) {
        try {
            return libraries.function(function);
        } catch (VendorLibraryException absent) {
            throw BackendException.of(
                    BackendException.Code.LIBRARY, device + ": " + absent.getMessage(), absent.remedy(), absent);
        }
    }

    /** Waits for the stream and frees the workspace. */
    @Override
    public void close() {
        if (workspace != 0) {
            runtime.synchronise(stream);
            runtime.free(workspace);
            workspace = 0;
            workspaceBytes = 0;
        }
    }
}
