package dev.heng.runtime.generate;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.heng.runtime.HengException;
import dev.heng.runtime.family.GraphOptions;
import dev.heng.runtime.tokenizer.RepositoryFiles;
import dev.heng.spi.tensor.DType;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

class LogitsRunTest {

    @TempDir
    private Path folder;

    private static Path golden() {
        return RepositoryFiles.of("goldens/deepseek-v3-tiny-yarn");
    }

    private static TestModel model(DType activations, int chunk) {
        return TestModel.load(golden(), GraphOptions.inspection(activations), RunLimits.inspection(40, chunk));
    }

    /** Bounds: F32 and F64 as the goldens'; half precisions are only meant to be near, their parity is the conformance suite's. */
    @ParameterizedTest
    @EnumSource(
            value = DType.class,
            names = {"F64", "F32", "F16", "BF16"})
    void theFileHoldsLogitsAndHiddenStatesInF32(DType activations) throws IOException {
        Path file = folder.resolve("out.safetensors");
        try (Golden golden = new Golden(golden().resolve("golden.safetensors"))) {
            int[] ids = golden.ids("input_ids", 0);
            try (TestModel model = model(activations, 7)) {
                new LogitsRun(model.compiled()).write(ids, file);
            }
            double bound = activations == DType.F32 || activations == DType.F64 ? 2e-5 : 0.1;
            try (Golden written = new Golden(file)) {
                assertArrayEquals(ids, written.ids("tokens", 0));
                for (String name : new String[] {"logits", "hidden_states.0", "hidden_states.1", "hidden_states.3"}) {
                    float[] values = written.floats(name);
                    float[] expected = Arrays.copyOf(golden.floats(name), values.length);
                    assertEquals(40, written.dim(name, 0));
                    double error = Golden.relativeRms(values, expected);
                    assertTrue(error <= bound, () -> name + " is off by " + error);
                }
                assertFalse(written.has("hidden_states.4"));
            }
        }
        try (Stream<Path> left = Files.list(folder)) {
            assertEquals(1, left.count());
        }
    }

    @Test
    void tokensThatCannotBeComputedLeaveNoFile() throws IOException {
        Path file = folder.resolve("out.safetensors");
        try (TestModel model = model(DType.F32, 7)) {
            LogitsRun run = new LogitsRun(model.compiled());
            assertThrows(HengException.class, () -> run.write(new int[0], file));
            assertThrows(HengException.class, () -> run.write(new int[41], file));
            HengException refused = assertThrows(HengException.class, () -> run.write(new int[] {1, 2, 384}, file));
            assertTrue(refused.getMessage().contains("token 2 has the id 384"), refused.getMessage());
            assertThrows(
                    HengException.class,
                    () -> run.write(new int[] {1}, folder.resolve("missing").resolve("out.safetensors")));
        }
        try (Stream<Path> left = Files.list(folder)) {
            assertEquals(0, left.count());
        }
    }

    @Test
    void aGraphWithoutLogitsIsRefused() {
        try (TestModel model =
                TestModel.load(golden(), GraphOptions.generation(DType.F32), RunLimits.generation(8, 8))) {
            assertThrows(IllegalArgumentException.class, () -> new LogitsRun(model.compiled()));
        }
    }
}
