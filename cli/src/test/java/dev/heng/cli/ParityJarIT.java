package dev.heng.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.heng.conformance.report.ReportDocument;
import dev.heng.conformance.run.SuiteHash;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The executable jar, started as on a device host: nothing but Java and the file. Runs after packaging. */
final class ParityJarIT {

    private static final Path JAR = Path.of("target", "heng-parity.jar").toAbsolutePath();

    /** Runs the jar in an empty folder; returns what it printed, the exit code in front. */
    private static String run(Path folder, String... arguments) throws Exception {
        List<String> command = new ArrayList<>(
                List.of(Path.of(System.getProperty("java.home"), "bin", "java").toString(), "-jar", JAR.toString()));
        command.addAll(List.of(arguments));
        Path out = folder.resolve("out.txt");
        Process process = new ProcessBuilder(command)
                .directory(folder.toFile())
                .redirectErrorStream(true)
                .redirectOutput(out.toFile())
                .start();
        assertTrue(process.waitFor(120, TimeUnit.SECONDS), "the jar hangs");
        return process.exitValue() + "\n" + Files.readString(out, StandardCharsets.UTF_8);
    }

    @Test
    void oneFileJudgesABackend(@TempDir Path folder) throws Exception {
        for (String backend : List.of("reference", "cpu")) {
            String printed = run(folder, "--backend", backend, "--case", "smoke_ADD_001_*", "--report", backend);
            assertTrue(printed.startsWith("0\n"), printed);
            assertTrue(printed.endsWith("GREEN\n"), printed);
        }
        ReportDocument report = ReportDocument.read(folder.resolve("cpu"));
        assertTrue(report.cases().getFirst().replay().startsWith("java -jar heng-parity.jar --backend cpu --case"));
        // The same judges as in the module, though packed with everything else.
        assertEquals(SuiteHash.current(), report.environment().suiteHash());
        assertTrue(run(folder, "diff", "reference", "cpu").contains("0 regressions"));
    }

    @Test
    void mistakesEndInOneMessage(@TempDir Path folder) throws Exception {
        String printed = run(folder, "--backend", "no-such-backend");
        assertTrue(printed.startsWith("2\nheng: there is no backend 'no-such-backend'"), printed);
    }
}
