package dev.heng.runtime.bench;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import dev.heng.runtime.HengException;
import dev.heng.runtime.bench.BenchReport.Device;
import dev.heng.runtime.bench.BenchReport.Result;
import dev.heng.runtime.config.ModelConfig;
import dev.heng.runtime.registry.BackendRegistry;
import dev.heng.runtime.registry.BackendWish;
import dev.heng.runtime.tokenizer.RepositoryFiles;
import dev.heng.spi.BackendOptions;
import dev.heng.spi.Ceiling;
import dev.heng.spi.tensor.DType;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** Whole runs on a tiny shape. Times are not judged; what is reported about them is. */
class BenchTest {

    private static final BenchRequest.Work WORK =
            new BenchRequest.Work(List.of(5), 3, List.of(0, 70), List.of(1, 3), 4, BenchRequest.Sync.TOKEN);

    private static ModelConfig tiny() {
        return ModelConfig.read(RepositoryFiles.of("goldens/deepseek-v3-tiny"));
    }

    private static BenchRequest.Target target(String backend, Map<String, String> settings) {
        return new BenchRequest.Target(BackendWish.parse(backend), new BackendOptions(settings));
    }

    private static BenchRequest request(WeightFormats formats, BenchRequest.Work work, BenchRequest.Target... targets) {
        return new BenchRequest(
                "tiny", tiny(), 2, formats, DType.F32, work, new BenchRequest.Rounds(1, 2, 9, true), List.of(targets));
    }

    private static BenchReport run(BenchRequest request) {
        return Bench.run(BackendRegistry.discover(List.of()), request, Map.of("heng", "test"), _ -> {});
    }

    private static JsonNode json(BenchReport report) {
        try {
            return new ObjectMapper().readTree(ReportFormat.JSON.render(report));
        } catch (com.fasterxml.jackson.core.JsonProcessingException e) {
            throw new AssertionError(e);
        }
    }

    @Test
    void everyMeasurementOnEveryDeviceIsReported() {
        List<String> progress = new ArrayList<>();
        BenchReport report = Bench.run(
                BackendRegistry.discover(List.of()),
                request(
                        WeightFormats.of(WeightFormat.BF16),
                        WORK,
                        // A level without a dot-product instruction, whatever the machine has.
                        target("cpu", Map.of("threads", "1", "level", "scalar")),
                        target("reference", Map.of())),
                Map.of("heng", "test"),
                progress::add);
        // Two loads, then three rounds of five measurements on two devices.
        assertEquals(2 + 3 * 5 * 2, progress.size());
        assertEquals(2, report.devices().size());
        for (Device device : report.devices()) {
            assertEquals(
                    WORK.measurements(),
                    device.results().stream().map(Result::measurement).toList());
            for (Result result : device.results()) {
                assertEquals(2, result.tokensPerSecond().samples().size());
                assertTrue(result.tokensPerSecond().minimum() > 0);
                int steps = result.measurement() instanceof Measurement.Decode ? 4 : 1;
                assertEquals(2 * steps, result.stepSeconds().samples().size());
            }
        }
        Device cpu = report.devices().getFirst();
        Device reference = report.devices().getLast();
        assertTrue(cpu.ceiling(Ceiling.Kind.F32_RATE).isPresent());
        assertEquals(
                2,
                cpu.ceiling(Ceiling.Kind.F32_RATE)
                        .orElseThrow()
                        .values()
                        .samples()
                        .size());
        assertTrue(reference.ceilings().isEmpty());
        for (Result result : reference.results()) {
            assertNull(result.readShare());
            assertNull(result.peakShare());
            assertNotNull(result.ratio());
        }
        assertNull(cpu.results().getFirst().ratio());
        assertEquals(Ceiling.Kind.F32_RATE, cpu.results().getFirst().peak());
    }

    @Test
    void theThreeFormsSayTheSame() {
        BenchReport report = run(request(WeightFormats.of(WeightFormat.BF16), WORK, target("reference", Map.of())));
        String table = ReportFormat.TABLE.render(report);
        assertTrue(table.contains("ceiling read bandwidth: not measured\n"), table);
        assertTrue(
                table.contains(
                        "shape tiny, 2 of 3 layers, weights bf16, experts bf16, head bf16, activations F32, seed 9"),
                table);
        assertFalse(table.contains("SIMULATED"), table);

        JsonNode json = json(report);
        assertEquals("heng-bench-1", json.path("schema").textValue());
        assertFalse(json.path("simulated").booleanValue());
        for (String fact :
                List.of("heng", "date", "processor", "processors", "memoryBytes", "system", "java", "loadAverage")) {
            assertFalse(json.path("environment").path(fact).asText().isEmpty(), fact);
        }
        JsonNode device = json.path("devices").path(0);
        assertEquals("reference:0", device.path("address").textValue());
        assertEquals(5, device.path("results").size());
        JsonNode decode = device.path("results").path(4);
        assertEquals("decode", decode.path("measured").textValue());
        assertEquals(3, decode.path("batch").intValue());
        assertEquals(70, decode.path("context").intValue());
        assertEquals(2, decode.path("tokensPerSecond").path("samples").size());
        assertTrue(decode.path("shareOfReadBandwidth").isNull());
        assertTrue(decode.path("weightBytesPerStep").doubleValue() > 0);

        List<String> lines = ReportFormat.CSV.render(report).lines().toList();
        assertEquals(6, lines.size());
        assertEquals(String.join(",", ReportCsv.COLUMNS), lines.getFirst());
        for (String line : lines) {
            assertEquals(ReportCsv.COLUMNS.size(), line.split(",", -1).length, line);
        }
        String[] last = lines.getLast().split(",", -1);
        assertEquals("decode", last[ReportCsv.COLUMNS.indexOf("measured")]);
        assertEquals(
                decode.path("tokensPerSecond").path("median").doubleValue(),
                Double.parseDouble(last[ReportCsv.COLUMNS.indexOf("tokens_per_second_median")]));
        assertEquals("", last[ReportCsv.COLUMNS.indexOf("share_of_read_bandwidth")]);
    }

