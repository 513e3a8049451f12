package dev.heng.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.heng.runtime.checkpoint.Checkpoint;
import dev.heng.runtime.checkpoint.StoredTensor;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** What {@code heng logits} writes, against outputs that an implementation of others computed: each golden's own bound, 2e-5 (goldens/README.md). */
final class LogitsGoldenTest {

    private static final double BOUND = 2e-5;

    @TempDir
    Path folder;

    @Test
    void everyGoldenComesOutOfTheCommand() throws IOException {
        List<Path> goldens;
        try (Stream<Path> all = Files.list(Poet.home().resolve("goldens"))) {
            goldens = all.filter(path -> Files.exists(path.resolve("golden.safetensors")))
                    .sorted()
                    .toList();
        }
        assertTrue(goldens.size() >= 28, goldens.toString());
        List<String> off = new ArrayList<>();
        for (Path golden : goldens) {
            compare(golden, off);
        }
        assertEquals(List.of(), off);
    }

    private void compare(Path golden, List<String> off) throws IOException {
        Path out = folder.resolve(golden.getFileName() + ".safetensors");
        try (Checkpoint expected = Checkpoint.open(golden.resolve("golden.safetensors"))) {
            StoredTensor input = expected.require("input_ids");
            int tokens = Math.toIntExact(input.shape().dim(-1).size());
            Path ids = folder.resolve("ids.json");
            Files.writeString(ids, Arrays.toString(Arrays.copyOf(input.integers(), tokens)));
            Command.Result result = Command.run(
                    "logits",
                    "-b",
                    "reference",
                    "-m",
                    golden.toString(),
                    "--tokens",
                    ids.toString(),
                    "--out",
                    out.toString());
            assertEquals(0, result.code(), result.err());
            try (Checkpoint actual = Checkpoint.open(out)) {
                for (int layer = 0; expected.find("hidden_states." + layer) != null; layer++) {
                    compare(golden, "hidden_states." + layer, expected, actual, off);
                }
                compare(golden, "logits", expected, actual, off);
            }
        }
    }

    private static void compare(Path golden, String name, Checkpoint expected, Checkpoint actual, List<String> off) {
        float[] got = actual.require(name).floats();
        float[] wanted = Arrays.copyOf(expected.require(name).floats(), got.length);
        double difference = 0;
        double square = 0;
        for (int index = 0; index < got.length; index++) {
            double error = (double) got[index] - wanted[index];
            difference += error * error;
            square += (double) wanted[index] * wanted[index];
        }
        double relative = Math.sqrt(difference / square);
        if (!(relative <= BOUND)) {
            off.add(golden.getFileName() + " " + name + ": relative RMS error " + relative);
        }
    }
}
