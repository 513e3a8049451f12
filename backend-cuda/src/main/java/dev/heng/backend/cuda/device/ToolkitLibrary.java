package dev.heng.backend.cuda.device;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/**
 * Finds a library of NVIDIA's that does not come with the driver. Places, in this order: the file that a system property names; Python wheels ({@code nvidia/cu13/lib},
 * {@code nvidia/NAME/lib}) of the virtual environment, of conda, and of each python3 on the PATH; the system's loader; CUDA_HOME and CUDA_PATH; /usr/local/cuda. In each place CUDA 13
 * comes before CUDA 12.
 *
 * @param name in file names, for example {@code cublasLt}
 * @param wheel folder of the CUDA 12 wheel, for example {@code cublas}
 * @param versions endings after {@code .so}, the best first, for example {@code .13}
 * @param property system property that names a file
 */
public record ToolkitLibrary(String name, String wheel, List<String> versions, String property) {

    public ToolkitLibrary {
        versions = List.copyOf(versions);
    }

    /** The answer to {@link #load}. */
    public sealed interface Loading {}

    /**
     * It is bound.
     *
     * @param path the file, or the name that the system's loader took
     */
    public record Loaded(String path) implements Loading {}

    /**
     * It is not there.
     *
     * @param detail where it was looked for and what the system said
     * @param remedy what the operator can do
     */
    public record Missing(String detail, String remedy) implements Loading {}

    /**
     * Binds the first candidate that can be bound.
     *
     * @param binder binds a path, and throws LinkageError where it cannot
     */
    public Loading load(Consumer<String> binder) {
        List<String> failures = new ArrayList<>();
        for (String candidate : candidates(System.getProperty(property), System.getenv())) {
            try {
                binder.accept(candidate);
                return new Loaded(candidate);
            } catch (LinkageError e) {
                failures.add(String.valueOf(e.getMessage())
                        .lines()
                        .findFirst()
                        .orElse(candidate)
                        .strip());
            }
        }
        String files = "lib" + name + ".so" + String.join(" or .so", versions);
        return new Missing(
                "no " + files + " could be loaded: " + String.join("; ", failures),
                "install it (pip install nvidia-" + wheel + ", or the CUDA toolkit), or set -D" + property
                        + " to its path");
    }

    /** Returns paths and names to try, the best first; paths exist. */
    List<String> candidates(@Nullable String chosen, Map<String, String> environment) {
        if (chosen != null) {
            return List.of(chosen);
        }
        Set<String> found = new LinkedHashSet<>();
        for (Path packages : sitePackages(environment)) {
            addFiles(found, packages.resolve("nvidia/cu13/lib"));
            addFiles(found, packages.resolve("nvidia").resolve(wheel).resolve("lib"));
        }
        versions.forEach(version -> found.add("lib" + name + ".so" + version));
        for (String variable : List.of("CUDA_HOME", "CUDA_PATH")) {
            String home = environment.get(variable);
            if (home != null && !home.isBlank()) {
                addFiles(found, Path.of(home, "lib64"));
            }
        }
        addFiles(found, Path.of("/usr/local/cuda/lib64"));
        return List.copyOf(found);
    }

    private void addFiles(Set<String> found, Path folder) {
        for (String version : versions) {
            Path file = folder.resolve("lib" + name + ".so" + version);
            if (Files.isRegularFile(file)) {
                found.add(file.toString());
            }
        }
    }

    private static Set<Path> sitePackages(Map<String, String> environment) {
        Set<Path> prefixes = new LinkedHashSet<>();
        for (String variable : List.of("VIRTUAL_ENV", "CONDA_PREFIX")) {
            String prefix = environment.get(variable);
            if (prefix != null && !prefix.isBlank()) {
                prefixes.add(Path.of(prefix));
            }
        }
        for (String folder : environment.getOrDefault("PATH", "").split(":", -1)) {
            if (!folder.isBlank() && Files.isExecutable(Path.of(folder, "python3"))) {
                Path parent = Path.of(folder).toAbsolutePath().getParent();
                if (parent != null) {
                    prefixes.add(parent);
                }
            }
        }
        String home = environment.get("HOME");
        if (home != null && !home.isBlank()) {
            prefixes.add(Path.of(home, ".local"));
        }
        Set<Path> packages = new LinkedHashSet<>();
        for (Path prefix : prefixes) {
            Path lib = prefix.resolve("lib");
            if (Files.isDirectory(lib)) {
                try (DirectoryStream<Path> pythons = Files.newDirectoryStream(lib, "python3*")) {
                    pythons.forEach(python -> {
                        packages.add(python.resolve("site-packages"));
                        packages.add(python.resolve("dist-packages"));
                    });
                } catch (IOException e) {
                    throw new UncheckedIOException("folder " + lib + " cannot be read", e);
                }
            }
        }
        return packages;
    }
}