    @ParameterizedTest
    @EnumSource(WeightFormat.class)
    void everyFormatRuns(WeightFormat format) {
        BenchReport report = run(new BenchRequest(
                "tiny",
                tiny(),
                2,
                new WeightFormats(format, format, format),
                DType.F32,
                new BenchRequest.Work(List.of(4), 4, List.of(3), List.of(2), 2, BenchRequest.Sync.END),
                new BenchRequest.Rounds(0, 1, 1, false),
                List.of(target("cpu", Map.of("threads", "1")))));
        assertTrue(report.devices().getFirst().ceilings().isEmpty());
        for (Result result : report.devices().getFirst().results()) {
            assertTrue(Double.isFinite(result.tokensPerSecond().median()));
        }
    }

    @Test
    void whatIsWrongIsNamed() {
        assertMistake(
                "--tokens is 0",
                () -> new BenchRequest.Work(List.of(), 1, List.of(0), List.of(1), 0, BenchRequest.Sync.END));
        assertMistake(
                "--batch is -1",
                () -> new BenchRequest.Work(List.of(), 1, List.of(0), List.of(-1), 1, BenchRequest.Sync.END));
        assertMistake(
                "--context is -5",
                () -> new BenchRequest.Work(List.of(), 1, List.of(-5), List.of(1), 1, BenchRequest.Sync.END));
        assertMistake(
                "--prompt is 0",
                () -> new BenchRequest.Work(List.of(0), 1, List.of(), List.of(), 1, BenchRequest.Sync.END));
        assertMistake(
                "--chunk is 0",
                () -> new BenchRequest.Work(List.of(1), 0, List.of(), List.of(), 1, BenchRequest.Sync.END));
        assertMistake(
                "neither prompts",
                () -> new BenchRequest.Work(List.of(), 1, List.of(1), List.of(), 1, BenchRequest.Sync.END));
        assertMistake("--repeat is 0", () -> new BenchRequest.Rounds(0, 0, 1, true));
        assertMistake("--warmup is -1", () -> new BenchRequest.Rounds(-1, 1, 1, true));
        assertMistake("there is no shape 'v9'", () -> NamedShape.configOf("v9"));
        assertMistake("--weights is 'int3'", () -> WeightFormat.parse("--weights", "int3"));
        assertMistake(
                "longer than the 163840",
                () -> new BenchRequest(
                        "v2-lite",
                        NamedShape.V2_LITE.config(),
                        1,
                        WeightFormats.of(WeightFormat.BF16),
                        DType.F32,
                        new BenchRequest.Work(List.of(), 1, List.of(163_839), List.of(1), 1, BenchRequest.Sync.END),
                        new BenchRequest.Rounds(0, 1, 1, false),
                        List.of(target("cpu", Map.of()))));
        assertMistake(
                "uses its embedding table as head",
                () -> new BenchRequest(
                        "poet",
                        NamedShape.POET.config(),
                        1,
                        new WeightFormats(WeightFormat.BF16, WeightFormat.BF16, WeightFormat.INT4),
                        DType.F32,
                        WORK,
                        new BenchRequest.Rounds(0, 1, 1, false),
                        List.of(target("cpu", Map.of()))));
    }

    @Test
    void aModelThatDoesNotFitIsRefusedBeforeAnythingIsAllocated() {
        long before = ProcessMemory.resident();
        HengException refused = assertThrows(
                HengException.class,
                () -> run(new BenchRequest(
                        "v3",
                        NamedShape.V3.config(),
                        61,
                        WeightFormats.of(WeightFormat.F32),
                        DType.F32,
                        WORK,
                        new BenchRequest.Rounds(0, 1, 1, false),
                        List.of(target("cpu", Map.of())))));
        assertTrue(
                refused.getMessage().contains("the model needs 2499.8 GiB: weights 2499.8 GiB + caches "),
                refused.getMessage());
        assertTrue(ProcessMemory.resident() - before < 512L << 20);
    }

    @Test
    void aDeviceThatDeclinesIsNamedWithTheNode() {
        BenchRequest doubles = new BenchRequest(
                "tiny",
                tiny(),
                1,
                WeightFormats.of(WeightFormat.F32),
                DType.F64,
                WORK,
                new BenchRequest.Rounds(0, 1, 1, false),
                List.of(target("cpu", Map.of())));
        assertMistake("device cpu:0 declines node 'embed_tokens' (Embed)", () -> run(doubles));
    }

    private static void assertMistake(String expected, org.junit.jupiter.api.function.Executable mistaken) {
        HengException mistake = assertThrows(HengException.class, mistaken);
        assertTrue(mistake.getMessage().contains(expected), mistake.getMessage());
        assertFalse(mistake.remedy().isEmpty());
    }
}
