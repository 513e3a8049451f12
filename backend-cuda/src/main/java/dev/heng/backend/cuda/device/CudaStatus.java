package dev.heng.backend.cuda.device;

import dev.heng.backend.cuda.binding.CudaDriver;
import dev.heng.spi.BackendException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/** What a CUresult means. Numbers: cuda.h 13.0, enum cudaError_enum. */
final class CudaStatus {

    static final int OUT_OF_MEMORY = 2;
    static final int NO_DEVICE = 100;
    static final int INVALID_IMAGE = 200;
    static final int NO_BINARY_FOR_GPU = 209;
    static final int UNSUPPORTED_PTX = 222;
    static final int NOT_FOUND = 500;
    static final int ILLEGAL_ADDRESS = 700;
    static final int LAUNCH_TIMEOUT = 702;

    private CudaStatus() {}

    /** Throws what {@code status} means, if it is a failure. */
    static void check(int status, String function, String device) {
        if (status != 0) {
            throw failure(status, function, device);
        }
    }

    static BackendException failure(int status, String function, String device) {
        return BackendException.ofNative(code(status), device, function, status, text(status), remedy(status));
    }

    static BackendException.Code code(int status) {
        if (status == OUT_OF_MEMORY) {
            return BackendException.Code.OUT_OF_MEMORY;
        }
        if (status == LAUNCH_TIMEOUT) {
            return BackendException.Code.TIMEOUT;
        }
        return isLost(status) ? BackendException.Code.DEVICE_LOST : BackendException.Code.NATIVE_FAILURE;
    }

    /** Whether the context is of no use after this status: the failures of kernels and of the hardware are sticky. */
    static boolean isLost(int status) {
        return status == 214
                || status == 710
                || (status >= ILLEGAL_ADDRESS && status <= 720 && status != 701 && status != 712 && status != 713)
                || status == 46;
    }

    private static String remedy(int status) {
        if (status == OUT_OF_MEMORY) {
            return "use a shorter context, fewer tokens a run, a smaller format, or a GPU with more memory";
        }
        if (status == NO_BINARY_FOR_GPU || status == UNSUPPORTED_PTX || status == INVALID_IMAGE) {
            return "update the NVIDIA driver, or build heng-kernels for this GPU (HENG_CUDA_TARGETS)";
        }
        return isLost(status)
                ? "start the process anew; if it happens again, report it with the graph and run under compute-sanitizer"
                : "see what the driver says; nvidia-smi and dmesg may know more";
    }

    /** Returns the driver's name and explanation of a status. */
    @SuppressWarnings("restricted") // the driver's own constant texts
    static String text(int status) {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment out = arena.allocate(ValueLayout.ADDRESS);
            StringBuilder text = new StringBuilder();
            if (CudaDriver.cuGetErrorName(status, out.address()) == 0) {
                text.append(out.get(ValueLayout.ADDRESS, 0).reinterpret(256).getString(0));
            }
            if (CudaDriver.cuGetErrorString(status, out.address()) == 0) {
                text.append(": ")
                        .append(out.get(ValueLayout.ADDRESS, 0)
                                .reinterpret(1024)
                                .getString(0));
            }
            return text.isEmpty() ? "status " + status : text.toString();
        }
    }
}
