package dev.heng.cli;

import dev.heng.conformance.report.ReportDocument;
import dev.heng.conformance.report.ReportWriter;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** Puts reports of several backends side by side. */
@Command(name = "page", description = "Write one HTML page that shows reports of several backends side by side.")
final class ParityPageCommand implements Callable<Integer> {

    private final Streams streams;

    @Mixin
    StandardOptions standard = new StandardOptions();

    @Parameters(
            arity = "1..*",
            paramLabel = "REPORT",
            description = "A parity.json, its folder, or a zip of it; one column each.")
    List<Path> reports = new ArrayList<>();

    @Option(names = "--out", required = true, paramLabel = "FILE", description = "The page.")
    Path out = Path.of("");

    ParityPageCommand(Streams streams) {
        this.streams = streams;
    }

    @Override
    public Integer call() throws IOException {
        List<ReportDocument> documents =
                reports.stream().map(ReportDocument::read).toList();
        ReportWriter.writePage(documents, out);
        streams.write("wrote " + out + "\n");
        return ExitCodes.OK;
    }
}
