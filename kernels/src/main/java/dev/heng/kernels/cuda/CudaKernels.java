package dev.heng.kernels.cuda;

import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/** Finds the compiled kernels for a GPU among this module's resources. Threading: safe for use by several threads. */
public final class CudaKernels {

    private static final String ROOT = "/dev/heng/kernels/cuda/";

    private CudaKernels() {}

    /**
     * A module's code as the driver takes it: a cubin, or PTX text with a closing zero.
     *
     * @param name the source file's name without its ending
     * @param target what it was compiled for, for example {@code sm_90a}
     * @param code the bytes
     */
    @SuppressWarnings("ArrayRecordComponent") // Opaque bytes for the driver, never compared.
    public record Image(String name, String target, byte[] code) {}

    /** The answer to {@link #forCapability}. */
    public sealed interface Lookup {}

    /**
     * The kernels are there.
     *
     * @param target the one that fits best
     * @param images every module, in the order of their names; copied
     */
    public record Found(String target, List<Image> images) implements Lookup {
        public Found {
            images = List.copyOf(images);
        }
    }

    /**
     * There are none for this GPU.
     *
     * @param detail what was looked for
     * @param remedy what the operator can do
     */
    public record Missing(String detail, String remedy) implements Lookup {}

    /** The headers that declare argument blocks, in the order in which they build on each other. */
    static final List<String> HEADERS = List.of("arguments.h", "matrix_arguments.h");

    /** Returns the layout of the kernels' arguments. */
    public static ArgumentBlocks argumentBlocks() {
        StringBuilder text = new StringBuilder();
        for (String name : HEADERS) {
            byte[] header = read(ROOT + name);
            if (header == null) {
                throw new IllegalStateException("resource " + ROOT + name + " is not packaged");
            }
            text.append(new String(header, StandardCharsets.UTF_8));
        }
        return ArgumentBlocks.parse(text.toString());
    }

    /**
     * Returns the kernels for a GPU: machine code of its architecture with its own instructions, machine code of an earlier minor version of
     * the same architecture, or PTX that the driver compiles.
     *
     * @param major of the compute capability
     * @param minor of the compute capability
     */
    public static Lookup forCapability(int major, int minor) {
        if (read(ROOT + "targets.txt") == null) {
            return new Missing(
                    "resource " + ROOT + "targets.txt is not packaged: no nvcc was there when heng-kernels was built",
                    "put nvcc of the CUDA toolkit 12.4 or later on the PATH and build again");
        }
        List<String> tried = targets(major, minor);
        for (String target : tried) {
            byte[] index = read(ROOT + target + "/modules.txt");
            if (index == null) {
                continue;
            }
            List<String> modules =
                    new String(index, StandardCharsets.UTF_8).lines().toList();
            List<Image> images = new ArrayList<>();
            for (String module : modules) {
                byte[] code = read(ROOT + target + "/" + module + (target.startsWith("sm_") ? ".cubin" : ".ptx"));
                if (code != null) {
                    images.add(new Image(module, target, target.startsWith("sm_") ? code : terminated(code)));
                }
            }
            if (images.size() == modules.size()) {
                return new Found(target, images);
            }
        }
        return new Missing(
                "there are no kernels for compute capability " + major + "." + minor + "; looked for "
                        + String.join(", ", tried),
                major < 8
                        ? "use a GPU of compute capability 8.0 (Ampere) or later"
                        : "build heng-kernels with HENG_CUDA_TARGETS='sm_" + major + minor + " compute_80'");
    }

    /** Returns the targets that run on a GPU, the best first. */
    static List<String> targets(int major, int minor) {
        List<String> targets = new ArrayList<>();
        targets.add("sm_" + major + minor + "a");
        for (int earlier = minor; earlier >= 0; earlier--) {
            targets.add("sm_" + major + earlier);
        }
        if (major >= 8) {
            targets.add("compute_80");
        }
        return List.copyOf(targets);
    }

    private static byte[] terminated(byte[] text) {
        return java.util.Arrays.copyOf(text, text.length + 1);
    }

    private static byte @Nullable [] read(String resource) {
        try (InputStream stream = CudaKernels.class.getResourceAsStream(resource)) {
            return stream == null ? null : stream.readAllBytes();
        } catch (IOException e) {
            throw new UncheckedIOException("resource " + resource + " cannot be read", e);
        }
    }
}
