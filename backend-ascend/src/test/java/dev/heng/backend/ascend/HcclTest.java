package dev.heng.backend.ascend;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.heng.runtime.checkpoint.Checkpoint;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Ranks as processes, each with a simulated device, over simulated HCCL. */
final class HcclTest {

    /** As AscendGoldenTest: a golden's own bound. */
    private static final double BOUND = 2e-5;

    @TempDir
    private Path folder;

    private void launch(int size, String task) throws IOException, InterruptedException {
        List<Process> ranks = new ArrayList<>();
        List<Path> logs = new ArrayList<>();
        try {
            for (int rank = 0; rank < size; rank++) {
                Path log = folder.resolve("log." + rank);
                logs.add(log);
                // Small machines: a rank is a little heap and one compiler thread.
                ranks.add(new ProcessBuilder(
                                Path.of(System.getProperty("java.home"), "bin", "java")
                                        .toString(),
                                "-Xmx96m",
                                "-XX:+UseSerialGC",
                                "-XX:TieredStopAtLevel=1",
                                "--enable-native-access=ALL-UNNAMED",
                                "-cp",
                                System.getProperty("java.class.path"),
                                HcclRank.class.getName(),
                                Integer.toString(rank),
                                Integer.toString(size),
                                folder.toString(),
                                task)
                        .redirectErrorStream(true)
                        .redirectOutput(log.toFile())
                        .start());
            }
            for (int rank = 0; rank < size; rank++) {
                assertTrue(ranks.get(rank).waitFor(120, TimeUnit.SECONDS), "rank " + rank + " hangs");
                assertEquals(0, ranks.get(rank).exitValue(), Files.readString(logs.get(rank)));
            }
        } finally {
            ranks.forEach(Process::destroyForcibly);
        }
    }

    @ParameterizedTest
    @ValueSource(ints = {2, 4})
    void collectivesOfProcesses(int size) throws Exception {
        launch(size, "collectives");
    }

    @Tag("nightly")
    @ParameterizedTest
    @ValueSource(ints = {8})
    void collectivesOfManyProcesses(int size) throws Exception {
        launch(size, "collectives");
    }

    @ParameterizedTest
    @ValueSource(ints = {2, 4})
    void aModelSharedAmongProcessesGivesTheLogitsOfOneDevice(int size) throws Exception {
        Path golden = Path.of("..", "goldens", "deepseek-v3-tiny").toRealPath();
        launch(size, golden.toString());
        float[] first = logits(0);
        for (int rank = 1; rank < size; rank++) {
            assertArrayEquals(first, logits(rank), "rank " + rank);
        }
        try (Checkpoint expected = Checkpoint.open(golden.resolve("golden.safetensors"))) {
            float[] wanted = Arrays.copyOf(expected.require("logits").floats(), first.length);
            double difference = 0;
            double square = 0;
            for (int index = 0; index < wanted.length; index++) {
                double error = (double) first[index] - wanted[index];
                difference += error * error;
                square += (double) wanted[index] * wanted[index];
            }
            double relative = Math.sqrt(difference / square);
            assertTrue(relative <= BOUND, () -> size + " ranks are off by " + relative);
        }
    }

    private float[] logits(int rank) throws IOException {
        return MemorySegment.ofArray(Files.readAllBytes(folder.resolve("logits." + rank)))
                .toArray(ValueLayout.JAVA_FLOAT_UNALIGNED);
    }
}
