package dev.heng.backend.cuda.device;

import dev.heng.backend.cuda.binding.Nvrtc;
import dev.heng.kernels.cuda.CudaKernels;
import dev.heng.kernels.cuda.CudaSources;
import dev.heng.spi.BackendException;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;

/**
 * Compiles the kernels by NVRTC for a GPU whose machine code was not built, and keeps them on disk: under {@code $XDG_CACHE_HOME/heng/cuda} or {@code ~/.cache/heng/cuda}, by the
 * digest of source, options and compiler version, so that a new compiler or a changed kernel is another file. Threading: safe for use by several threads.
 */
public final class KernelCompiler {

    /** The library, as it is looked for. */
    public static final ToolkitLibrary LIBRARY =
            new ToolkitLibrary("nvrtc", "cuda_nvrtc", List.of(".13", ".12"), "heng.cuda.nvrtc");

    /** Lines of a compiler's log that a message quotes. */
    private static final int QUOTED = 6;

    private final String version;
    private final Path cache;

    private KernelCompiler(String version, Path cache) {
        this.version = version;
        this.cache = cache;
    }

    private static final class Holder {
        static final ToolkitLibrary.Loading LOADING = LIBRARY.load(Nvrtc::register);
    }

    /** Returns whether there is a compiler, and if not what was tried. Loads it on the first call. */
    public static ToolkitLibrary.Loading library() {
        return Holder.LOADING;
    }

    /**
     * Returns the compiler.
     *
     * @throws BackendException with LIBRARY if there is none, naming where it was looked for
     */
    public static KernelCompiler open() {
        return switch (library()) {
            case ToolkitLibrary.Missing missing ->
                throw BackendException.of(BackendException.Code.LIBRARY, missing.detail(), missing.remedy());
            case ToolkitLibrary.Loaded _ -> {
                try (Arena arena = Arena.ofConfined()) {
                    MemorySegment out = arena.allocate(ValueLayout.JAVA_INT, 2);
                    check(Nvrtc.nvrtcVersion(out.address(), out.address() + 4), "nvrtcVersion");
                    String version =
                            out.getAtIndex(ValueLayout.JAVA_INT, 0) + "." + out.getAtIndex(ValueLayout.JAVA_INT, 1);
                    yield new KernelCompiler(version, folder(System.getenv()));
                }
            }
        };
    }

    static Path folder(Map<String, String> environment) {
        String chosen = environment.get("XDG_CACHE_HOME");
        Path base = chosen == null || chosen.isBlank()
                ? Path.of(System.getProperty("user.home", "."), ".cache")
                : Path.of(chosen);
        return base.resolve("heng").resolve("cuda");
    }

    /** Returns what kernels for a compute capability are compiled for: Hopper has instructions of its own. */
    public static String target(int major, int minor) {
        return "sm_" + major + minor + (major == 9 && minor == 0 ? "a" : "");
    }

    /**
     * Compiles all modules that are not kept yet, several at a time: minutes the first time, on Hopper above all.
     *
     * @throws BackendException with LIBRARY, quoting the compiler's log, if one does not compile
     */
    public CudaKernels.Found compile(String target) {
        List<CudaKernels.Image> images = CudaSources.units(target).parallelStream()
                .map(unit -> new CudaKernels.Image(unit.name(), target, code(unit, target)))
                .toList();
        return new CudaKernels.Found(target + " by NVRTC " + version, images);
    }

    private byte[] code(CudaSources.Unit unit, String target) {
        List<String> options = List.of("--gpu-architecture=" + target, "--std=c++17", "-default-device");
        Path kept = cache.resolve(unit.name() + "-" + digest(unit.text(), options) + ".cubin");
        try {
            if (Files.isRegularFile(kept)) {
                return Files.readAllBytes(kept);
            }
            byte[] code = compile(unit, options);
            Files.createDirectories(cache);
            Path beside = Files.createTempFile(cache, unit.name(), ".new");
            try {
                Files.write(beside, code);
                Files.move(beside, kept, StandardCopyOption.ATOMIC_MOVE);
            } finally {
                Files.deleteIfExists(beside);
            }
            return code;
        } catch (IOException e) {
            throw BackendException.of(
                    BackendException.Code.LIBRARY,
                    "compiled kernels cannot be kept in " + cache + ": " + e,
                    "make the folder writable, or set XDG_CACHE_HOME to one that is",
                    e);
        }
    }

    private String digest(String text, List<String> options) {
        try {
            MessageDigest digest = MessageDigest.getInstance("SHA-256");
            digest.update((version + options).getBytes(StandardCharsets.UTF_8));
            digest.update(text.getBytes(StandardCharsets.UTF_8));
            return HexFormat.of().formatHex(digest.digest(), 0, 16);
        } catch (NoSuchAlgorithmException e) {
            throw new IllegalStateException("every Java has SHA-256", e);
        }
    }

    private byte[] compile(CudaSources.Unit unit, List<String> options) {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment out = arena.allocate(ValueLayout.JAVA_LONG);
            check(
                    Nvrtc.nvrtcCreateProgram(
                            out.address(),
                            arena.allocateFrom(unit.text()).address(),
                            arena.allocateFrom(unit.name() + ".cu").address(),
                            0,
                            0,
                            0),
                    "nvrtcCreateProgram");
            long program = out.get(ValueLayout.JAVA_LONG, 0);
            try {
                MemorySegment texts = arena.allocate(ValueLayout.JAVA_LONG, options.size());
                for (int index = 0; index < options.size(); index++) {
                    texts.setAtIndex(
                            ValueLayout.JAVA_LONG,
                            index,
                            arena.allocateFrom(options.get(index)).address());
                }
                int status = Nvrtc.nvrtcCompileProgram(program, options.size(), texts.address());
                if (status != 0) {
                    throw BackendException.of(
                            BackendException.Code.LIBRARY,
                            "NVRTC " + version + " does not compile module '" + unit.name() + "' with " + options
                                    + " (status " + status + "): " + log(program, arena, out),
                            "build heng-kernels with nvcc of CUDA 12.4 or later on the PATH, and report this message");
                }
                check(Nvrtc.nvrtcGetCUBINSize(program, out.address()), "nvrtcGetCUBINSize");
                MemorySegment code = arena.allocate(out.get(ValueLayout.JAVA_LONG, 0), 16);
                check(Nvrtc.nvrtcGetCUBIN(program, code.address()), "nvrtcGetCUBIN");
                return code.toArray(ValueLayout.JAVA_BYTE);
            } finally {
                out.set(ValueLayout.JAVA_LONG, 0, program);
                Nvrtc.nvrtcDestroyProgram(out.address());
            }
        }
    }

    private static String log(long program, Arena arena, MemorySegment out) {
        check(Nvrtc.nvrtcGetProgramLogSize(program, out.address()), "nvrtcGetProgramLogSize");
        MemorySegment text = arena.allocate(Math.max(1, out.get(ValueLayout.JAVA_LONG, 0)));
        check(Nvrtc.nvrtcGetProgramLog(program, text.address()), "nvrtcGetProgramLog");
        return String.join(
                "; ",
                text.getString(0)
                        .lines()
                        .filter(line -> !line.isBlank())
                        .limit(QUOTED)
                        .toList());
    }

    private static void check(int status, String function) {
        if (status != 0) {
            throw BackendException.ofNative(
                    BackendException.Code.LIBRARY,
                    "cuda",
                    function,
                    status,
                    "NVRTC refused",
                    "check that libnvrtc and libnvrtc-builtins are of one version, or build heng-kernels with nvcc");
        }
    }
}
