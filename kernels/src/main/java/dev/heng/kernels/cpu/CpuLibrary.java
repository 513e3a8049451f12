package dev.heng.kernels.cpu;

import dev.heng.kernels.cpu.binding.HengCpu;
import java.io.IOException;
import java.io.InputStream;
import java.lang.foreign.MemorySegment;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Locale;
import org.jspecify.annotations.Nullable;

/**
 * The loaded library: facts about the processor, memory, teams.
 *
 * <p>It is loaded once for the process, from the file that the system property {@value #PATH_PROPERTY} names, or else from the resources
 * of this module. Threading: safe for use by several threads.
 */
public final class CpuLibrary {

    /** System property: the path of a library to load instead of the packaged one. */
    public static final String PATH_PROPERTY = "heng.kernels.cpu.library";

    private final String origin;
    private final CpuLayout layout;
    private final List<String> levels;
    private final String features;

    private CpuLibrary(String origin, CpuLayout layout, List<String> levels, String features) {
        this.origin = origin;
        this.layout = layout;
        this.levels = levels;
        this.features = features;
    }

    /** The answer to {@link #load()}. */
    public sealed interface Loading {}

    /**
     * The library is there.
     *
     * @param library the library
     */
    public record Loaded(CpuLibrary library) implements Loading {}

    /**
     * The library is not there.
     *
     * @param detail what was tried and what the system said
     * @param remedy what the operator can do
     */
    public record Missing(String detail, String remedy) implements Loading {}

    /** Loads the library on the first call and returns the same answer ever after. Never throws. */
    public static Loading load() {
        return Holder.LOADING;
    }

    /** Returns where the library came from: a path, or the resource's name. */
    public String origin() {
        return origin;
    }

    /** Returns the layout of the library's structures, as the library itself describes it. */
    public CpuLayout layout() {
        return layout;
    }

    /** Returns the dispatch levels that run on this processor, the best last. */
    public List<String> levels() {
        return levels;
    }

    /** Returns the processor's features that matter, separated by blanks. */
    public String features() {
        return features;
    }

    /**
     * Makes a team of threads; the caller closes it.
     *
     * @param threads how many, the calling thread of a run included
     * @param pin whether the others are bound to one processor each
     * @param level one of {@link #levels()}, or "" for the best (or what HENG_CPU_LEVEL in the environment names)
     * @throws CpuKernelException if the level does not run here, or a thread could not be made
     */
    public CpuTeam createTeam(int threads, boolean pin, String level) {
        return CpuTeam.create(threads, pin, level);
    }

    /**
     * Allocates zeroed memory on huge pages where the system grants them; give it back with {@link #free}.
     *
     * @param bytes how much, positive
     * @throws CpuKernelException if there is none
     */
    @SuppressWarnings("restricted") // the size is what was just allocated
    public MemorySegment allocate(long bytes) {
        long address = HengCpu.heng_cpu_memory_allocate(bytes);
        if (address == 0) {
            throw new CpuKernelException(
                    CpuKernelException.Kind.OUT_OF_MEMORY,
                    "heng_cpu_memory_allocate",
                    "the system has no " + bytes + " bytes of memory left");
        }
        return MemorySegment.ofAddress(address).reinterpret(bytes);
    }

    /** Gives back memory of {@link #allocate}, with the size that was asked for. */
    public void free(MemorySegment memory) {
        HengCpu.heng_cpu_memory_free(memory.address(), memory.byteSize());
    }

    private static final class Holder {
        static final Loading LOADING = find();

        private static Loading find() {
            String path = System.getProperty(PATH_PROPERTY);
            if (path != null) {
                return bind(Path.of(path).toAbsolutePath().toString(), path);
            }
            String platform = platform();
            if (platform == null) {
                return new Missing(
                        "there are no kernels for " + System.getProperty("os.name") + " on "
                                + System.getProperty("os.arch"),
                        "use linux-x86_64 or linux-aarch64");
            }
            String resource = "/dev/heng/kernels/native/" + platform + "/libheng_cpu.so";
            try (InputStream packaged = CpuLibrary.class.getResourceAsStream(resource)) {
                if (packaged == null) {
                    return new Missing(
                            "resource " + resource
                                    + " is not packaged: no C compiler was there when heng-kernels was built",
                            "install a C compiler (Debian: apt-get install gcc libc6-dev) and build again, or set -D"
                                    + PATH_PROPERTY + " to a libheng_cpu.so");
                }
                return extractAndBind(packaged, resource);
            } catch (IOException e) {
                return new Missing(
                        "the library could not be copied from " + resource + ": " + e.getMessage(),
                        "make " + System.getProperty("java.io.tmpdir") + " writable, or set -D" + PATH_PROPERTY);
            }
        }

        private static Loading extractAndBind(InputStream packaged, String resource) throws IOException {
            Path folder = Files.createTempDirectory("heng-cpu");
            Path file = folder.resolve("libheng_cpu.so");
            try {
                Files.copy(packaged, file);
                return bind(file.toString(), resource);
            } finally {
                // A loaded library stays mapped after its file is gone.
                Files.deleteIfExists(file);
                Files.deleteIfExists(folder);
            }
        }

        private static Loading bind(String path, String origin) {
            try {
                HengCpu.register(path);
                int version = HengCpu.heng_cpu_abi_version();
                if (version != HengCpu.ABI_VERSION) {
                    return new Missing(
                            origin + " has ABI version " + version + ", this binding is for " + HengCpu.ABI_VERSION,
                            "use the library that was built with these classes");
                }
                CpuLayout layout = CpuLayout.parse(HengCpu.heng_cpu_layout());
                return new Loaded(new CpuLibrary(
                        origin, layout, List.of(HengCpu.heng_cpu_levels().split(" ")), HengCpu.heng_cpu_features()));
            } catch (LinkageError e) {
                return new Missing(
                        origin + " could not be loaded: "
                                + String.valueOf(e.getMessage()).replace("\n", "; "),
                        "build heng-kernels on this machine, or set -D" + PATH_PROPERTY + " to a library that loads");
            }
        }

        private static @Nullable String platform() {
            String system = System.getProperty("os.name", "").toLowerCase(Locale.ROOT);
            if (!system.startsWith("linux")) {
                return null;
            }
            return switch (System.getProperty("os.arch", "")) {
                case "amd64", "x86_64" -> "linux-x86_64";
                case "aarch64" -> "linux-aarch64";
                default -> null;
            };
        }
    }
}
