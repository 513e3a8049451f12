package dev.heng.backend.cuda.device;

import dev.heng.backend.cuda.binding.CudaDriver;
import dev.heng.spi.Availability;
import dev.heng.spi.DeviceInfo;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * libcuda, loaded once for the process: from the file that the system property {@value #PATH_PROPERTY} names, or by the system's loader as {@code libcuda.so.1}. It comes with the
 * driver, never with the toolkit, so that no other place is searched.
 */
public final class DriverLibrary {

    /** System property: the path of a libcuda to load instead of the system's. */
    public static final String PATH_PROPERTY = "heng.cuda.driver";

    /** The oldest driver whose functions are enough: CUDA 12.4. */
    static final int OLDEST = 12040;

    private static final int CAPABILITY_MAJOR = 75;
    private static final int CAPABILITY_MINOR = 76;
    private static final int MULTIPROCESSORS = 16;

    private DriverLibrary() {}

    /** The answer to {@link #load()}. */
    public sealed interface Loading {}

    /** The library is bound and initialised. */
    public record Loaded() implements Loading {}

    /**
     * It is not.
     *
     * @param reason the kind of obstacle
     * @param detail what was tried and what the system said
     * @param remedy what the operator can do
     */
    public record Failed(Availability.Reason reason, String detail, String remedy) implements Loading {}

    /** Loads and initialises the library on the first call and returns the same answer ever after. Never throws. */
    public static Loading load() {
        return Holder.LOADING;
    }

    private static final class Holder {
        static final Loading LOADING = bind(System.getProperty(PATH_PROPERTY));
    }

    static Loading bind(@Nullable String path) {
        String name = path == null ? "libcuda.so.1" : path;
        try {
            CudaDriver.register(name);
        } catch (LinkageError e) {
            String said = String.valueOf(e.getMessage())
                    .lines()
                    .findFirst()
                    .orElse("")
                    .strip();
            if (said.contains("Error looking up function")) {
                return new Failed(
                        Availability.Reason.VERSION_UNSUPPORTED,
                        name + " is older than CUDA 12.4: " + said,
                        "install NVIDIA driver 550 or later");
            }
            return new Failed(
                    Availability.Reason.LIBRARY_MISSING,
                    "the NVIDIA driver's library could not be loaded: " + said,
                    "install the NVIDIA driver (550 or later), or set -D" + PATH_PROPERTY + " to its libcuda.so.1");
        }
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment version = arena.allocate(ValueLayout.JAVA_INT);
            int status = CudaDriver.cuDriverGetVersion(version.address());
            int found = version.get(ValueLayout.JAVA_INT, 0);
            if (status == 0 && found < OLDEST) {
                return new Failed(
                        Availability.Reason.VERSION_UNSUPPORTED,
                        name + " is a driver for CUDA " + versionText(found) + "; 12.4 is the oldest that works",
                        "install NVIDIA driver 550 or later");
            }
            int initialised = CudaDriver.cuInit(0);
            if (initialised != 0) {
                return new Failed(
                        initialised == CudaStatus.NO_DEVICE ? Availability.Reason.NO_DEVICE : Availability.Reason.OTHER,
                        name + ": cuInit returned " + CudaStatus.text(initialised),
                        initialised == CudaStatus.NO_DEVICE
                                ? "check nvidia-smi, and that CUDA_VISIBLE_DEVICES does not hide the GPU"
                                : "check that nvidia-smi works for this user and in this container");
            }
            return new Loaded();
        }
    }

    /**
     * Describes the devices of the process.
     *
     * @param backend the provider's id
     */
    public static List<DeviceInfo> devices(String backend) {
        List<DeviceInfo> devices = new ArrayList<>();
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment out = arena.allocate(ValueLayout.JAVA_LONG);
            int count = integer(out, CudaDriver.cuDeviceGetCount(out.address()), "cuDeviceGetCount");
            String driver =
                    versionText(integer(out, CudaDriver.cuDriverGetVersion(out.address()), "cuDriverGetVersion"));
            for (int ordinal = 0; ordinal < count; ordinal++) {
                int device = integer(out, CudaDriver.cuDeviceGet(out.address(), ordinal), "cuDeviceGet");
                MemorySegment name = arena.allocate(256);
                CudaStatus.check(CudaDriver.cuDeviceGetName(name.address(), 256, device), "cuDeviceGetName", backend);
                CudaStatus.check(CudaDriver.cuDeviceTotalMem_v2(out.address(), device), "cuDeviceTotalMem_v2", backend);
                long memory = out.get(ValueLayout.JAVA_LONG, 0);
                int major = attribute(out, CAPABILITY_MAJOR, device);
                int minor = attribute(out, CAPABILITY_MINOR, device);
                devices.add(new DeviceInfo(
                        backend,
                        ordinal,
                        name.getString(0),
                        memory,
                        false,
                        Map.of(
                                "computeCapability",
                                major + "." + minor,
                                "driverCuda",
                                driver,
                                "multiprocessors",
                                Integer.toString(attribute(out, MULTIPROCESSORS, device)))));
            }
        }
        return List.copyOf(devices);
    }

    private static int attribute(MemorySegment out, int attribute, int device) {
        return integer(out, CudaDriver.cuDeviceGetAttribute(out.address(), attribute, device), "cuDeviceGetAttribute");
    }

    private static int integer(MemorySegment out, int status, String function) {
        CudaStatus.check(status, function, "cuda");
        return out.get(ValueLayout.JAVA_INT, 0);
    }

    private static String versionText(int version) {
        return version / 1000 + "." + version % 1000 / 10;
    }
}
