package dev.heng.conformance.kill;

import dev.heng.conformance.faulty.Faults;
import dev.heng.conformance.run.Backends;
import dev.heng.conformance.suite.Suite;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;

/** The program of a fresh JVM that repeats kills from their printed id, case and seed. */
final class KillReplay {

    private KillReplay() {}

    /** Returns one line for each kill: fault, case, seed. */
    static String line(Kill kill, long seed) {
        return line(kill, kill.replay().replaceAll(".*--case '(.*)' --seed.*", "$1"), seed);
    }

    /** Returns the line of a kill by another case, such as the same one in a smaller shape. */
    static String line(Kill kill, String caseId, long seed) {
        return kill.fault().id() + "\t" + caseId + "\t" + seed;
    }

    /** Reads lines from the first file and writes the evidence of each into the second. */
    public static void main(String[] arguments) throws IOException {
        List<String> evidence = new ArrayList<>();
        for (String line : Files.readAllLines(Path.of(arguments[0]))) {
            String[] parts = line.split("\t", -1);
            KillRequest request =
                    new KillRequest("reference", "", parts[0], parts[1], Long.parseLong(parts[2]), 1, Duration.ZERO);
            KillReport report = KillScore.run(
                    Suite.standard(),
                    List.of(Faults.named(parts[0])),
                    request,
                    Backends::reference,
                    Backends::reference);
            evidence.add(report.kills().getFirst().evidence());
        }
        Files.write(Path.of(arguments[1]), evidence);
    }
}
