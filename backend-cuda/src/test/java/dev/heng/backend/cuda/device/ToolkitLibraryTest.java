package dev.heng.backend.cuda.device;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Where libraries are looked for, in which order, and what is said when there is none. */
final class ToolkitLibraryTest {

    private static final ToolkitLibrary LIBRARY =
            new ToolkitLibrary("hengNowhere", "cublas", List.of(".13", ".12"), "heng.test.nowhere");

    @TempDir
    Path folder = Path.of(".");

    private Path file(String name) throws IOException {
        Path file = folder.resolve(name);
        Files.createDirectories(file.resolveSibling("x").getParent());
        return Files.writeString(file, "");
    }

    @Test
    void looksIntoWheelsThenAsksTheLoaderThenTheToolkit() throws IOException {
        Path newer = file("venv/lib/python3.12/site-packages/nvidia/cu13/lib/libhengNowhere.so.13");
        Path older = file("venv/lib/python3.12/site-packages/nvidia/cublas/lib/libhengNowhere.so.12");
        Path toolkit = file("cuda/lib64/libhengNowhere.so.12");
        Path python = file("other/bin/python3");
        assertTrue(python.toFile().setExecutable(true));
        Path beside = file("other/lib/python3.11/site-packages/nvidia/cublas/lib/libhengNowhere.so.12");
        Map<String, String> environment = Map.of(
                "VIRTUAL_ENV",
                folder.resolve("venv").toString(),
                "PATH",
                folder.resolve("other/bin").toString(),
                "CUDA_HOME",
                folder.resolve("cuda").toString());
        assertEquals(
                List.of(
                        newer.toString(),
                        older.toString(),
                        beside.toString(),
                        "libhengNowhere.so.13",
                        "libhengNowhere.so.12",
                        toolkit.toString()),
                LIBRARY.candidates(null, environment));
        assertEquals(List.of("/chosen.so"), LIBRARY.candidates("/chosen.so", environment));
    }

    @Test
    void saysWhatWasTriedAndWhatHelps() {
        ToolkitLibrary.Loading loading = LIBRARY.load(name -> {
            throw new UnsatisfiedLinkError(name + " is not there");
        });
        ToolkitLibrary.Missing missing = (ToolkitLibrary.Missing) loading;
        assertTrue(missing.detail().contains("libhengNowhere.so.13 is not there"), missing.detail());
        assertTrue(missing.remedy().contains("-Dheng.test.nowhere"), missing.remedy());
    }

    @Test
    void takesTheFirstThatBinds() {
        assertEquals(new ToolkitLibrary.Loaded("libhengNowhere.so.12"), LIBRARY.load(name -> {
            if (!name.endsWith(".12")) {
                throw new UnsatisfiedLinkError(name);
            }
        }));
    }

    @Test
    void keepsKernelsWhereCachesBelong() {
        assertEquals(Path.of("/c/heng/cuda"), KernelCompiler.folder(Map.of("XDG_CACHE_HOME", "/c")));
        assertTrue(KernelCompiler.folder(Map.of()).endsWith(Path.of(".cache", "heng", "cuda")));
        assertEquals("sm_90a", KernelCompiler.target(9, 0));
        assertEquals("sm_86", KernelCompiler.target(8, 6));
    }
}
