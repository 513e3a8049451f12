package dev.heng.conformance.report;

import dev.heng.conformance.run.RunReport;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;

/** Writes a run's reports into a folder; each file appears whole or not at all. */
public final class ReportWriter {

    private ReportWriter() {}

    /**
     * Writes {@code parity.json}, {@code parity.csv}, {@code parity.md}, {@code parity.html} and {@code TEST-parity.xml}.
     *
     * @param folder is made if it is missing
     * @throws IOException if a file cannot be written; those already renamed stay
     */
    public static void write(RunReport report, Path folder) throws IOException {
        Files.createDirectories(folder);
        put(folder, "parity.json", JsonReport.of(report));
        put(folder, "parity.csv", TextReports.csv(report));
        put(folder, "parity.md", TextReports.markdown(report));
        put(folder, "TEST-parity.xml", TextReports.junit(report));
        put(folder, "parity.html", HtmlReport.of(report));
    }

    private static void put(Path folder, String name, String text) throws IOException {
        Path partial = Files.createTempFile(folder, name, ".part");
        try {
            Files.writeString(partial, text, StandardCharsets.UTF_8);
            Files.move(partial, folder.resolve(name), StandardCopyOption.REPLACE_EXISTING);
        } finally {
            Files.deleteIfExists(partial);
        }
    }
}
