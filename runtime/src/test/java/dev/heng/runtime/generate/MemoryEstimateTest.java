package dev.heng.runtime.generate;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.heng.runtime.HengException;
import dev.heng.runtime.checkpoint.ActivationRounding;
import dev.heng.runtime.checkpoint.Checkpoint;
import dev.heng.runtime.checkpoint.WeightCatalog;
import dev.heng.runtime.config.ModelConfig;
import dev.heng.runtime.family.GraphOptions;
import dev.heng.runtime.family.ModelGraph;
import dev.heng.runtime.tokenizer.RepositoryFiles;
import dev.heng.spi.Backend;
import dev.heng.spi.BackendOptions;
import dev.heng.spi.graph.Graph;
import dev.heng.spi.tensor.DType;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class MemoryEstimateTest {

    /** The estimate of the weights is the bytes of the tensors in the file, but for {@code weight_shape}, which no device sees. */
    @ParameterizedTest
    @ValueSource(
            strings = {
                "deepseek-v3-tiny",
                "deepseek-v3-tiny-fp8",
                "deepseek-v3-tiny-int8",
                "deepseek-v3-tiny-int4",
                "deepseek-v3-tiny-int4-asymmetric",
                "deepseek-v3-tiny-f16",
                "deepseek-v3-tiny-f32",
                "glm4-moe-tiny"
            })
    void weightsAreCountedAsStored(String golden) {
        Path folder = RepositoryFiles.of("goldens/" + golden);
        ModelConfig config = ModelConfig.read(folder);
        try (Checkpoint checkpoint = Checkpoint.open(folder)) {
            Graph graph = ModelGraph.of(
                    config,
                    new WeightCatalog(checkpoint, config, ActivationRounding.NONE),
                    GraphOptions.generation(DType.F32));
            long stored = checkpoint.names().stream()
                    .filter(name -> !name.endsWith(".weight_shape"))
                    .mapToLong(name -> checkpoint.require(name).data().byteSize())
                    .sum();
            Map<String, Long> maxima = RunLimits.generation(64, 64).maxima(GraphOptions.DEFAULT_PAGE_SIZE);
            assertEquals(stored, MemoryEstimate.of(graph, maxima).weights());
        }
    }

    @Test
    void cachesAreTheLatentWidthTimesPositions() {
        Path folder = RepositoryFiles.of("goldens/deepseek-v3-tiny");
        ModelConfig config = ModelConfig.read(folder);
        try (Checkpoint checkpoint = Checkpoint.open(folder)) {
            Graph graph = ModelGraph.of(
                    config,
                    new WeightCatalog(checkpoint, config, ActivationRounding.NONE),
                    GraphOptions.generation(DType.BF16));
            // Three layers of 32 + 16 elements; 100 positions take two pages of 64.
            assertEquals(
                    3 * 48 * 2 * 128,
                    MemoryEstimate.of(graph, RunLimits.generation(100, 8).maxima(64))
                            .caches());
        }
    }

    @Test
    void aModelThatDoesNotFitIsRefusedWithTheArithmetic() {
        BackendOptions limited = new BackendOptions(Map.of("memory", "1000000"));
        try (Backend backend = TestModel.reference(limited)) {
            HengException refused = assertThrows(
                    HengException.class,
                    () -> TestModel.load(
                            RepositoryFiles.of("goldens/deepseek-v3-tiny"),
                            GraphOptions.generation(DType.F32),
                            RunLimits.generation(64, 64),
                            backend));
            String message = refused.getMessage();
            assertTrue(
                    message.startsWith(
                            "device reference:0 has 1000000 B free of 1000000 B, but the model needs 1.5 MiB:"
                                    + " weights 1.3 MiB + caches 36864 B + inputs and outputs "),
                    message);
        }
    }

    /** Files in the page cache, of which a mapped checkpoint makes many, do not count as taken. */
    @Test
    void theReferenceCountsCachedFilesAsFree() throws IOException {
        Path meminfo = Path.of("/proc/meminfo");
        Assumptions.assumeTrue(Files.exists(meminfo), "not Linux");
        long available = Files.readAllLines(meminfo).stream()
                .filter(line -> line.startsWith("MemAvailable:"))
                .mapToLong(line -> Long.parseLong(line.replaceAll("\\D", "")) * 1024)
                .findFirst()
                .orElseThrow();
        try (Backend backend = TestModel.reference()) {
            Backend.MemoryInfo memory = backend.memory();
            assertTrue(memory.freeBytes() <= memory.totalBytes());
            // Other programs allocate meanwhile; half of it is far from both.
            assertTrue(memory.freeBytes() >= Math.min(available, memory.totalBytes()) / 2, memory.toString());
        }
    }
}
