package dev.heng.backend.cuda.device;

import dev.heng.backend.cuda.binding.CublasLt;
import dev.heng.spi.BackendException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/**
 * Dense products by cuBLASLt: {@code y[rows, features] = x[rows, k] . w[features, k]^T}, summed in float32. A product of new sizes asks the library once for an algorithm.
 *
 * <p>Sums are never split into parts that are rounded to the result's type. Ownership: closes what it opened. Threading: as the device.
 */
public final class CublasLtProducts implements AutoCloseable {

    /** Source: library_types.h. */
    public enum Type {
        /** float32. */
        F32(0, 4),
        /** float16. */
        F16(2, 2),
        /** bfloat16. */
        BF16(14, 2),
        /** E4M3, both operands and without scales. */
        E4M3(28, 1);

        private final int code;
        private final int bytes;

        Type(int code, int bytes) {
            this.code = code;
            this.bytes = bytes;
        }
    }

    /** How sums of products are made. */
    public enum Sums {
        /** In float32; E4M3 with promotion. */
        FULL,
        /** float32 operands cut to TF32; E4M3 without promotion. */
        FAST
    }

    /**
     * What is multiplied.
     *
     * @param type of both operands
     * @param out type of the result
     * @param sums how
     * @param rows of x
     * @param features rows of w
     * @param k columns
     * @param stride elements from row to row of x
     */
    public record Sizes(Type type, Type out, Sums sums, long rows, long features, long k, long stride) {}

    private record Plan(long descriptor, long a, long b, long d, MemorySegment algorithm) {}

    /** The library, as it is looked for. */
    public static final ToolkitLibrary LIBRARY =
            new ToolkitLibrary("cublasLt", "cublas", List.of(".13", ".12"), "heng.cuda.cublaslt");

    // Source: cublasLt.h, cublas_api.h.
    private static final int COMPUTE_F32 = 68;
    private static final int COMPUTE_TF32 = 77;
    private static final int TRANSPOSE_A = 3;
    private static final int FAST_ACCUMULATION = 25;
    private static final int WORKSPACE_BYTES = 1;
    private static final int REDUCTION_SCHEMES = 3;
    private static final int IN_PLACE_OR_COMPUTE_TYPE = 3;
    private static final int[] ALIGNMENTS = {5, 6, 7, 8};
    private static final int ALIGNMENT = 16;
    private static final int RESULT_BYTES = 96;
    private static final int TRANSPOSED = 1;

    private static final long WORKSPACE = 64L << 20;

    private final CudaDevice device;
    private final Arena arena = Arena.ofShared();
    private final MemorySegment out = arena.allocate(ValueLayout.JAVA_LONG, 2);
    private final MemorySegment one = arena.allocateFrom(ValueLayout.JAVA_FLOAT, 1.0f);
    private final MemorySegment zero = arena.allocateFrom(ValueLayout.JAVA_FLOAT, 0.0f);
    private final Map<Sizes, Plan> plans = new HashMap<>();
    private final String description;
    private long handle;
    private long preference;
    private long workspace;

    /**
     * Opens the library; the calling thread has entered the device.
     *
     * @throws BackendException with LIBRARY if there is none, naming where it was looked for
     */
    public CublasLtProducts(CudaDevice device) {
        this.device = device;
        switch (LIBRARY.load(CublasLt::register)) {
            case ToolkitLibrary.Missing missing ->
                throw BackendException.of(BackendException.Code.LIBRARY, missing.detail(), missing.remedy());
            case ToolkitLibrary.Loaded loaded -> {
                long version = CublasLt.cublasLtGetVersion();
                this.description = version / 10_000 + "." + version % 10_000 / 100 + "." + version % 100 + " ("
                        + loaded.path() + ")";
            }
        }
        boolean opened = false;
        try {
            check(CublasLt.cublasLtCreate(out.address()), "cublasLtCreate");
            handle = out.get(ValueLayout.JAVA_LONG, 0);
            workspace = device.allocate(WORKSPACE, "the workspace of cuBLASLt");
            check(CublasLt.cublasLtMatmulPreferenceCreate(out.address()), "cublasLtMatmulPreferenceCreate");
            preference = out.get(ValueLayout.JAVA_LONG, 0);
            prefer(WORKSPACE_BYTES, WORKSPACE, Long.BYTES);
            prefer(REDUCTION_SCHEMES, IN_PLACE_OR_COMPUTE_TYPE, Integer.BYTES);
            for (int attribute : ALIGNMENTS) {
                prefer(attribute, ALIGNMENT, Integer.BYTES);
            }
            opened = true;
        } finally {
            if (!opened) {
                close();
            }
        }
    }

    private void prefer(int attribute, long value, int bytes) {
        out.set(ValueLayout.JAVA_LONG, 0, value);
        check(
                CublasLt.cublasLtMatmulPreferenceSetAttribute(preference, attribute, out.address(), bytes),
                "cublasLtMatmulPreferenceSetAttribute");
    }

