package dev.heng.conformance.report;

import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.SerializationFeature;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.heng.conformance.run.Environment;
import dev.heng.conformance.run.RunReport;
import dev.heng.conformance.run.Sha256;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;

/** Writes a run's reports into a folder; each file appears whole or not at all, and the manifest last. */
public final class ReportWriter {

    /** What a bundle holds beside its manifest. */
    static final List<String> FILES =
            List.of("parity.json", "parity.csv", "parity.md", "TEST-parity.xml", "parity.html", "parity.svg");

    private ReportWriter() {}

    /** Writes the reports of a run in this process without plug-ins; see {@link #write(RunReport, Environment, Path)}. */
    public static void write(RunReport report, Path folder) throws IOException {
        write(report, Environment.current(List.of()), folder);
    }

    /**
     * Writes {@code parity.json}, {@code parity.csv}, {@code parity.md}, {@code parity.html}, {@code parity.svg}, {@code TEST-parity.xml}
     * and {@code manifest.json} with the hash of each.
     *
     * @param environment where the run took place
     * @param folder is made if it is missing
     * @throws IOException if a file cannot be written; those already renamed stay, and the old manifest, if any, no longer fits them
     */
    public static void write(RunReport report, Environment environment, Path folder) throws IOException {
        Files.createDirectories(folder);
        ReportDocument document = JsonReport.of(report, environment);
        Map<String, String> files = new TreeMap<>();
        files.put("parity.json", document.json());
        files.put("parity.csv", TextReports.csv(report));
        files.put("parity.md", TextReports.markdown(report, document));
        files.put("TEST-parity.xml", TextReports.junit(report));
        files.put("parity.html", HtmlReport.of(List.of(document)));
        files.put("parity.svg", BadgeReport.of(document));
        ObjectMapper mapper = new ObjectMapper().enable(SerializationFeature.INDENT_OUTPUT);
        ObjectNode manifest = mapper.createObjectNode();
        manifest.put("format", BundleCheck.MANIFEST_FORMAT).put("version", 1).put("suite_hash", report.suiteHash());
        ObjectNode hashes = manifest.putObject("files");
        for (Map.Entry<String, String> file : files.entrySet()) {
            put(folder, file.getKey(), file.getValue());
            hashes.put(file.getKey(), Sha256.of(file.getValue().getBytes(StandardCharsets.UTF_8)));
        }
        put(folder, BundleCheck.MANIFEST, mapper.writeValueAsString(manifest) + "\n");
    }

    /**
     * Writes one page that shows several reports side by side.
     *
     * @throws IOException if the file cannot be written; then there is none
     */
    public static void writePage(List<ReportDocument> documents, Path file) throws IOException {
        Path folder = file.toAbsolutePath().getParent();
        if (folder == null || file.getFileName() == null) {
            throw new IOException(file + " names no file");
        }
        Files.createDirectories(folder);
        put(folder, file.getFileName().toString(), HtmlReport.of(documents));
    }

    private static void put(Path folder, String name, String text) throws IOException {
        // Not createTempFile, whose files only their owner may read: reports are published.
        Path partial = folder.resolve("." + name + ".part");
        try {
            Files.writeString(partial, text, StandardCharsets.UTF_8);
            Files.move(partial, folder.resolve(name), StandardCopyOption.REPLACE_EXISTING);
        } finally {
            Files.deleteIfExists(partial);
        }
    }
}
