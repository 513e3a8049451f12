package dev.heng.conformance.report;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.heng.conformance.run.CaseResult;
import dev.heng.conformance.run.CaseState;
import dev.heng.conformance.run.Environment;
import dev.heng.conformance.run.MandatoryCases;
import dev.heng.conformance.run.RunReport;
import dev.heng.conformance.run.RunRequest;
import dev.heng.conformance.suite.ConformanceCase;
import dev.heng.conformance.suite.Level;
import dev.heng.conformance.suite.Suite;
import dev.heng.runtime.HengException;
import dev.heng.spi.DeviceInfo;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import java.util.zip.ZipEntry;
import java.util.zip.ZipOutputStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Bundles are whole or said not to be; differences are named. Reports here are made, not run: what is checked is the paper. */
final class BundleTest {

    private static final Suite SUITE = Suite.standard();
    private static final RunRequest WHOLE = RunRequest.of("acme", Level.SMOKE);

    /** A report of the whole smoke level in which the case number {@code special} has this state, and all others passed. */
    private static RunReport report(int special, CaseState state) {
        List<CaseResult> results = new ArrayList<>();
        for (ConformanceCase one : WHOLE.select(SUITE.cases())) {
            CaseState each = results.size() == special ? state : CaseState.PASS;
            results.add(new CaseResult(
                    one, each, each == CaseState.PASS ? "" : "because", List.of(), 1, WHOLE.replay(one)));
        }
        return RunReport.of(
                SUITE,
                WHOLE,
                new DeviceInfo("acme", 0, "Acme 1", 1, false, Map.of("driver", "2")),
                "profile",
                results,
                "");
    }

    private static int firstOf(String dtype) {
        List<ConformanceCase> selected = WHOLE.select(SUITE.cases());
        for (int index = 0; index < selected.size(); index++) {
            if (selected.get(index).dtype().equals(dtype)) {
                return index;
            }
        }
        throw new AssertionError("no case of " + dtype);
    }

    private static int firstMandatory() {
        List<ConformanceCase> selected = WHOLE.select(SUITE.cases());
        for (int index = 0; index < selected.size(); index++) {
            if (MandatoryCases.contains(selected.get(index))) {
                return index;
            }
        }
        throw new AssertionError("no case is mandatory");
    }

    private static Path written(Path folder, RunReport report) throws Exception {
        ReportWriter.write(report, Environment.current(List.of()), folder);
        return folder;
    }

    private static void assertProblem(String part, Path bundle) {
        List<String> problems = BundleCheck.of(bundle).problems();
        assertTrue(problems.stream().anyMatch(problem -> problem.contains(part)), problems::toString);
    }

    @Test
    void aWholeReportIsVerifiedFromItsFolderAndFromAZip(@TempDir Path folder) throws Exception {
        Path bundle = written(folder.resolve("report"), report(-1, CaseState.PASS));
        assertEquals(List.of(), BundleCheck.of(bundle).problems());
        Path zip = folder.resolve("report.zip");
        try (ZipOutputStream out = new ZipOutputStream(Files.newOutputStream(zip));
                Stream<Path> files = Files.list(bundle)) {
            for (Path file : files.toList()) {
                out.putNextEntry(new ZipEntry("report/" + file.getFileName()));
                out.write(Files.readAllBytes(file));
            }
        }
        assertEquals(List.of(), BundleCheck.of(zip).problems());
    }

    @Test
    void everyKindOfTamperingIsNamed(@TempDir Path folder) throws Exception {
        Path bundle = written(folder, report(firstMandatory(), CaseState.DECLINED));
        assertProblem("mandatory case is DECLINED", bundle);
        Path json = bundle.resolve("parity.json");
        String text = Files.readString(json);
        Files.writeString(json, text.replaceFirst("DECLINED\",", "PASS\","));
        assertProblem("parity.json was changed", bundle);
        assertProblem("counts", bundle);
        edited(json, text, tree -> tree.put("green", true));
        assertProblem("green is true with", bundle);
        edited(json, text, tree -> tree.withArray("cases").remove(3));
        assertProblem("case is missing", bundle);
        edited(json, text, tree -> ((ObjectNode) tree.get("environment")).put("suite_hash", "0".repeat(64)));
        assertProblem("verify it with the Heng that wrote it", bundle);
        edited(json, text, tree -> tree.remove("counts"));
        assertProblem("$ lacks 'counts'", bundle);
        Files.writeString(json, text);
        Files.writeString(bundle.resolve("extra.txt"), "x");
        assertProblem("extra.txt is not listed", bundle);
        Files.delete(bundle.resolve("parity.csv"));
        assertProblem("parity.csv is missing", bundle);
        Files.delete(bundle.resolve("manifest.json"));
        assertProblem("manifest.json is missing", bundle);
    }

