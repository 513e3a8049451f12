package dev.heng.backend.cuda.device;

import dev.heng.backend.cuda.binding.CudaDriver;
import dev.heng.kernels.cuda.CudaKernels;
import dev.heng.spi.Backend;
import dev.heng.spi.BackendException;
import dev.heng.spi.DeviceInfo;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/**
 * One GPU: its primary context, one stream on which everything happens in order, and the kernels.
 *
 * <p>The primary context is shared with NCCL and other libraries of the process, and spares the versions of cuCtxCreate. Ownership: whoever opened it closes it, after
 * everything allocated from it. Threading: one thread at a time; {@link #enter()} binds the context to the calling thread.
 */
public final class CudaDevice implements AutoCloseable {

    /** System property: "nvrtc" compiles the kernels anew instead of taking what was built. */
    public static final String KERNELS_PROPERTY = "heng.cuda.kernels";

    /** The oldest compute capability that the kernels' instructions allow. */
    private static final int OLDEST = 8;

    private static final int NON_BLOCKING = 1;
    private static final int RELAXED_CAPTURE = 2;
    private static final int MAX_DYNAMIC_SHARED = 8;
    private static final int SERIALIZATION_ATTRIBUTE = 6;
    private static final int SWIZZLE_128 = 3;
    private static final int PROMOTION_256 = 3;

    /** Dynamic shared memory that needs no permission: a block may have 48 KiB, of which kernels declare up to half themselves. */
    private static final int PLAIN_SHARED = 24 * 1024;

    private final String address;
    private final Arena arena = Arena.ofShared();
    private final MemorySegment out = arena.allocate(ValueLayout.JAVA_LONG, 4);
    private final MemorySegment configuration = arena.allocate(56, 8);
    private final MemorySegment attribute = arena.allocate(72, 8);
    private final MemorySegment parameters = arena.allocate(ValueLayout.JAVA_LONG);
    private final Map<String, Long> functions = new HashMap<>();
    private final Map<Long, Integer> sharedLimits = new HashMap<>();
    private final List<Long> modules = new ArrayList<>();
    private final int device;
    private final String target;
    private long context;
    private long stream;
    private boolean closed;

    private CudaDevice(DeviceInfo info, CudaKernels.Found kernels) {
        this.address = info.address();
        this.target = kernels.target();
        check(CudaDriver.cuDeviceGet(out.address(), info.ordinal()), "cuDeviceGet");
        this.device = out.get(ValueLayout.JAVA_INT, 0);
        check(CudaDriver.cuDevicePrimaryCtxRetain(out.address(), device), "cuDevicePrimaryCtxRetain");
        this.context = out.get(ValueLayout.JAVA_LONG, 0);
        boolean opened = false;
        try {
            enter();
            check(CudaDriver.cuStreamCreate(out.address(), NON_BLOCKING), "cuStreamCreate");
            this.stream = out.get(ValueLayout.JAVA_LONG, 0);
            for (CudaKernels.Image image : kernels.images()) {
                modules.add(load(image));
            }
            configuration.set(ValueLayout.JAVA_LONG, 32, stream);
            configuration.set(ValueLayout.JAVA_LONG, 40, attribute.address());
            attribute.set(ValueLayout.JAVA_INT, 0, SERIALIZATION_ATTRIBUTE);
            attribute.set(ValueLayout.JAVA_INT, 8, 1);
            opened = true;
        } finally {
            if (!opened) {
                close();
            }
        }
    }

    /**
     * Opens a device.
     *
     * @throws BackendException if there are no kernels for it, or the driver refuses
     */
    public static CudaDevice open(DeviceInfo info) {
        return new CudaDevice(info, kernels(info));
    }

    /** Machine code that was built, or compiled now where none was, or where {@value #KERNELS_PROPERTY} asks for it. */
    private static CudaKernels.Found kernels(DeviceInfo info) {
        String[] capability =
                info.facts().getOrDefault("computeCapability", "0.0").split("\\.", -1);
        int major = Integer.parseInt(capability[0]);
        int minor = Integer.parseInt(capability[1]);
        CudaKernels.Lookup lookup = CudaKernels.forCapability(major, minor);
        if (lookup instanceof CudaKernels.Found found && !"nvrtc".equals(System.getProperty(KERNELS_PROPERTY))) {
            return found;
        }
        if (lookup instanceof CudaKernels.Missing missing && (major < OLDEST || !compiles())) {
            throw BackendException.of(
                    BackendException.Code.LIBRARY, info.address() + ": " + missing.detail(), remedy(missing, major));
        }
        return KernelCompiler.open().compile(KernelCompiler.target(major, minor));
    }

