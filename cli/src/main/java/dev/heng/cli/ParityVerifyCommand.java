package dev.heng.cli;

import dev.heng.conformance.report.BundleCheck;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Parameters;

/** Checks a report that somebody sent. */
@Command(
        name = "verify",
        description = "Check a report's files, form, totals and mandatory cases against this build's suite.",
        footer = "Exit codes: 0 whole and conforming, 1 not, 2 a mistake in the command.")
final class ParityVerifyCommand implements Callable<Integer> {

    private final Streams streams;

    @Mixin
    StandardOptions standard = new StandardOptions();

    @Parameters(index = "0", paramLabel = "BUNDLE", description = "A report's folder, or a zip of it.")
    Path bundle = Path.of("");

    ParityVerifyCommand(Streams streams) {
        this.streams = streams;
    }

    @Override
    public Integer call() {
        BundleCheck check = BundleCheck.of(bundle);
        List<String> problems = check.problems();
        problems.forEach(problem -> streams.write("PROBLEM " + problem + "\n"));
        streams.write(check.summary() + "\n");
        streams.write(problems.isEmpty() ? "VERIFIED\n" : "NOT VERIFIED\n");
        return problems.isEmpty() ? ExitCodes.OK : ExitCodes.UNHEALTHY;
    }
}
