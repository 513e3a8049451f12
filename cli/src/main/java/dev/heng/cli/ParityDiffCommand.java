package dev.heng.cli;

import dev.heng.conformance.report.ReportDiff;
import dev.heng.conformance.report.ReportDocument;
import java.nio.file.Path;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Parameters;

/** Compares two reports and names what became worse. */
@Command(
        name = "diff",
        description = "Compare two reports: name what became worse from BEFORE to AFTER.",
        footer = "Exit codes: 0 nothing became worse, 1 something did, 2 a mistake in the command.")
final class ParityDiffCommand implements Callable<Integer> {

    private final Streams streams;

    @Mixin
    StandardOptions standard = new StandardOptions();

    @Parameters(index = "0", paramLabel = "BEFORE", description = "A parity.json, its folder, or a zip of it.")
    Path before = Path.of("");

    @Parameters(index = "1", paramLabel = "AFTER", description = "Likewise.")
    Path after = Path.of("");

    ParityDiffCommand(Streams streams) {
        this.streams = streams;
    }

    @Override
    public Integer call() {
        ReportDiff diff = ReportDiff.of(ReportDocument.read(before), ReportDocument.read(after));
        streams.write(diff.text());
        return diff.regressions().isEmpty() ? ExitCodes.OK : ExitCodes.UNHEALTHY;
    }
}