    /** Returns version and place of the library, for reports. */
    public String description() {
        return description;
    }

    /** Returns whether operands and result lie and end as the library's tensor kernels want them: at multiples of 16 bytes. */
    public static boolean takes(Type type, Type out, long features, long k, long stride) {
        return k * type.bytes % ALIGNMENT == 0
                && stride * type.bytes % ALIGNMENT == 0
                && features * out.bytes % ALIGNMENT == 0;
    }

    /** Queues a product; addresses are multiples of 16. */
    public void multiply(Sizes sizes, long x, long w, long y) {
        Plan plan = plans.computeIfAbsent(sizes, this::plan);
        int status = CublasLt.cublasLtMatmul(
                handle,
                plan.descriptor(),
                one.address(),
                w,
                plan.a(),
                x,
                plan.b(),
                zero.address(),
                y,
                plan.d(),
                y,
                plan.d(),
                plan.algorithm().address(),
                workspace,
                WORKSPACE,
                device.stream());
        check(status, "cublasLtMatmul(" + sizes + ")");
    }

    /** In the library's column-major eyes: y^T [features, rows] = (w^T)^T . x^T. */
    private Plan plan(Sizes sizes) {
        boolean cut = sizes.type() == Type.F32 && sizes.sums() == Sums.FAST;
        check(
                CublasLt.cublasLtMatmulDescCreate(out.address(), cut ? COMPUTE_TF32 : COMPUTE_F32, Type.F32.code),
                "cublasLtMatmulDescCreate");
        long descriptor = out.get(ValueLayout.JAVA_LONG, 0);
        describe(descriptor, TRANSPOSE_A, TRANSPOSED, Integer.BYTES);
        if (sizes.type() == Type.E4M3) {
            describe(descriptor, FAST_ACCUMULATION, sizes.sums() == Sums.FAST ? 1 : 0, 1);
        }
        long a = layout(sizes.type(), sizes.k(), sizes.features(), sizes.k());
        long b = layout(sizes.type(), sizes.k(), sizes.rows(), sizes.stride());
        long d = layout(sizes.out(), sizes.features(), sizes.rows(), sizes.features());
        MemorySegment algorithm = arena.allocate(RESULT_BYTES, 8);
        int status = CublasLt.cublasLtMatmulAlgoGetHeuristic(
                handle, descriptor, a, b, d, d, preference, 1, algorithm.address(), out.address());
        check(status, "cublasLtMatmulAlgoGetHeuristic(" + sizes + ")");
        if (out.get(ValueLayout.JAVA_INT, 0) < 1) {
            throw BackendException.of(
                    BackendException.Code.LIBRARY,
                    device.address() + ": cuBLASLt " + description + " has no algorithm for " + sizes,
                    "open the backend without linear=cublaslt");
        }
        return new Plan(descriptor, a, b, d, algorithm);
    }

    private void describe(long descriptor, int attribute, int value, int bytes) {
        out.set(ValueLayout.JAVA_INT, 0, value);
        check(
                CublasLt.cublasLtMatmulDescSetAttribute(descriptor, attribute, out.address(), bytes),
                "cublasLtMatmulDescSetAttribute");
    }

    private long layout(Type type, long rows, long columns, long leading) {
        check(
                CublasLt.cublasLtMatrixLayoutCreate(out.address(), type.code, rows, columns, leading),
                "cublasLtMatrixLayoutCreate");
        return out.get(ValueLayout.JAVA_LONG, 0);
    }

    private void check(int status, String function) {
        if (status != 0) {
            throw BackendException.ofNative(
                    BackendException.Code.LIBRARY,
                    device.address(),
                    function,
                    status,
                    "cuBLASLt " + description + " refused: " + text(status),
                    "open the backend without linear=cublaslt, or update the library");
        }
    }

    /** Source: cublasStatus_t. */
    private static String text(int status) {
        return switch (status) {
            case 1 -> "not initialised";
            case 3 -> "out of memory";
            case 7 -> "invalid value";
            case 8 -> "architecture mismatch";
            case 13 -> "execution failed";
            case 14 -> "internal error";
            case 15 -> "not supported";
            default -> "status " + status;
        };
    }

    @Override
    public void close() {
        for (Plan plan : plans.values()) {
            CublasLt.cublasLtMatmulDescDestroy(plan.descriptor());
            CublasLt.cublasLtMatrixLayoutDestroy(plan.a());
            CublasLt.cublasLtMatrixLayoutDestroy(plan.b());
            CublasLt.cublasLtMatrixLayoutDestroy(plan.d());
        }
        plans.clear();
        if (preference != 0) {
            CublasLt.cublasLtMatmulPreferenceDestroy(preference);
            preference = 0;
        }
        device.free(workspace);
        workspace = 0;
        if (handle != 0) {
            CublasLt.cublasLtDestroy(handle);
            handle = 0;
        }
        if (arena.scope().isAlive()) {
            arena.close();
        }
    }
}
