package dev.heng.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The command that judges backends: green, red and mistaken. */
final class ParityCommandTest {

    @Test
    void listNamesCasesAndRulesWithoutOne() {
        Command.Result result = Command.run("parity", "--list");
        assertEquals(0, result.code(), result.err());
        assertTrue(result.out().contains("smoke_ROUTE_004_choosesAndWeighs/v3/T=33/fill=NORMAL_SMALL_BIAS\n"));
        assertTrue(result.out().contains("untested_"));
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
    void mistakesEndInOneMessage() {
        for (String[] arguments : new String[][] {
            {"parity"},
            {"parity", "--backend", "reference", "--case", "no_such_case"},
            {"parity", "--backend", "reference", "--level", "nightly", "--case", "x"},
            {"parity", "--backend", "no-such-backend"},
        }) {
            Command.Result result = Command.run(arguments);
            assertEquals(2, result.code(), result.out() + result.err());
            assertTrue(result.err().startsWith("heng: "), result.err());
        }
    }
}
