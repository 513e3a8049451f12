package dev.heng.conformance.kill;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.heng.conformance.faulty.Fault;
import dev.heng.conformance.faulty.Faults;
import dev.heng.conformance.faulty.RunFault;
import dev.heng.conformance.run.Backends;
import dev.heng.conformance.run.CaseResult;
import dev.heng.conformance.suite.Suite;
import dev.heng.runtime.HengException;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Objects;
import java.util.Set;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The suite finds what is planted, and each kill repeats bit for bit in a fresh JVM from what was printed. */
final class KillScoreTest {

    private static KillReport score(List<Fault> faults) {
        return KillScore.run(
                Suite.standard(), faults, KillRequest.all("reference"), Backends::reference, Backends::reference);
    }

    /** Returns the first fault of each family and of each rule that a family breaks. */
    private static List<Fault> representatives() {
        Set<String> seen = new HashSet<>();
        List<Fault> some = new ArrayList<>();
        for (Fault fault : Faults.all()) {
            if (seen.add(fault.family() + " " + fault.rule())) {
                some.add(fault);
            }
        }
        return some;
    }

    @Test
    void aFaultOfEachFamilyAndRuleIsFoundAndRepeatsInAFreshJvm(@TempDir Path folder)
            throws IOException, InterruptedException {
        List<Fault> some = representatives();
        assertTrue(some.size() >= 80, some.size() + " representatives");
        killAndReplay(some, folder);
    }

    @Test
    @Tag("nightly")
    void everyFaultIsFoundOrExplainedAndRepeatsInAFreshJvm(@TempDir Path folder)
            throws IOException, InterruptedException {
        killAndReplay(Faults.all(), folder);
    }

    private static void killAndReplay(List<Fault> faults, Path folder) throws IOException, InterruptedException {
        KillReport report = score(faults);
        assertEquals(List.of(), report.unexplained());
        assertTrue(report.score() >= 0.98, () -> report.survivors().toString());
        List<String> lines = new ArrayList<>();
        List<String> evidence = new ArrayList<>();
        int shrunk = 0;
        for (Kill kill : report.kills()) {
            if (kill.isKilled()) {
                lines.add(KillReplay.line(kill, report.request().seed()));
                evidence.add(kill.evidence());
                CaseResult smallest = kill.smallest();
                if (smallest != null
                        && !smallest.subject()
                                .equals(Objects.requireNonNull(kill.killer()).subject())) {
                    lines.add(KillReplay.line(
                            kill, smallest.subject().id(), report.request().seed()));
                    evidence.add(Kill.evidence(smallest));
                    shrunk++;
                }
            }
        }
        // Four kills in ten are experiments, refusals and runs over all numbers of a type, which have one shape.
        assertTrue(
                3 * shrunk > report.kills().size(),
                shrunk + " of " + report.kills().size() + " kills shrank");
        Path input = Files.write(folder.resolve("kills.tsv"), lines);
        Path output = folder.resolve("evidence.txt");
        Path log = folder.resolve("log.txt");
        Process child = new ProcessBuilder(
                        Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                        "--enable-native-access=ALL-UNNAMED",
                        "--add-modules",
                        "jdk.incubator.vector",
                        "-cp",
                        System.getProperty("java.class.path"),
                        KillReplay.class.getName(),
                        input.toString(),
                        output.toString())
                .redirectErrorStream(true)
                .redirectOutput(log.toFile())
                .start();
        try {
            assertTrue(child.waitFor(5, TimeUnit.MINUTES), "the replay does not end");
            assertEquals(0, child.exitValue(), Files.readString(log));
        } finally {
            child.destroyForcibly();
        }
        List<String> again = Files.readAllLines(output);
        assertEquals(lines.size(), again.size());
        List<String> differing = new ArrayList<>();
        for (int index = 0; index < lines.size(); index++) {
            if (!evidence.get(index).equals(again.get(index))) {
                differing.add(lines.get(index) + ": " + evidence.get(index) + " became " + again.get(index));
            }
        }
        assertEquals(List.of(), differing);
    }

    @Test
    void aHarmlessFaultSurvivesAndTheReportSaysSoInEveryForm(@TempDir Path folder) throws IOException {
        Fault none = new RunFault("harmless/nothing", "Does nothing wrong.", "ADD-001") {};
        KillRequest request = new KillRequest("reference", "", "", "smoke_ADD_001_*", 7, 1, Duration.ZERO);
        KillReport report =
                KillScore.run(Suite.standard(), List.of(none), request, Backends::reference, Backends::reference);
        assertEquals(List.of(none), report.unexplained());
        assertEquals(0, report.score());
        KillReportWriter.write(report, folder);
        assertTrue(Files.readString(folder.resolve("kill-score.md")).contains("Not explained: a case is missing."));
        assertTrue(Files.readString(folder.resolve("kill-score.json")).contains("\"killed\" : 0"));
        assertTrue(
                Files.readString(folder.resolve("kill-score.csv")).contains("harmless/nothing,harmless,ADD-001,false"));
        assertTrue(KillReportWriter.summary(report).contains("SURVIVED harmless/nothing"));
    }

    @Test
    void casesThatDoNotPassWithoutAFaultFindNothing() {
        KillRequest request = new KillRequest("reference", "", "", "no_such_case", 7, 1, Duration.ZERO);
        HengException refused = assertThrows(
                HengException.class,
                () -> KillScore.run(Suite.standard(), Faults.all(), request, Backends::reference, Backends::reference));
        assertTrue(String.valueOf(refused.getMessage()).contains("no case passes"));
    }
}
