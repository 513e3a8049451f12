package dev.heng.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The command that measures, on the smallest shape. */
final class BenchCommandTest {

    private static Command.Result bench(String... arguments) {
        List<String> all = new ArrayList<>(List.of(
                "bench",
                "--backend",
                "cpu",
                "--shape",
                "poet",
                "--layers",
                "2",
                "--prompt",
                "8",
                "--tokens",
                "2",
                "--repeat",
                "1",
                "--warmup",
                "0",
                "-O",
                "threads=1"));
        all.addAll(Arrays.asList(arguments));
        return Command.run(all.toArray(String[]::new));
    }

    @Test
    void theTableGoesToStandardOutput() {
        Command.Result result = bench("--batch", "1,2");
        assertEquals(0, result.code(), result.err());
        assertEquals("", result.err());
        assertTrue(result.out().startsWith("shape poet, 2 of 5 layers, weights bf16"), result.out());
        assertEquals(
                3,
                result.out().lines().filter(line -> line.startsWith("cpu:0  ")).count(),
                result.out());
        assertTrue(result.out().contains("ceiling fp8 rate: not measured\n"), result.out());
    }

    @Test
    void reportAndPlotGoToFiles(@TempDir Path folder) throws IOException {
        Path report = folder.resolve("report.json");
        Path plot = folder.resolve("speed.svg");
        Command.Result result = bench(
                "--format",
                "json",
                "--output",
                report.toString(),
                "--plot",
                plot.toString(),
                "--context",
                "0,3",
                "--weights",
                "int4",
                "--compare",
                "reference");
        assertEquals(0, result.code(), result.err());
        assertEquals("", result.out());
        JsonNode json = new ObjectMapper().readTree(report.toFile());
        assertEquals("heng-bench-1", json.path("schema").textValue());
        assertEquals("int4", json.path("request").path("weights").textValue());
        assertEquals("reference:0", json.path("devices").path(1).path("address").textValue());
        assertTrue(Files.readString(plot).startsWith("<svg "));
        try (var files = Files.list(folder)) {
            assertEquals(2, files.count(), "something temporary was left");
        }
    }

    @Test
    void mistakesEndInOneMessage(@TempDir Path folder) {
        String missing = folder.resolve("no/such/file").toString();
        for (String[] arguments : new String[][] {
            {"--shape", "v9"},
            {"--shape", folder.toString()},
            {"--layers", "6"},
            {"--layers", "0"},
            {"--layers", "many"},
            {"--weights", "int3"},
            {"--experts-weights", "q4"},
            {"--head-weights", "int8"},
            {"--prompt", "-1"},
            {"--prompt", "8,"},
            {"--prompt", "none", "--context", "none"},
            {"--prompt", "4000"},
            {"--context", "1,x"},
            {"--batch", "0"},
            {"--tokens", "-2"},
            {"--repeat", "0"},
            {"--warmup", "-1"},
            {"--chunk", "0"},
            {"--sync", "never"},
            {"--format", "xml"},
            {"--output", missing},
            {"--output", folder.toString()},
            {"--plot", missing},
            {"--plot", folder.resolve("plot.svg").toString(), "--context", "none"},
            {"--backend", "no-such-backend"},
            {"--compare", "no-such-backend"},
            {"--compare-option", "threads=1"},
            {"-O", "no-such-option=1"},
            {"--activations", "F64"},
        }) {
            Command.Result result = bench(arguments);
            assertEquals(2, result.code(), String.join(" ", arguments) + ": " + result.out() + result.err());
            assertTrue(result.err().startsWith("heng: "), result.err());
            assertTrue(result.err().contains("\n  remedy: "), result.err());
            assertEquals(
                    1,
                    result.err()
                            .lines()
                            .filter(line -> line.startsWith("  remedy: "))
                            .count(),
                    result.err());
            assertEquals("", result.out());
        }
        assertFalse(Files.exists(Path.of(missing)));
    }
}
