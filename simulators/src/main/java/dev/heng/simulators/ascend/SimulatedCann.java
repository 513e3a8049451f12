package dev.heng.simulators.ascend;

import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;

/**
 * Puts the simulated libraries where a loader can find them.
 *
 * <p>Threading: safe for use by several threads; each release is unpacked once in a process.
 */
public final class SimulatedCann {

    private SimulatedCann() {}

    /** Which symbols the libraries export. */
    public enum Release {
        /** Those of August 2026: libacl_rt.so, libascendcl.so as its legacy name, operators in three libraries. */
        HEAD,
        /** Those of the headers of 2024: libascendcl.so without graph capture, operators in libopapi.so. */
        OF_2024
    }

    /**
     * Returns a folder that holds a release's libraries under the vendor's names; it is deleted when the process ends.
     *
     * @throws IllegalStateException if this build has no simulator because no C compiler was there
     * @throws UncheckedIOException if the folder cannot be written
     */
    public static Path folder(Release release) {
        return switch (release) {
            case HEAD -> Head.FOLDER;
            case OF_2024 -> Of2024.FOLDER;
        };
    }

    private static final class Head {
        static final Path FOLDER = unpack(
                "head",
                List.of(
                        "libheng_ascend_simulator_head.so",
                        "libacl_rt.so",
                        "libascendcl.so",
                        "libnnopbase.so",
                        "libopapi_nn.so",
                        "libopapi_math.so",
                        "libopapi_transformer.so",
                        "libhccl.so",
                        "libhcomm.so"));
    }

    private static final class Of2024 {
        static final Path FOLDER = unpack(
                "2024",
                List.of(
                        "libheng_ascend_simulator_2024.so",
                        "libascendcl.so",
                        "libnnopbase.so",
                        "libopapi.so",
                        "libhccl.so"));
    }

    private static Path unpack(String release, List<String> libraries) {
        try {
            Path folder = Files.createTempDirectory("heng-simulated-cann");
            folder.toFile().deleteOnExit();
            for (String library : libraries) {
                try (InputStream packaged = SimulatedCann.class.getResourceAsStream(release + "/" + library)) {
                    if (packaged == null) {
                        throw new IllegalStateException(
                                "the simulated " + library
                                        + " is not in this build: install a C compiler (Debian: apt-get install gcc libc6-dev) and build again");
                    }
                    Path file = folder.resolve(library);
                    Files.copy(packaged, file);
                    file.toFile().deleteOnExit();
                }
            }
            return folder;
        } catch (IOException e) {
            throw new UncheckedIOException("the simulated CANN cannot be unpacked", e);
        }
    }
}
