package dev.heng.conformance.report;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import dev.heng.conformance.run.Backends;
import dev.heng.conformance.run.Environment;
import dev.heng.conformance.run.ParityRun;
import dev.heng.conformance.run.RunReport;
import dev.heng.conformance.run.RunRequest;
import dev.heng.conformance.suite.Level;
import dev.heng.conformance.suite.Suite;
import dev.heng.spi.DeviceInfo;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.stream.Stream;
import javax.xml.parsers.DocumentBuilderFactory;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.w3c.dom.Document;

/** Reports are well-formed, complete, and say what the run found. */
final class ReportWriterTest {

    private static RunReport run(String cases) {
        return ParityRun.run(
                Suite.standard(),
                RunRequest.of("reference", Level.SMOKE).onlyCases(cases),
                Backends::reference,
                Backends::reference);
    }

    private static Document xml(Path file) throws Exception {
        return DocumentBuilderFactory.newInstance().newDocumentBuilder().parse(file.toFile());
    }

    @Test
    void allFormatsAreWrittenAndNothingElseIsLeft(@TempDir Path folder) throws Exception {
        RunReport report = run("smoke_ADD_001_*");
        ReportWriter.write(report, folder.resolve("made"));
        try (Stream<Path> files = Files.list(folder.resolve("made"))) {
            assertEquals(7, files.count());
        }
        JsonNode json =
                new ObjectMapper().readTree(folder.resolve("made/parity.json").toFile());
        assertEquals(1, json.get("version").intValue());
        assertTrue(json.get("green").booleanValue());
        assertEquals(report.results().size(), json.get("cases").size());
        Document suite = xml(folder.resolve("made/TEST-parity.xml"));
        assertEquals(
                report.results().size() + 1,
                suite.getElementsByTagName("testcase").getLength());
        String page = Files.readString(folder.resolve("made/parity.html"));
        assertTrue(page.contains("算子") && page.contains("heng parity --backend reference --case"));
        assertFalse(page.contains("http"), "the page loads something");
        assertEquals(
                report.results().size() + 1,
                Files.readAllLines(folder.resolve("made/parity.csv")).size());
    }

    @Test
    void aRunOfNothingIsRedInEveryFormat(@TempDir Path folder) throws Exception {
        ReportWriter.write(run("no<such>case"), folder);
        assertFalse(new ObjectMapper()
                .readTree(folder.resolve("parity.json").toFile())
                .get("green")
                .booleanValue());
        assertEquals(
                1,
                xml(folder.resolve("TEST-parity.xml"))
                        .getElementsByTagName("failure")
                        .getLength());
        assertTrue(Files.readString(folder.resolve("parity.md")).contains("**RED**"));
        assertTrue(Files.readString(folder.resolve("parity.html")).contains("no&lt;such&gt;case"));
    }

    @Test
    void aSimulatedDeviceIsCalledOneInTheTitle() {
        RunReport real = run("smoke_ADD_001_followsIeeeAtTheEdges/f32");
        DeviceInfo device = Objects.requireNonNull(real.device());
        RunReport simulated = new RunReport(
                real.request(),
                new DeviceInfo(device.backend(), 0, device.name(), 1, true, Map.of()),
                real.profile(),
                real.results(),
                real.untested(),
                "",
                real.suiteHash(),
                real.mandatory(),
                real.problems());
        assertTrue(TextReports.title(simulated).contains("SIMULATED"));
        assertTrue(HtmlReport.of(List.of(JsonReport.of(simulated, Environment.current(List.of()))))
                .contains("模拟"));
        assertFalse(TextReports.title(real).contains("SIMULATED"));
    }
}