    private static boolean compiles() {
        return KernelCompiler.library() instanceof ToolkitLibrary.Loaded;
    }

    /** Returns whether kernels for a device without machine code can be compiled when it is opened. */
    public static boolean isCompiledFor(int major) {
        return major >= OLDEST && compiles();
    }

    /** Returns what helps where there is no machine code for a GPU and none can be compiled. */
    public static String remedy(CudaKernels.Missing missing, int major) {
        return major >= OLDEST && KernelCompiler.library() instanceof ToolkitLibrary.Missing compiler
                ? missing.remedy() + "; or let them be compiled here by NVRTC: " + compiler.remedy()
                : missing.remedy();
    }

    private long load(CudaKernels.Image image) {
        try (Arena code = Arena.ofConfined()) {
            MemorySegment bytes = code.allocate(image.code().length, 64);
            bytes.copyFrom(MemorySegment.ofArray(image.code()));
            check(CudaDriver.cuModuleLoadData(out.address(), bytes.address()), "cuModuleLoadData");
            return out.get(ValueLayout.JAVA_LONG, 0);
        }
    }

    /** Returns {@code cuda:N}. */
    public String address() {
        return address;
    }

    /** Returns the stream on which everything is queued, for libraries that queue there too. */
    long stream() {
        return stream;
    }

    /** Returns what the kernels in use were compiled for. */
    public String target() {
        return target;
    }

    /** Makes this device the calling thread's; every public operation of the backend begins with it. */
    public void enter() {
        check(CudaDriver.cuCtxSetCurrent(context), "cuCtxSetCurrent");
    }

    /** Returns the memory of the device. */
    public Backend.MemoryInfo memory() {
        check(CudaDriver.cuMemGetInfo_v2(out.address(), out.address() + 8), "cuMemGetInfo_v2");
        return new Backend.MemoryInfo(
                out.getAtIndex(ValueLayout.JAVA_LONG, 1), out.getAtIndex(ValueLayout.JAVA_LONG, 0));
    }

    /**
     * Allocates device memory; give it back with {@link #free}.
     *
     * @param bytes how much; 0 is taken as 1
     * @param what it is for, for the message
     * @throws BackendException with OUT_OF_MEMORY, showing what was asked and what is free
     */
    public long allocate(long bytes, String what) {
        int status = CudaDriver.cuMemAlloc_v2(out.address(), Math.max(1, bytes));
        if (status == CudaStatus.OUT_OF_MEMORY) {
            Backend.MemoryInfo memory = memory();
            throw BackendException.ofNative(
                    BackendException.Code.OUT_OF_MEMORY,
                    address,
                    "cuMemAlloc_v2",
                    status,
                    what + " takes " + bytes + " bytes, and " + memory.freeBytes() + " of " + memory.totalBytes()
                            + " are free",
                    "use a shorter context, fewer tokens a run, a smaller format, or a GPU with more memory");
        }
        check(status, "cuMemAlloc_v2");
        return out.get(ValueLayout.JAVA_LONG, 0);
    }

    /** Waits for queued work and gives memory back; 0 is ignored. */
    public void free(long pointer) {
        if (pointer != 0) {
            synchronize();
            check(CudaDriver.cuMemFree_v2(pointer), "cuMemFree_v2");
        }
    }

    /** Allocates page-locked host memory, which the device reads and writes at the link's speed. */
    @SuppressWarnings("restricted") // the size is what was just allocated
    public MemorySegment allocateHost(long bytes) {
        check(CudaDriver.cuMemHostAlloc(out.address(), bytes, 0), "cuMemHostAlloc");
        return MemorySegment.ofAddress(out.get(ValueLayout.JAVA_LONG, 0)).reinterpret(bytes);
    }

    /** Gives page-locked memory back. */
    public void freeHost(MemorySegment memory) {
        check(CudaDriver.cuMemFreeHost(memory.address()), "cuMemFreeHost");
    }

    /** Queues a copy from page-locked host memory. */
    public void upload(long target, MemorySegment pinned) {
        check(
                CudaDriver.cuMemcpyHtoDAsync_v2(target, pinned.address(), pinned.byteSize(), stream),
                "cuMemcpyHtoDAsync_v2");
    }

    /** Queues a copy to page-locked host memory. */
    public void download(MemorySegment pinned, long source) {
        check(
                CudaDriver.cuMemcpyDtoHAsync_v2(pinned.address(), source, pinned.byteSize(), stream),
                "cuMemcpyDtoHAsync_v2");
    }

