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
 * <p>While a {@link Recording} listens, executors are made repeatable and go to it.
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

    /** Text that the callee copies. */
    public record Text(String value) {}

    /** A first phase that was done: what the second phase needs, and the handles that live until it returned. */
    record Prepared(
            String operator,
            long executor,
            long bytes,
            List<Object> values,
            List<Handle> tensors,
            List<Runnable> cleanup) {
        /** Destroys the handles; the executor is consumed, or destroyed before. */
        void close() {
            cleanup.forEach(Runnable::run);
        }
    }

    /** A tensor argument: its number among the operator's tensors, its handle, and what it shows. */
    record Handle(long index, long tensor, TensorView view) {}

    private final CannLibraries libraries;
    private final AclRuntime runtime;
    private final String device;
    private final long stream;
    private final Stage stage;
    private @Nullable Recording recording;
    private long workspace;
    private long workspaceBytes;
    private long calls;

    /**
     * Calls operators on a stream.
     *
     * @param device how messages call the device
     * @param stage whose run the operators belong to
     */
    public Operators(CannLibraries libraries, AclRuntime runtime, String device, long stream, Stage stage) {
        this.libraries = libraries;
        this.runtime = runtime;
        this.device = device;
        this.stream = stream;
        this.stage = stage;
    }

    /** Returns the number of operators that were queued one by one. */
    public long calls() {
        return calls;
    }

    /** Answers whether this release has an operator. */
    public boolean has(String operator) {
        return libraries.has(operator + "GetWorkspaceSize");
    }

    /** Lets a recording keep what is run from now on; null for none. */
    void listen(@Nullable Recording into) {
        recording = into;
    }

    /**
     * Queues one operator.
     *
     * @param operator its name, for example {@code aclnnMatmul}
     * @param arguments in the order of its first phase, without the two results: {@link TensorView} or null for a tensor, {@link Listed} or null for a list, {@link Integers},
     *     {@link HostInputs.Lengths} or null for a host array, {@link Scalar}, {@link Text}, and Long, Integer, Byte, Double for numbers
     * @throws BackendException if the library refuses
     */
    public void run(String operator, @Nullable Object... arguments) {
        Prepared prepared = prepare(operator, arguments);
        Recording into = recording;
        if (into != null) {
            into.add(prepared, arguments);
            return;
        }
        try {
            launch(prepared, stream);
        } finally {
            prepared.close();
        }
    }

    /** Does the first phase. */
    Prepared prepare(String operator, @Nullable Object... arguments) {
        List<Runnable> cleanup = new ArrayList<>();
        List<Handle> tensors = new ArrayList<>();
        boolean done = false;
        try (Arena arena = Arena.ofConfined()) {
            List<Object> values = new ArrayList<>();
            for (Object argument : arguments) {
                values.add(argument(argument, arena, tensors, cleanup));
            }
            Prepared prepared = firstPhase(operator, values, tensors, cleanup, arena);
            done = true;
            return prepared;
        } finally {
            if (!done) {
                cleanup.forEach(Runnable::run);
            }
        }
    }

    /**
     * Does the first phase once more with the same tensors, whose handles stay the first one's, and with this run's host arrays.
     *
     * @param arguments those of the first
     */
    Prepared again(Prepared first, List<@Nullable Object> arguments) {
        List<Runnable> cleanup = new ArrayList<>();
        boolean done = false;
        try (Arena arena = Arena.ofConfined()) {
            List<Object> values = new ArrayList<>(first.values());
            for (int i = 0; i < values.size(); i++) {
                // Text was copied by the callee, and lives no longer than the call.
                if (arguments.get(i) instanceof HostInputs.Lengths || arguments.get(i) instanceof Text) {
                    values.set(i, argument(arguments.get(i), arena, new ArrayList<>(), cleanup));
                }
            }
            Prepared prepared = firstPhase(first.operator(), values, first.tensors(), cleanup, arena);
            done = true;
            return prepared;
        } finally {
            if (!done) {
                cleanup.forEach(Runnable::run);
            }
        }
    }

    private Prepared firstPhase(
            String operator, List<Object> values, List<Handle> tensors, List<Runnable> cleanup, Arena arena) {
        VendorFunction first = bind(operator + "GetWorkspaceSize");
        MemorySegment results = arena.allocate(ValueLayout.JAVA_LONG, 2);
        Object[] all = values.toArray(new Object[values.size() + 2]);
        all[values.size()] = results.address();
        all[values.size() + 1] = results.address() + 8;
        runtime.check(first.declaration().name(), first.callInt(all));
        long bytes = results.getAtIndex(ValueLayout.JAVA_LONG, 0);
        long executor = results.getAtIndex(ValueLayout.JAVA_LONG, 1);
        try {
            reserve(bytes);
        } catch (BackendException outOfMemory) {
            // Abandoned executors leak.
            abandon(executor);
            throw outOfMemory;
        }
        return new Prepared(operator, executor, bytes, values, List.copyOf(tensors), cleanup);
    }

    /** Does the second phase, which consumes the executor unless it is repeatable. */
    void launch(Prepared prepared, long onto) {
        runtime.check(
                prepared.operator(),
                bind(prepared.operator())
                        .callInt(prepared.bytes() == 0 ? 0L : workspace, prepared.bytes(), prepared.executor(), onto));
        calls++;
    }

    /** Makes an executor usable again and again; false if the library says that this operator's cannot be. */
    boolean repeatable(Prepared prepared) {
        int status = bind("aclSetAclOpExecutorRepeatable").callInt(prepared.executor());
        if (status != 0) {
            runtime.recentMessage();
        }
        return status == 0;
    }

    /** Points a tensor of a repeatable executor elsewhere. */
    void refresh(Prepared prepared, Handle handle, long address) {
        runtime.check(
                "aclSetTensorAddr",
                bind("aclSetTensorAddr").callInt(prepared.executor(), handle.index(), handle.tensor(), address));
    }

    /** Destroys an executor that no second phase consumed. */
    void abandon(long executor) {
        bind("aclDestroyAclOpExecutor").callInt(executor);
    }

    /** Returns where the workspace is now; a graph that captured another one is stale. */
    long workspace() {
        return workspace;
    }

    private Object argument(@Nullable Object argument, Arena arena, List<Handle> tensors, List<Runnable> cleanup) {
        return switch (argument) {
            case null -> 0L;
            case TensorView view -> {
                long tensor = tensor(view, arena);
                tensors.add(new Handle(tensors.size(), tensor, view));
                cleanup.add(() -> bind("aclDestroyTensor").callInt(tensor));
                yield tensor;
            }
            case Listed listed -> {
                MemorySegment array = arena.allocateFrom(ValueLayout.JAVA_LONG, tensor(listed.tensor(), arena));
                long list = created("aclCreateTensorList", array.address(), 1L);
                cleanup.add(() -> bind("aclDestroyTensorList").callInt(list));
                yield list;
            }
            case Integers integers ->
                array(integers.values().stream().mapToLong(Long::longValue).toArray(), arena, cleanup);
            case HostInputs.Lengths lengths -> array(lengths.of(stage.inputs()), arena, cleanup);
            case Scalar scalar -> {
                MemorySegment value = arena.allocateFrom(ValueLayout.JAVA_FLOAT, scalar.value());
                long created = created("aclCreateScalar", value.address(), dataType(DType.F32));
                cleanup.add(() -> bind("aclDestroyScalar").callInt(created));
                yield created;
            }
            case Text text -> arena.allocateFrom(text.value()).address();
            default -> argument;
        };
    }

    private long array(long[] values, Arena arena, List<Runnable> cleanup) {
        MemorySegment copied = arena.allocateFrom(ValueLayout.JAVA_LONG, values);
        long array = created("aclCreateIntArray", copied.address(), (long) values.length);
        cleanup.add(() -> bind("aclDestroyIntArray").callInt(array));
        return array;
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
