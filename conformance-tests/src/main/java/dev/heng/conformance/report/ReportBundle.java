package dev.heng.conformance.report;

import dev.heng.runtime.HengException;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.stream.Stream;
import java.util.zip.ZipEntry;
import java.util.zip.ZipInputStream;

/**
 * The files of a report, from a folder, from a zip (at its root or in its one folder), or a single {@code parity.json}.
 *
 * @param files content by name, without folders
 */
record ReportBundle(Map<String, byte[]> files) {

    /** More than the largest report by far; a zip from elsewhere may be built to fill memory. */
    private static final int MOST_BYTES = 256 << 20;

    private static final int MOST_FILES = 64;

    /**
     * Reads a bundle.
     *
     * @throws HengException if there is none, or it is too large
     */
    static ReportBundle read(Path path) {
        try {
            if (Files.isDirectory(path)) {
                return folder(path);
            }
            if (!Files.isRegularFile(path)) {
                throw new HengException(
                        "there is no report at " + path, "name what --report wrote: its folder, parity.json, or a zip");
            }
            return path.toString().endsWith(".zip")
                    ? zip(path)
                    : new ReportBundle(Map.of("parity.json", Files.readAllBytes(path)));
        } catch (IOException e) {
            throw new HengException("cannot read " + path + ": " + e.getMessage(), "name a readable report", e);
        }
    }

    private static ReportBundle folder(Path path) throws IOException {
        Map<String, byte[]> files = new TreeMap<>();
        try (Stream<Path> all = Files.list(path)) {
            List<Path> regular = all.filter(Files::isRegularFile).toList();
            for (Path file : regular) {
                add(files, path, file.getFileName().toString(), Files.readAllBytes(file));
            }
        }
        return new ReportBundle(files);
    }

    private static ReportBundle zip(Path path) throws IOException {
        Map<String, byte[]> files = new TreeMap<>();
        try (ZipInputStream zip = new ZipInputStream(Files.newInputStream(path))) {
            for (ZipEntry entry = zip.getNextEntry(); entry != null; entry = zip.getNextEntry()) {
                if (!entry.isDirectory()) {
                    String name = entry.getName().substring(entry.getName().lastIndexOf('/') + 1);
                    add(files, path, name, zip.readNBytes(MOST_BYTES + 1));
                }
            }
        }
        return new ReportBundle(files);
    }

    private static void add(Map<String, byte[]> files, Path path, String name, byte[] content) {
        long total = content.length;
        for (byte[] other : files.values()) {
            total += other.length;
        }
        if (total > MOST_BYTES || files.size() >= MOST_FILES) {
            throw new HengException(
                    path + " holds more than " + MOST_FILES + " files or " + (MOST_BYTES >> 20)
                            + " MiB, which no report does",
                    "name the folder that --report wrote, or a zip of it alone");
        }
        if (files.put(name, content) != null) {
            throw new HengException(path + " holds two files called " + name, "zip one report's folder alone");
        }
    }
}