    /** Queues a copy within the device. */
    public void copy(long target, long source, long bytes) {
        check(CudaDriver.cuMemcpyDtoDAsync_v2(target, source, bytes, stream), "cuMemcpyDtoDAsync_v2");
    }

    /** Queues a fill. */
    public void fill(long target, byte value, long bytes) {
        if (bytes > 0) {
            check(CudaDriver.cuMemsetD8Async(target, value, bytes, stream), "cuMemsetD8Async");
        }
    }

    /** Waits for all that was queued. A failure of a kernel surfaces here and stays: the device is lost then. */
    public void synchronize() {
        check(CudaDriver.cuStreamSynchronize(stream), "cuStreamSynchronize");
    }

    /** Makes an event without timing; give it back with {@link #destroyEvent}. */
    public long createEvent() {
        check(CudaDriver.cuEventCreate(out.address(), 2), "cuEventCreate");
        return out.get(ValueLayout.JAVA_LONG, 0);
    }

    /** Marks this point of the stream. */
    public void record(long event) {
        check(CudaDriver.cuEventRecord(event, stream), "cuEventRecord");
    }

    /** Waits until the stream has passed the mark; at once if it was never set. */
    public void await(long event) {
        check(CudaDriver.cuEventSynchronize(event), "cuEventSynchronize");
    }

    /** Gives an event back. */
    public void destroyEvent(long event) {
        check(CudaDriver.cuEventDestroy_v2(event), "cuEventDestroy_v2");
    }

    /**
     * Queues a kernel.
     *
     * @param kernel its name
     * @param gridX blocks, and likewise y and z, all positive
     * @param block threads of a block
     * @param sharedBytes dynamic shared memory of a block
     * @param arguments the one argument block, copied by the call
     * @param overlapping whether the kernel may start while the one before it ends, because it waits for it itself
     */
    public void launch(
            String kernel,
            int gridX,
            int gridY,
            int gridZ,
            int block,
            int sharedBytes,
            MemorySegment arguments,
            boolean overlapping) {
        long function = function(kernel);
        if (sharedBytes > PLAIN_SHARED) {
            raiseSharedLimit(function, sharedBytes);
        }
        configuration.set(ValueLayout.JAVA_INT, 0, gridX);
        configuration.set(ValueLayout.JAVA_INT, 4, gridY);
        configuration.set(ValueLayout.JAVA_INT, 8, gridZ);
        configuration.set(ValueLayout.JAVA_INT, 12, block);
        configuration.set(ValueLayout.JAVA_INT, 16, 1);
        configuration.set(ValueLayout.JAVA_INT, 20, 1);
        configuration.set(ValueLayout.JAVA_INT, 24, sharedBytes);
        configuration.set(ValueLayout.JAVA_INT, 48, overlapping ? 1 : 0);
        parameters.set(ValueLayout.JAVA_LONG, 0, arguments.address());
        int status = CudaDriver.cuLaunchKernelEx(configuration.address(), function, parameters.address(), 0);
        if (status != 0) {
            throw CudaStatus.failure(
                    status,
                    "cuLaunchKernelEx(" + kernel + ", grid " + gridX + "x" + gridY + "x" + gridZ + ", " + sharedBytes
                            + " bytes shared)",
                    address);
        }
    }

    /** Returns integers that the kernels define under a global name. */
    public int[] constants(String name, int count) {
        try (Arena local = Arena.ofConfined()) {
            MemorySegment text = local.allocateFrom(name);
            MemorySegment values = local.allocate(ValueLayout.JAVA_INT, count);
            for (long module : modules) {
                int status = CudaDriver.cuModuleGetGlobal_v2(out.address(), out.address() + 8, module, text.address());
                if (status == CudaStatus.NOT_FOUND) {
                    continue;
                }
                check(status, "cuModuleGetGlobal_v2(" + name + ")");
                check(
                        CudaDriver.cuMemcpyDtoH_v2(
                                values.address(), out.get(ValueLayout.JAVA_LONG, 0), values.byteSize()),
                        "cuMemcpyDtoH_v2");
                return values.toArray(ValueLayout.JAVA_INT);
            }
        }
        throw missing(name);
    }

