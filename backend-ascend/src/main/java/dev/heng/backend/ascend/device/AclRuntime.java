package dev.heng.backend.ascend.device;

import dev.heng.backend.ascend.binding.CannAbi;
import dev.heng.backend.ascend.binding.CannLibraries;
import dev.heng.kernels.vendor.VendorFunction;
import dev.heng.kernels.vendor.VendorLibraryException;
import dev.heng.spi.BackendException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import org.jspecify.annotations.Nullable;

/**
 * CANN's runtime with typed calls and checked statuses.
 *
 * <p>Threading: the runtime keeps a current context for each thread; call {@link #setDevice} once in every thread that uses it. Otherwise safe for use by
 * several threads. Source: hicann/runtime@681ef7610df1 include/external/acl/acl_rt.h and docs/zh/api_ref.
 */
public final class AclRuntime {

    /** {@code aclInit} was called before by somebody in this process, which is no failure. */
    private static final int ALREADY_INITIALISED = (int) CannAbi.table().constant("ACL_ERROR_REPEAT_INITIALIZE");

    /** Direction of a copy. The runtime finds it from the addresses, but rejects a kind that does not exist. */
    public enum CopyKind {
        /** From the host to the device. */
        HOST_TO_DEVICE("ACL_MEMCPY_HOST_TO_DEVICE"),
        /** From the device to the host. */
        DEVICE_TO_HOST("ACL_MEMCPY_DEVICE_TO_HOST"),
        /** On the device. */
        DEVICE_TO_DEVICE("ACL_MEMCPY_DEVICE_TO_DEVICE");

        private final int value;

        CopyKind(String constant) {
            this.value = (int) CannAbi.table().constant(constant);
        }
    }

    private final CannLibraries libraries;
    private final String device;

    /**
     * Uses these libraries. Nothing is called yet.
     *
     * @param libraries CANN's libraries
     * @param device how messages call the device
     */
    public AclRuntime(CannLibraries libraries, String device) {
        this.libraries = libraries;
        this.device = device;
    }

    /** Initialises the process; a repeated call is harmless. */
    public void initialise() {
        int status = bind("aclInit").callInt(0L);
        if (status != ALREADY_INITIALISED) {
            check("aclInit", status);
        } else {
            recentMessage();
        }
    }

    /** Returns what the runtime calls the chip of device 0, for example {@code Ascend910B3}, or null if it does not say. */
    public @Nullable String socName() {
        return bind("aclrtGetSocName").callText();
    }

