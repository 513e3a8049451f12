package dev.heng.conformance.run;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.heng.conformance.suite.ConformanceCase;
import dev.heng.conformance.suite.Level;
import dev.heng.conformance.suite.Suite;
import dev.heng.runtime.HengException;
import dev.heng.spi.DeviceInfo;
import java.net.URI;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.LocalDate;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** A waiver covers what it foresaw, and everything else about it is red. */
final class WaiversTest {

    private static final Suite SUITE = Suite.standard();
    private static final LocalDate TODAY = LocalDate.of(2026, 11, 25);
    private static final RunRequest REQUEST =
            RunRequest.of("acme", Level.SMOKE).onlyCases("smoke_ADD_001_roundsTheSumOnce/bf16/*");
    private static final List<ConformanceCase> CASES = REQUEST.select(SUITE.cases());
    private static final String FIRST = CASES.getFirst().id();

    /** A run in which the first case has this state and all others passed. */
    private static RunReport report(CaseState state) {
        List<CaseResult> results = new ArrayList<>();
        for (ConformanceCase one : CASES) {
            CaseState each = one.id().equals(FIRST) ? state : CaseState.PASS;
            results.add(new CaseResult(one, each, "because", List.of(), 1, REQUEST.replay(one)));
        }
        DeviceInfo device = new DeviceInfo("acme", 0, "Acme 1", 1, false, Map.of("driver", "2.5.1"));
        return new RunReport(
                REQUEST,
                device,
                "",
                results,
                List.of(),
                "",
                SuiteHash.current(),
                CASES.stream().map(ConformanceCase::id).toList(),
                List.of());
    }

    private static Waiver waiver(String id, String versions, LocalDate expires) {
        return new Waiver(
                id, "acme", "driver", new VersionRange(versions), URI.create("https://acme.example/7"), expires);
    }

    private static RunReport apply(CaseState state, Waiver... waivers) {
        return WaivedReport.of(report(state), new Waivers(List.of(waivers)), SUITE, TODAY);
    }

    private static void assertRed(String because, RunReport report) {
        assertFalse(report.isGreen());
        assertTrue(
                report.redReasons().stream().anyMatch(reason -> reason.contains(because)),
                () -> report.redReasons().toString());
    }

    @Test
    void aForeseenFailureIsWaivedAndTheRunIsGreen() {
        for (CaseState state :
                List.of(CaseState.FAIL, CaseState.ERROR, CaseState.TIMEOUT, CaseState.CRASH, CaseState.DECLINED)) {
            assertFalse(report(state).isGreen(), state + " of a mandatory case");
            RunReport waived = apply(state, waiver(FIRST, "[2.5,2.6)", TODAY));
            assertEquals(List.of(), waived.redReasons());
            assertEquals(CaseState.WAIVED, waived.results().getFirst().state());
            assertTrue(waived.results().getFirst().reason().contains("https://acme.example/7: " + state + ": because"));
        }
    }

    @Test
    void everythingElseIsRed() {
        assertRed("unexpected pass", apply(CaseState.PASS, waiver(FIRST, "[2.5,2.6)", TODAY)));
        assertRed("expired on 2026-11-24", apply(CaseState.FAIL, waiver(FIRST, "[2.5,2.6)", TODAY.minusDays(1))));
        assertRed("driver [2.0,2.5.1), which is 2.5.1", apply(CaseState.FAIL, waiver(FIRST, "[2.0,2.5.1)", TODAY)));
        assertRed("unknown case: no_such", apply(CaseState.PASS, waiver("no_such", "[2.5,2.6)", TODAY)));
        assertRed("shows no failure", apply(CaseState.UNTRUSTED, waiver(FIRST, "[2.5,2.6)", TODAY)));
        assertRed(
                "of which the device says nothing",
                apply(
                        CaseState.FAIL,
                        new Waiver(
                                FIRST,
                                "acme",
                                "firmware",
                                new VersionRange("[1,2]"),
                                URI.create("https://acme.example/7"),
                                TODAY)));
    }

    @Test
    void waiversOfOtherBackendsAreLeftAlone() {
        Waiver other = new Waiver(
                "no_such", "other", "driver", new VersionRange("[1,2]"), URI.create("https://acme.example/7"), TODAY);
        assertTrue(apply(CaseState.PASS, other).isGreen());
    }

    @Test
    void aDeclinedMandatoryCaseIsRedOnlyInAWholeLevel() {
        RunRequest whole = RunRequest.of("acme", Level.SMOKE);
        assertTrue(MandatoryCases.of(REQUEST, CASES).isEmpty());
        assertTrue(MandatoryCases.of(whole, whole.select(SUITE.cases())).contains(FIRST));
        assertRed("mandatory cases", report(CaseState.DECLINED));
    }

    @Test
    void rangesCompareNumbersAndNotText() {
        assertTrue(new VersionRange("[12.4,12.10)").contains("12.9"));
        assertTrue(new VersionRange("(1.0,2.0]").contains("2"));
        assertFalse(new VersionRange("(1.0,2.0]").contains("1.0.0"));
        assertTrue(new VersionRange("[535.104,535.200]").contains("535.129.03"));
        assertFalse(new VersionRange("[0,9]").contains("unknown"));
        for (String wrong : List.of("", "1.0", "[1.0,)", "[2,1]", "[a,b]", "[1,2")) {
            assertThrows(IllegalArgumentException.class, () -> new VersionRange(wrong), wrong);
        }
    }

    @Test
    void aFileIsReadOrRefusedWithItsMistake(@TempDir Path folder) throws Exception {
        String entry = "{\"case\":\"x\",\"backend\":\"acme\",\"library\":\"driver\",\"versions\":\"[1,2)\","
                + "\"issue\":\"https://acme.example/1\",\"expires\":\"2027-01-31\"}";
        Path file = folder.resolve("waivers.json");
        Files.writeString(file, "{\"format\":\"heng-waivers\",\"version\":1,\"waivers\":[" + entry + "]}");
        assertEquals(
                LocalDate.of(2027, 1, 31), Waivers.read(file).all().getFirst().expires());
        for (String[] mistake : new String[][] {
            {entry.replace("2027-01-31", "soon"), "soon"},
            {entry.replace("\"x\"", "\"x*\""), "x*"},
            {entry.replace("[1,2)", "[1,)"), "[1,)"},
            {entry.replace("\"library\":\"driver\",", ""), "has the fields"},
            {entry.replace("\"x\"", "7"), "'case' of waiver 0"},
            {entry.replace("https://acme.example/1", "none"), "no issue link"},
            {entry + "," + entry, "two waivers"},
            {"{", "no JSON"},
        }) {
            Files.writeString(file, "{\"format\":\"heng-waivers\",\"version\":1,\"waivers\":[" + mistake[0] + "]}");
            HengException failure = assertThrows(HengException.class, () -> Waivers.read(file), mistake[1]);
            assertTrue(failure.getMessage().contains(mistake[1]), failure.getMessage());
        }
        assertThrows(HengException.class, () -> Waivers.read(folder.resolve("missing")));
    }
}
