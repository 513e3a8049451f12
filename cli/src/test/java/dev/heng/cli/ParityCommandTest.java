package dev.heng.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The command that judges backends: green, red and mistaken. */
final class ParityCommandTest {

    @Test
    void listNamesCasesAndEveryRuleHasOne() {
        Command.Result result = Command.run("parity", "--list");
        assertEquals(0, result.code(), result.err());
        assertTrue(result.out().contains("smoke_ROUTE_004_choosesAndWeighs/v3/T=33/fill=NORMAL_SMALL_BIAS\n"));
        assertFalse(result.out().contains("untested_"), "a rule of docs/ops.md has no case");
    }

    @Test
    void aGreenRunWritesItsReport(@TempDir Path folder) {
        Command.Result result = Command.run(
                "parity",
                "--backend",
                "reference",
                "--case",
                "smoke_ADD_001_followsIeeeAtTheEdges/*",
                "--seed",
                "7",
                "--report",
                folder.toString());
        assertEquals(0, result.code(), result.out() + result.err());
        assertTrue(result.out().endsWith("GREEN\n"));
        assertTrue(Files.exists(folder.resolve("parity.html")));
    }

    @Test
    void casesRunInAProcessOfTheirOwnOrInThisOne(@TempDir Path folder) {
        String[] common = {"parity", "--backend", "reference", "--case", "smoke_ADD_001_followsIeeeAtTheEdges/*"};
        Command.Result apart =
                Command.run(with(common, "--report", folder.resolve("apart").toString()));
        Command.Result here = Command.run(
                with(common, "--in-process", "--report", folder.resolve("here").toString()));
        assertEquals(0, apart.code(), apart.out() + apart.err());
        assertEquals(0, here.code(), here.out() + here.err());
        Command.Result diff = Command.run(
                "parity",
                "diff",
                folder.resolve("apart").toString(),
                folder.resolve("here").toString());
        assertEquals(0, diff.code(), diff.out() + diff.err());
        assertTrue(diff.out().contains("0 regressions"), diff.out());
    }

    private static String[] with(String[] common, String... more) {
        String[] all = java.util.Arrays.copyOf(common, common.length + more.length);
        System.arraycopy(more, 0, all, common.length, more.length);
        return all;
    }

    @Test
    void diffNamesRegressionsAndVerifyNamesProblems(@TempDir Path folder) throws Exception {
        Command.Result run = Command.run(
                "parity",
                "--in-process",
                "--backend",
                "reference",
                "--case",
                "smoke_ADD_001_followsIeeeAtTheEdges/*",
                "--report",
                folder.resolve("old").toString());
        assertEquals(0, run.code(), run.out() + run.err());
        Command.Result verify =
                Command.run("parity", "verify", folder.resolve("old").toString());
        assertEquals(1, verify.code());
        assertTrue(verify.out().contains("PROBLEM the report is of single cases"), verify.out());
        assertTrue(verify.out().endsWith("NOT VERIFIED\n"), verify.out());
        Files.createDirectories(folder.resolve("new"));
        Files.writeString(
                folder.resolve("new/parity.json"),
                Files.readString(folder.resolve("old/parity.json"))
                        .replaceFirst("\"state\" : \"PASS\"", "\"state\" : \"CRASH\""));
        Command.Result diff = Command.run(
                "parity",
                "diff",
                folder.resolve("old").toString(),
                folder.resolve("new").toString());
        assertEquals(1, diff.code(), diff.out());
        assertTrue(diff.out().contains("REGRESSION PASS to CRASH: smoke_ADD_001"), diff.out());
        Path page = folder.resolve("pages/both.html");
        Command.Result side = Command.run(
                "parity",
                "page",
                folder.resolve("old").toString(),
                folder.resolve("new").toString(),
                "--out",
                page.toString());
        assertEquals(0, side.code(), side.err());
        assertTrue(Files.readString(page).contains("Parity of 2 backends"));
    }

    @Test
    void mistakesEndInOneMessage() {
        for (String[] arguments : new String[][] {
            {"parity"},
            {"parity", "--backend", "reference", "--case", "no_such_case"},
            {"parity", "--backend", "reference", "--level", "nightly", "--case", "x"},
            {"parity", "--backend", "no-such-backend"},
            {"parity", "--backend", "reference", "--limit", "0"},
            {"parity", "--backend", "reference", "--case", "smoke_ADD_001_*", "--waivers", "no-such-file"},
            {"parity", "diff", "no-such-report", "no-such-report"},
            {"parity", "verify", "no-such-report"},
            {"parity", "page", "no-such-report", "--out", "x.html"},
        }) {
            Command.Result result = Command.run(arguments);
            assertEquals(2, result.code(), result.out() + result.err());
            assertTrue(result.err().startsWith("heng: "), result.err());
        }
    }
}
