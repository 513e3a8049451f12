package dev.heng.runtime.tokenizer;

import java.nio.file.Files;
import java.nio.file.Path;

/** Finds files of the repository from wherever the tests run. */
public final class RepositoryFiles {

    private RepositoryFiles() {}

    /** Returns a path below the repository's root, which is the first directory upwards that holds models/poet. */
    public static Path of(String relative) {
        for (Path directory = Path.of("").toAbsolutePath(); directory != null; directory = directory.getParent()) {
            if (Files.isDirectory(directory.resolve("models/poet"))) {
                return directory.resolve(relative);
            }
        }
        throw new IllegalStateException("no directory above " + Path.of("").toAbsolutePath() + " holds models/poet");
    }
}