    private interface Edit {
        void apply(ObjectNode tree);
    }

    private static void edited(Path json, String text, Edit edit) throws Exception {
        ObjectNode tree = (ObjectNode) new ObjectMapper().readTree(text);
        edit.apply(tree);
        Files.writeString(json, tree.toString());
    }

    @Test
    void aDifferenceNamesWhatBecameWorse(@TempDir Path folder) throws Exception {
        ReportDocument sound = ReportDocument.read(written(folder.resolve("a"), report(-1, CaseState.PASS)));
        ReportDocument failing =
                ReportDocument.read(written(folder.resolve("b"), report(firstOf("f32"), CaseState.FAIL)));
        ReportDiff worse = ReportDiff.of(sound, failing);
        assertEquals(2, worse.regressions().size(), worse.text());
        assertTrue(worse.text().contains("PASS to FAIL: smoke_"), worse.text());
        assertEquals(1, ReportDiff.of(failing, sound).improvements().size());
        assertEquals(List.of(), ReportDiff.of(failing, sound).regressions());
        assertEquals(List.of(), ReportDiff.of(sound, sound).regressions());

        JsonNode tree =
                new ObjectMapper().readTree(folder.resolve("b/parity.json").toFile());
        String gone = tree.get("cases").get(5).get("id").asText();
        edited(
                folder.resolve("b/parity.json"),
                sound.json(),
                one -> one.withArray("cases").remove(5));
        ReportDiff vanished = ReportDiff.of(sound, ReportDocument.read(folder.resolve("b")));
        assertEquals(List.of("vanished, was PASS: " + gone), vanished.regressions());
        edited(
                folder.resolve("b/parity.json"),
                sound.json(),
                one -> ((ObjectNode) one.withArray("cases").get(5)).put("worst_ratio", 0.6));
        ReportDiff larger = ReportDiff.of(sound, ReportDocument.read(folder.resolve("b")));
        assertEquals(List.of("error/bound 0.00 to 0.600: " + gone), larger.regressions());
    }

    @Test
    void whatIsNoReportEndsInOneMessage(@TempDir Path folder) throws Exception {
        assertThrows(HengException.class, () -> ReportDocument.read(folder.resolve("missing")));
        assertThrows(HengException.class, () -> ReportDocument.read(folder));
        Files.writeString(folder.resolve("parity.json"), "{\"format\":\"heng-parity\"}");
        HengException failure = assertThrows(HengException.class, () -> ReportDocument.read(folder));
        assertTrue(failure.getMessage().contains("lacks 'version'"), failure.getMessage());
    }

    @Test
    void theSchemaIsHeldAndNothingInItIsIgnored() throws Exception {
        ObjectMapper mapper = new ObjectMapper();
        ReportDocument document = JsonReport.of(report(1, CaseState.FAIL), Environment.current(List.of()));
        assertEquals(List.of(), SchemaCheck.parity().faults(mapper.readTree(document.json())));
        assertNotNull(ReportDocument.parse(
                document.json().getBytes(java.nio.charset.StandardCharsets.UTF_8), new ArrayList<>()));
        for (String[] wrong : new String[][] {
            {"\"state\" : \"PASS\"", "\"state\" : \"FINE\"", ".state"},
            {"\"milliseconds\" : 1", "\"milliseconds\" : -1", "less than"},
            {"\"milliseconds\" : 1", "\"milliseconds\" : \"1\"", "not integer"},
            {"\"id\" : \"smoke_", "\"id\" : \"smoky_", "does not match"},
            {"\"worst_ratio\" : 0.0", "\"worst_ratio\" : \"large\"", "or"},
        }) {
            String text = document.json().replace(wrong[0], wrong[1]);
            List<String> faults = SchemaCheck.parity().faults(mapper.readTree(text));
            assertFalse(faults.isEmpty(), wrong[1]);
            assertTrue(faults.getFirst().contains(wrong[2]), faults::toString);
        }
        assertThrows(IllegalArgumentException.class, () -> SchemaCheck.of(mapper.readTree("{\"maxLength\": 3}")));
    }
}
