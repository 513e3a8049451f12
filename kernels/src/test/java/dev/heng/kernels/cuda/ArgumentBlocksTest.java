package dev.heng.kernels.cuda;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The layout that Java reads from the kernels' header is the one that a compiler gives it. */
final class ArgumentBlocksTest {

    @TempDir
    Path folder = Path.of(".");

    @Test
    void agreesWithTheCompilerInEveryOffsetAndSize() throws IOException, InterruptedException {
        ArgumentBlocks blocks = CudaKernels.argumentBlocks();
        StringBuilder program = new StringBuilder(
                "#include <cstdio>\n#include <cstddef>\n#include \"arguments.h\"\n#include \"matrix_arguments.h\"\nint main() {\n");
        Map<String, Integer> expected = new LinkedHashMap<>();
        for (ArgumentBlocks.Block block : blocks.all()) {
            program.append("printf(\"%zu\\n\", sizeof(" + block.name() + "));\n");
            expected.put(block.name(), block.bytes());
            block.fields().forEach((field, at) -> {
                program.append("printf(\"%zu\\n\", offsetof(" + block.name() + ", " + field + "));\n");
                expected.put(block.name() + "." + field, at.offset());
            });
        }
        Files.writeString(folder.resolve("probe.cc"), program + "}\n");
        for (String header : CudaKernels.HEADERS) {
            Files.copy(Path.of("cuda/src", header), folder.resolve(header));
        }
        Assumptions.assumeTrue(compiles("c++", "-std=c++17", "-o", "probe", "probe.cc"), "no C++ compiler");
        Process probe = new ProcessBuilder(folder.resolve("probe").toString()).start();
        String[] lines = new String(probe.getInputStream().readAllBytes(), StandardCharsets.UTF_8).split("\n", -1);
        int line = 0;
        for (Map.Entry<String, Integer> entry : expected.entrySet()) {
            assertEquals(entry.getValue(), Integer.parseInt(lines[line++]), entry.getKey());
        }
        assertTrue(line > 300, "only " + line + " offsets were compared");
    }

    private boolean compiles(String... command) throws InterruptedException {
        try {
            Process compiler = new ProcessBuilder(command)
                    .directory(folder.toFile())
                    .inheritIO()
                    .start();
            assertTrue(compiler.waitFor(60, TimeUnit.SECONDS), "the compiler hangs");
            assertEquals(0, compiler.exitValue(), "the header must compile");
            return true;
        } catch (IOException absent) {
            return false;
        }
    }

    @Test
    void namesTheLineThatItDoesNotUnderstand() {
        IllegalArgumentException array = assertThrows(
                IllegalArgumentException.class, () -> ArgumentBlocks.parse("struct A {\n    int x[4];\n};\n"));
        assertTrue(String.valueOf(array.getMessage()).contains("line 2"), array.getMessage());
        IllegalArgumentException type = assertThrows(
                IllegalArgumentException.class, () -> ArgumentBlocks.parse("struct A {\n    Later x;\n};\n"));
        assertTrue(String.valueOf(type.getMessage()).contains("'Later'"), type.getMessage());
    }

    @Test
    void alignsAsCDoes() {
        ArgumentBlocks.Block block = ArgumentBlocks.parse(
                        "struct In {\n int a;\n double b;\n int c;\n};\nstruct Out {\n int x;\n In in;\n void* p;\n};\n")
                .block("Out");
        assertEquals(40, block.bytes());
        assertEquals(
                new ArgumentBlocks.Field(16, ArgumentBlocks.Kind.DOUBLE),
                block.fields().get("in.b"));
        assertEquals(
                new ArgumentBlocks.Field(32, ArgumentBlocks.Kind.POINTER),
                block.fields().get("p"));
    }

    @Test
    void prefersMachineCodeAndFallsBackToPtx() {
        assertEquals(java.util.List.of("sm_90a", "sm_90", "compute_80"), CudaKernels.targets(9, 0));
        assertEquals(
                java.util.List.of(
                        "sm_86a", "sm_86", "sm_85", "sm_84", "sm_83", "sm_82", "sm_81", "sm_80", "compute_80"),
                CudaKernels.targets(8, 6));
        assertEquals(
                java.util.List.of("sm_75a", "sm_75", "sm_74", "sm_73", "sm_72", "sm_71", "sm_70"),
                CudaKernels.targets(7, 5));
    }

    @Test
    void saysWhatIsMissingForAnOldGpu() {
        CudaKernels.Lookup lookup = CudaKernels.forCapability(7, 5);
        CudaKernels.Missing missing = (CudaKernels.Missing) lookup;
        assertTrue(!missing.remedy().isBlank() && !missing.detail().isBlank());
    }
}
