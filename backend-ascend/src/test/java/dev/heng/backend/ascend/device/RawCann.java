package dev.heng.backend.ascend.device;

import dev.heng.backend.ascend.binding.CannLibraries;
import dev.heng.simulators.ascend.SimulatedCann;
import dev.heng.simulators.ascend.SimulatedCann.Release;
import dev.heng.spi.tensor.DType;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.List;
import java.util.function.IntSupplier;
import org.jspecify.annotations.Nullable;

/** CANN called as a careless program would: nothing is checked here, statuses are returned. */
final class RawCann implements AutoCloseable {

    private final CannLibraries libraries = new CannLibraries(List.of(SimulatedCann.folder(Release.HEAD)));
    private final Arena arena = Arena.ofShared();

    RawCann() {
        call("aclInit", 0L);
        call("aclrtSetDevice", 0);
    }

    int call(String function, Object... arguments) {
        return libraries.function(function).callInt(arguments);
    }

    long handle(String function, Object... arguments) {
        return libraries.function(function).callAddress(arguments);
    }

    String message() {
        return String.valueOf(libraries.function("aclGetRecentErrMsg").callText());
    }

    /** Calls a function whose first parameter takes the address of its result, and returns the result. */
    long result(String function, Object... more) {
        MemorySegment cell = cell();
        Object[] arguments = new Object[more.length + 1];
        arguments[0] = cell.address();
        System.arraycopy(more, 0, arguments, 1, more.length);
        call(function, arguments);
        return cell.get(ValueLayout.JAVA_LONG, 0);
    }

    MemorySegment cell() {
        return arena.allocate(ValueLayout.JAVA_LONG, 2);
    }

    MemorySegment host(long bytes) {
        return arena.allocate(bytes, 64);
    }

    long device(long bytes) {
        return result("aclrtMalloc", bytes, 0);
    }

    long pinned(long bytes) {
        return result("aclrtMallocHost", bytes);
    }

    long stream() {
        return result("aclrtCreateStream");
    }

    long tensor(DType dtype, long address, long... dims) {
        return tensor(dtype, address, 2, null, dims, storage(dims));
    }

    private static long storage(long... dims) {
        long product = 1;
        for (long dim : dims) {
            product *= dim;
        }
        return product;
    }

    long tensor(DType dtype, long address, int format, long @Nullable [] strides, long[] dims, long storage) {
        return handle(
                "aclCreateTensor",
                arena.allocateFrom(ValueLayout.JAVA_LONG, dims).address(),
                (long) dims.length,
                Operators.dataType(dtype),
                strides == null
                        ? 0L
                        : arena.allocateFrom(ValueLayout.JAVA_LONG, strides).address(),
                0L,
                format,
                arena.allocateFrom(ValueLayout.JAVA_LONG, storage).address(),
                1L,
                address);
    }

    long list(long... tensors) {
        return handle(
                "aclCreateTensorList",
                arena.allocateFrom(ValueLayout.JAVA_LONG, tensors).address(),
                (long) tensors.length);
    }

    long integers(long... values) {
        return handle(
                "aclCreateIntArray",
                arena.allocateFrom(ValueLayout.JAVA_LONG, values).address(),
                (long) values.length);
    }

    /** Runs a first phase; returns workspace bytes and executor in a cell, or throws with the library's words. */
    MemorySegment prepared(String operator, Object... arguments) {
        MemorySegment results = cell();
        int status = first(operator, results, arguments);
        if (status != 0) {
            throw new IllegalStateException(operator + " was refused: " + message());
        }
        return results;
    }

    int first(String operator, MemorySegment results, Object... arguments) {
        Object[] all = new Object[arguments.length + 2];
        System.arraycopy(arguments, 0, all, 0, arguments.length);
        all[arguments.length] = results.address();
        all[arguments.length + 1] = results.address() + 8;
        return call(operator + "GetWorkspaceSize", all);
    }

    int refusedFirst(String operator, Object... arguments) {
        return first(operator, cell(), arguments);
    }

    int second(String operator, MemorySegment prepared, long workspace, long stream) {
        return call(
                operator,
                workspace,
                prepared.getAtIndex(ValueLayout.JAVA_LONG, 0),
                prepared.getAtIndex(ValueLayout.JAVA_LONG, 1),
                stream);
    }

    long executor(MemorySegment prepared) {
        return prepared.getAtIndex(ValueLayout.JAVA_LONG, 1);
    }

    /** Runs something in a thread of its own and returns its status. */
    int elsewhere(IntSupplier action, StringBuilder said) {
        int[] status = new int[1];
        Thread thread = Thread.ofPlatform().start(() -> {
            status[0] = action.getAsInt();
            said.append(message());
        });
        try {
            thread.join();
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
        return status[0];
    }

    @Override
    public void close() {
        call("aclrtSynchronizeDevice");
        message();
        call("aclrtResetDevice", 0);
        arena.close();
    }
}