    /** Returns the number of devices that this process sees. */
    public int deviceCount() {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment count = arena.allocate(ValueLayout.JAVA_INT);
            check("aclrtGetDeviceCount", bind("aclrtGetDeviceCount").callInt(count.address()));
            return count.get(ValueLayout.JAVA_INT, 0);
        }
    }

    /** Makes a device, with its default context, the current one of this thread; counted, see {@link #resetDevice}. */
    public void setDevice(int index) {
        check("aclrtSetDevice", bind("aclrtSetDevice").callInt(index));
    }

    /** Undoes one {@link #setDevice}; the last one frees what the default context holds. */
    public void resetDevice(int index) {
        check("aclrtResetDevice", bind("aclrtResetDevice").callInt(index));
    }

    /** Makes a stream of the current context; give it back with {@link #destroyStream}. */
    public long createStream() {
        return handle("aclrtCreateStream");
    }

    /** Waits for a stream's work and destroys it. */
    public void destroyStream(long stream) {
        check("aclrtDestroyStream", bind("aclrtDestroyStream").callInt(stream));
    }

    /** Waits for a stream's work; what failed on the stream is thrown here. */
    public void synchronise(long stream) {
        check("aclrtSynchronizeStream", bind("aclrtSynchronizeStream").callInt(stream));
    }

    /**
     * Waits for a stream's work, but no longer than this.
     *
     * @param milliseconds positive; 0 is rejected by the runtime although its header says that it polls
     * @throws BackendException with {@link BackendException.Code#TIMEOUT} if it is not done by then
     */
    public void synchronise(long stream, int milliseconds) {
        check(
                "aclrtSynchronizeStreamWithTimeout",
                bind("aclrtSynchronizeStreamWithTimeout").callInt(stream, milliseconds));
    }

    /**
     * Allocates device memory, aligned to 64 bytes and not initialised; free it with {@link #free}.
     *
     * @param bytes positive
     * @throws BackendException with {@link BackendException.Code#OUT_OF_MEMORY} if it does not fit
     */
    public long allocate(long bytes) {
        return address("aclrtMalloc", bytes, (int) CannAbi.table().constant("ACL_MEM_MALLOC_HUGE_FIRST"));
    }

    /** Frees device memory at once: the caller has waited for the work that uses it, since this does not. */
    public void free(long address) {
        check("aclrtFree", bind("aclrtFree").callInt(address));
    }

    /** Allocates pinned host memory, without which copies are not asynchronous; free it with {@link #freeHost}. */
    public long allocateHost(long bytes) {
        return address("aclrtMallocHost", bytes);
    }

    /** Frees pinned host memory at once. */
    public void freeHost(long address) {
        check("aclrtFreeHost", bind("aclrtFreeHost").callInt(address));
    }

    /**
     * Queues a copy of {@code bytes} bytes. Both sides must live until the stream has passed it. With host memory that is not pinned, the call returns when the copy
     * is done.
     */
    public void copyAsync(long destination, long source, long bytes, CopyKind kind, long stream) {
        check(
                "aclrtMemcpyAsync",
                bind("aclrtMemcpyAsync").callInt(destination, bytes, source, bytes, kind.value, stream));
    }

    /** Queues a fill of {@code bytes} bytes with one byte value. */
    public void fillAsync(long destination, long bytes, byte value, long stream) {
        check("aclrtMemsetAsync", bind("aclrtMemsetAsync").callInt(destination, bytes, value & 0xff, bytes, stream));
    }

    /** Returns the free and the total high-bandwidth memory of the current device in bytes. */
    public long[] memory() {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment numbers = arena.allocate(ValueLayout.JAVA_LONG, 2);
            int kind = (int) CannAbi.table().constant("ACL_HBM_MEM");
            check("aclrtGetMemInfo", bind("aclrtGetMemInfo").callInt(kind, numbers.address(), numbers.address() + 8));
            return numbers.toArray(ValueLayout.JAVA_LONG);
        }
    }

    /** Makes an event that orders streams and can be recorded again and again; destroy it with {@link #destroyEvent}. */
    public long createEvent() {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment result = arena.allocate(ValueLayout.JAVA_LONG);
            int flag = (int) CannAbi.table().constant("ACL_EVENT_SYNC");
            check(
                    "aclrtCreateEventExWithFlag",
                    bind("aclrtCreateEventExWithFlag").callInt(result.address(), flag));
            return result.get(ValueLayout.JAVA_LONG, 0);
        }
    }

    /** Destroys an event whose records have passed. */
    public void destroyEvent(long event) {
        check("aclrtDestroyEvent", bind("aclrtDestroyEvent").callInt(event));
    }

    /** Queues a record of an event. */
    public void record(long event, long stream) {
        check("aclrtRecordEvent", bind("aclrtRecordEvent").callInt(event, stream));
    }

    /** Makes a stream wait for what was recorded last. */
    public void waitFor(long stream, long event) {
        check("aclrtStreamWaitEvent", bind("aclrtStreamWaitEvent").callInt(stream, event));
    }

    /** Answers whether this release can capture a stream's work into a graph and replay it. */
    public boolean canCapture() {
        return libraries.has("aclmdlRICaptureBegin")
                && libraries.has("aclmdlRICaptureEnd")
                && libraries.has("aclmdlRIExecuteAsync")
                && libraries.has("aclmdlRIDestroy");
    }

    /** Begins to capture a stream; relaxed, so that other threads may copy meanwhile. Nothing may wait for the stream until {@link #endCapture}. */
    public void beginCapture(long stream) {
        int mode = (int) CannAbi.table().constant("ACL_MODEL_RI_CAPTURE_MODE_RELAXED");
        check("aclmdlRICaptureBegin", bind("aclmdlRICaptureBegin").callInt(stream, mode));
    }

    /** Ends a capture and returns the graph; every address that it captured must live until {@link #destroyGraph}. */
    public long endCapture(long stream) {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment result = arena.allocate(ValueLayout.JAVA_LONG);
            check("aclmdlRICaptureEnd", bind("aclmdlRICaptureEnd").callInt(stream, result.address()));
            return result.get(ValueLayout.JAVA_LONG, 0);
        }
    }

    /** Answers whether host arguments of captured operators can be changed between replays. */
    public boolean canUpdateTasks() {
        return libraries.has("aclmdlRICaptureTaskGrpBegin")
                && libraries.has("aclmdlRICaptureTaskGrpEnd")
                && libraries.has("aclmdlRICaptureTaskUpdateBegin")
                && libraries.has("aclmdlRICaptureTaskUpdateEnd");
    }

    /** Marks what a capturing stream is given from now on as one group, whose arguments can be changed later: single operators only. */
    public void beginTaskGroup(long stream) {
        check("aclmdlRICaptureTaskGrpBegin", bind("aclmdlRICaptureTaskGrpBegin").callInt(stream));
    }

    /** Ends a group; its handle lives as long as the graph. */
    public long endTaskGroup(long stream) {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment result = arena.allocate(ValueLayout.JAVA_LONG);
            check("aclmdlRICaptureTaskGrpEnd", bind("aclmdlRICaptureTaskGrpEnd").callInt(stream, result.address()));
            return result.get(ValueLayout.JAVA_LONG, 0);
        }
    }

    /** Takes what this stream is given from now on, the same operators in number and kind, as a group's new arguments; the stream does not capture, and the graph does not run. */
    public void beginTaskUpdate(long stream, long group) {
        check(
                "aclmdlRICaptureTaskUpdateBegin",
                bind("aclmdlRICaptureTaskUpdateBegin").callInt(stream, group));
    }

    /** Ends an update: it is queued on the stream. */
    public void endTaskUpdate(long stream) {
        check(
                "aclmdlRICaptureTaskUpdateEnd",
                bind("aclmdlRICaptureTaskUpdateEnd").callInt(stream));
    }

    /** Queues a graph's work. */
    public void execute(long graph, long stream) {
        check("aclmdlRIExecuteAsync", bind("aclmdlRIExecuteAsync").callInt(graph, stream));
    }

    /** Destroys a graph that is not running. */
    public void destroyGraph(long graph) {
        check("aclmdlRIDestroy", bind("aclmdlRIDestroy").callInt(graph));
    }

    private long handle(String function) {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment result = arena.allocate(ValueLayout.JAVA_LONG);
            check(function, bind(function).callInt(result.address()));
            return result.get(ValueLayout.JAVA_LONG, 0);
        }
    }

    private long address(String function, long bytes, Object... more) {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment result = arena.allocate(ValueLayout.JAVA_LONG);
            Object[] arguments = new Object[2 + more.length];
            arguments[0] = result.address();
            arguments[1] = bytes;
            System.arraycopy(more, 0, arguments, 2, more.length);
            check(function, bind(function).callInt(arguments));
            return result.get(ValueLayout.JAVA_LONG, 0);
        }
    }

    private VendorFunction bind(String function) {
        try {
            return libraries.function(function);
        } catch (VendorLibraryException absent) {
            throw BackendException.of(
                    BackendException.Code.LIBRARY, device + ": " + absent.getMessage(), absent.remedy(), absent);
        }
    }

    void check(String function, int status) {
        if (status != 0) {
            throw BackendException.ofNative(
                    AclStatus.code(status), device, function, status, recentMessage(), AclStatus.remedy(status));
        }
    }

    /** The library keeps one message for each thread, clears it when asked, and owns the text: it is copied by the call. */
    String recentMessage() {
        String message = bind("aclGetRecentErrMsg").callText();
        return message == null ? "the library gave no message" : message.strip();
    }
}
