package dev.heng.backend.ascend;

import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.heng.runtime.checkpoint.Checkpoint;
import dev.heng.runtime.engine.Engine;
import dev.heng.runtime.engine.EngineOptions;
import dev.heng.runtime.registry.BackendRegistry;
import dev.heng.runtime.registry.BackendWish;
import dev.heng.spi.BackendOptions;
import dev.heng.spi.tensor.DType;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * Checkpoints of goldens/ on the simulated A2 with float32 activations, against outputs that an implementation of others computed: each golden's own bound, 2e-5
 * (goldens/README.md). Quantised weights are widened, as the operator asks: the document's operators take no float32 activations.
 */
final class AscendGoldenTest {

    private static final double BOUND = 2e-5;
    private static final Path GOLDENS = Path.of("..", "goldens");

    @TempDir
    private Path folder;

    /** W8A8 needs the vendor's rounding of activations, which takes F16 and BF16 only: the conformance suite's chains have it. */
    static List<Path> all() throws IOException {
        try (Stream<Path> entries = Files.list(GOLDENS)) {
            return entries.filter(entry -> Files.exists(entry.resolve("golden.safetensors")))
                    .filter(entry -> !entry.endsWith("deepseek-v3-tiny-w8a8"))
                    .sorted()
                    .toList();
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"deepseek-v3-tiny-int8", "deepseek-v3-tiny-int4-asymmetric", "deepseek-v3-tiny-fp8-ue8m0"})
    void quantisedWeightsGiveTheLogitsOfTransformers(String name) throws IOException {
        compare(GOLDENS.resolve(name));
    }

    @Tag("nightly")
    @ParameterizedTest
    @MethodSource("all")
    void logitsAreTransformers(Path golden) throws IOException {
        compare(golden);
    }

    private void compare(Path golden) throws IOException {
        Path out = folder.resolve("logits.safetensors");
        try (Checkpoint expected = Checkpoint.open(golden.resolve("golden.safetensors"))) {
            int tokens = Math.toIntExact(
                    expected.require("input_ids").shape().dim(-1).size());
            int[] ids = Arrays.stream(expected.require("input_ids").integers(), 0, tokens)
                    .mapToInt(Math::toIntExact)
                    .toArray();
            EngineOptions options = new EngineOptions(
                    golden,
                    BackendWish.parse("ascend"),
                    new BackendOptions(Map.of("widen", "f32")),
                    EngineOptions.Declined.ERROR,
                    DType.F32,
                    null,
                    false);
            Engine.writeLogits(BackendRegistry.discover(List.of()), options, ids, out, _ -> {});
            try (Checkpoint actual = Checkpoint.open(out)) {
                float[] got = actual.require("logits").floats();
                float[] wanted = Arrays.copyOf(expected.require("logits").floats(), got.length);
                double relative = relativeRms(got, wanted);
                assertTrue(relative <= BOUND, () -> golden + " is off by " + relative);
            }
        }
    }

    private static double relativeRms(float[] got, float[] wanted) {
        double difference = 0;
        double square = 0;
        for (int index = 0; index < got.length; index++) {
            double error = (double) got[index] - wanted[index];
            difference += error * error;
            square += (double) wanted[index] * wanted[index];
        }
        return Math.sqrt(difference / square);
    }
}
