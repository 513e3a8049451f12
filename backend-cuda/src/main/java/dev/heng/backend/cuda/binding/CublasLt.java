package dev.heng.backend.cuda.binding;

import com.sun.jna.Native;
import com.sun.jna.NativeLibrary;

/**
 * cuBLASLt's functions, the same in CUDA 12 and 13. All return a cublasStatus_t but for the version. Pointers to results, attributes and host scalars are addresses of host memory.
 * Source: cublasLt.h.
 */
public final class CublasLt {

    private CublasLt() {}

    /**
     * Binds every function of this class.
     *
     * @param name a path, or a name for the system's loader
     * @throws UnsatisfiedLinkError if the library or one of its functions is missing; the message names it
     */
    public static void register(String name) {
        Native.register(CublasLt.class, NativeLibrary.getInstance(name));
    }

    public static native long cublasLtGetVersion();

    public static native int cublasLtCreate(long handle);

    public static native int cublasLtDestroy(long handle);

    public static native int cublasLtMatmulDescCreate(long descriptor, int computeType, int scaleType);

    public static native int cublasLtMatmulDescDestroy(long descriptor);

    public static native int cublasLtMatmulDescSetAttribute(long descriptor, int attribute, long value, long bytes);

    public static native int cublasLtMatrixLayoutCreate(long layout, int type, long rows, long columns, long leading);

    public static native int cublasLtMatrixLayoutDestroy(long layout);

    public static native int cublasLtMatmulPreferenceCreate(long preference);

    public static native int cublasLtMatmulPreferenceDestroy(long preference);

    public static native int cublasLtMatmulPreferenceSetAttribute(
            long preference, int attribute, long value, long bytes);

    public static native int cublasLtMatmulAlgoGetHeuristic(
            long handle,
            long descriptor,
            long a,
            long b,
            long c,
            long d,
            long preference,
            int requested,
            long results,
            long returned);

    public static native int cublasLtMatmul(
            long handle,
            long descriptor,
            long alpha,
            long a,
            long aLayout,
            long b,
            long bLayout,
            long beta,
            long c,
            long cLayout,
            long d,
            long dLayout,
            long algorithm,
            long workspace,
            long workspaceBytes,
            long stream);
}
