package dev.heng.backend.cuda.binding;

import com.sun.jna.Native;
import com.sun.jna.NativeLibrary;

/**
 * libcuda's functions, under the exact names that it exports: the unsuffixed name of a function that has a suffixed one is an older ABI. Source: cuda.h 13.0, compared
 * with 12.4. All return a CUresult. Pointers to results are addresses of host memory.
 */
public final class CudaDriver {

    private CudaDriver() {}

    /**
     * Binds every function of this class.
     *
     * @param name a path, or a name for the system's loader
     * @throws UnsatisfiedLinkError if the library or one of its functions is missing; the message names it
     */
    public static void register(String name) {
        Native.register(CudaDriver.class, NativeLibrary.getInstance(name));
    }

    public static native int cuInit(int flags);

    public static native int cuDriverGetVersion(long version);

    public static native int cuGetErrorName(int error, long text);

    public static native int cuGetErrorString(int error, long text);

    public static native int cuDeviceGetCount(long count);

    public static native int cuDeviceGet(long device, int ordinal);

    public static native int cuDeviceGetName(long name, int length, int device);

    public static native int cuDeviceGetAttribute(long value, int attribute, int device);

    public static native int cuDeviceTotalMem_v2(long bytes, int device);

    public static native int cuDevicePrimaryCtxRetain(long context, int device);

    public static native int cuDevicePrimaryCtxRelease_v2(int device);

    public static native int cuCtxSetCurrent(long context);

    public static native int cuMemGetInfo_v2(long free, long total);

    public static native int cuMemAlloc_v2(long pointer, long bytes);

    public static native int cuMemFree_v2(long pointer);

    public static native int cuMemHostAlloc(long pointer, long bytes, int flags);

    public static native int cuMemFreeHost(long pointer);

    public static native int cuMemcpyHtoDAsync_v2(long target, long source, long bytes, long stream);

    public static native int cuMemcpyDtoHAsync_v2(long target, long source, long bytes, long stream);

    public static native int cuMemcpyDtoDAsync_v2(long target, long source, long bytes, long stream);

    public static native int cuMemsetD8Async(long target, byte value, long count, long stream);

    public static native int cuStreamCreate(long stream, int flags);

    public static native int cuStreamDestroy_v2(long stream);

    public static native int cuStreamSynchronize(long stream);

    public static native int cuStreamBeginCapture_v2(long stream, int mode);

    public static native int cuStreamEndCapture(long stream, long graph);

    public static native int cuGraphInstantiateWithFlags(long executable, long graph, long flags);

    public static native int cuGraphLaunch(long executable, long stream);

    public static native int cuGraphDestroy(long graph);

    public static native int cuGraphExecDestroy(long executable);

    public static native int cuEventCreate(long event, int flags);

    public static native int cuEventRecord(long event, long stream);

    public static native int cuEventSynchronize(long event);

    public static native int cuEventDestroy_v2(long event);

    public static native int cuModuleLoadData(long module, long image);

    public static native int cuModuleUnload(long module);

    public static native int cuModuleGetFunction(long function, long module, long name);

    public static native int cuModuleGetGlobal_v2(long address, long bytes, long module, long name);

    public static native int cuMemcpyDtoH_v2(long target, long source, long bytes);

    public static native int cuTensorMapEncodeTiled(
            long map,
            int type,
            int rank,
            long address,
            long dimensions,
            long strides,
            long box,
            long elementStrides,
            int interleave,
            int swizzle,
            int promotion,
            int fill);

    public static native int cuFuncSetAttribute(long function, int attribute, int value);

    public static native int cuLaunchKernelEx(long configuration, long function, long parameters, long extra);
}
