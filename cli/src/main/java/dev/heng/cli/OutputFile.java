package dev.heng.cli;

import dev.heng.runtime.HengException;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;

/** Writes a result whole or not at all. */
final class OutputFile {

    private OutputFile() {}

    /** Fails early where a file could not be written in the end. */
    static void requireWritable(Path file) {
        Path folder = folder(file);
        if (!Files.isDirectory(folder) || !Files.isWritable(folder) || Files.isDirectory(file)) {
            throw new HengException(
                    file + " cannot be written: "
                            + (Files.isDirectory(file) ? "it is a folder" : folder + " is no folder that is writable"),
                    "name a file in a folder that exists");
        }
    }

    /**
     * Writes {@code text} under another name beside {@code file} and renames it.
     *
     * @throws HengException if that fails; what was there stays
     */
    static void write(Path file, String text) {
        try {
            Path temporary = Files.createTempFile(folder(file), ".heng-", ".tmp");
            try {
                Files.writeString(temporary, text);
                Files.move(temporary, file, StandardCopyOption.REPLACE_EXISTING);
            } finally {
                Files.deleteIfExists(temporary);
            }
        } catch (IOException e) {
            throw new HengException(
                    file + " cannot be written: " + e.getClass().getSimpleName() + ": " + e.getMessage(),
                    "check the folder and the disk",
                    e);
        }
    }

    private static Path folder(Path file) {
        Path parent = file.toAbsolutePath().getParent();
        return parent == null ? file.toAbsolutePath() : parent;
    }
}