    /**
     * Describes a matrix to the copy engine: boxes of it go to shared memory, what lies outside it arrives as zeros.
     *
     * @param map 128 bytes, aligned to 64, that receive the description
     * @param type CUtensorMapDataType of an element
     * @param address of the matrix, a multiple of 16
     * @param columns elements of a row
     * @param rows of the matrix
     * @param rowBytes from row to row, a multiple of 16
     * @param boxColumns elements of a box's row
     * @param boxRows rows of a box
     * @param swizzled whether the box's rows of 128 bytes are permuted as the matrix unit reads them
     */
    public void describe(
            MemorySegment map,
            int type,
            long address,
            long columns,
            long rows,
            long rowBytes,
            int boxColumns,
            int boxRows,
            boolean swizzled) {
        try (Arena local = Arena.ofConfined()) {
            MemorySegment sizes = local.allocateFrom(ValueLayout.JAVA_LONG, columns, rows);
            MemorySegment stride = local.allocateFrom(ValueLayout.JAVA_LONG, rowBytes);
            MemorySegment box = local.allocateFrom(ValueLayout.JAVA_INT, boxColumns, boxRows);
            MemorySegment ones = local.allocateFrom(ValueLayout.JAVA_INT, 1, 1);
            int status = CudaDriver.cuTensorMapEncodeTiled(
                    map.address(),
                    type,
                    2,
                    address,
                    sizes.address(),
                    stride.address(),
                    box.address(),
                    ones.address(),
                    0,
                    swizzled ? SWIZZLE_128 : 0,
                    PROMOTION_256,
                    0);
            check(status, "cuTensorMapEncodeTiled(" + rows + " x " + columns + ", " + rowBytes + " bytes a row)");
        }
    }

    private void raiseSharedLimit(long function, int bytes) {
        if (sharedLimits.getOrDefault(function, 0) < bytes) {
            check(CudaDriver.cuFuncSetAttribute(function, MAX_DYNAMIC_SHARED, bytes), "cuFuncSetAttribute");
            sharedLimits.put(function, bytes);
        }
    }

    private long function(String kernel) {
        Long known = functions.get(kernel);
        if (known != null) {
            return known;
        }
        try (Arena text = Arena.ofConfined()) {
            MemorySegment name = text.allocateFrom(kernel);
            for (long module : modules) {
                int status = CudaDriver.cuModuleGetFunction(out.address(), module, name.address());
                if (status != 0 && status != CudaStatus.NOT_FOUND) {
                    throw CudaStatus.failure(status, "cuModuleGetFunction(" + kernel + ")", address);
                }
                if (status == 0) {
                    long function = out.get(ValueLayout.JAVA_LONG, 0);
                    functions.put(kernel, function);
                    return function;
                }
            }
        }
        throw missing(kernel);
    }

    private BackendException missing(String name) {
        return BackendException.of(
                BackendException.Code.LIBRARY,
                address + ": the kernels for " + target + " hold no '" + name + "'",
                "use the heng-kernels jar that belongs to this backend");
    }

    /**
     * Records what {@code work} queues as one graph instead of running it.
     *
     * @return the executable graph; give it back with {@link #destroyGraph}
     */
    public long capture(Runnable work) {
        check(CudaDriver.cuStreamBeginCapture_v2(stream, RELAXED_CAPTURE), "cuStreamBeginCapture_v2");
        long graph = 0;
        try {
            work.run();
        } finally {
            int status = CudaDriver.cuStreamEndCapture(stream, out.address());
            graph = out.get(ValueLayout.JAVA_LONG, 0);
            check(status, "cuStreamEndCapture");
        }
        try {
            check(CudaDriver.cuGraphInstantiateWithFlags(out.address(), graph, 0), "cuGraphInstantiateWithFlags");
            return out.get(ValueLayout.JAVA_LONG, 0);
        } finally {
            check(CudaDriver.cuGraphDestroy(graph), "cuGraphDestroy");
        }
    }

    /** Queues a whole graph. */
    public void launchGraph(long executable) {
        check(CudaDriver.cuGraphLaunch(executable, stream), "cuGraphLaunch");
    }

    /** Gives a graph back. */
    public void destroyGraph(long executable) {
        check(CudaDriver.cuGraphExecDestroy(executable), "cuGraphExecDestroy");
    }

    private void check(int status, String function) {
        CudaStatus.check(status, function, address);
    }

    /** Waits for queued work and releases stream, kernels and context. Idempotent; does not throw for a lost device. */
    @Override
    public void close() {
        if (closed) {
            return;
        }
        closed = true;
        if (stream != 0) {
            CudaDriver.cuStreamSynchronize(stream);
            CudaDriver.cuStreamDestroy_v2(stream);
        }
        for (long module : modules) {
            CudaDriver.cuModuleUnload(module);
        }
        CudaDriver.cuDevicePrimaryCtxRelease_v2(device);
        context = 0;
        arena.close();
    }
}
