package dev.heng.conformance.run;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.jar.JarOutputStream;
import java.util.stream.Stream;
import java.util.zip.ZipEntry;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** One suite has one hash, wherever it lies; another judge has another. */
final class SuiteHashTest {

    @Test
    void aFolderAndAJarOfTheSameClassesHaveOneHashAndAnyChangeAnother(@TempDir Path folder) throws Exception {
        Path classes = folder.resolve("classes");
        Path home = classes.resolve("dev/heng/conformance/compare");
        Files.createDirectories(home);
        Files.createDirectories(classes.resolve("dev/heng/conformance/run"));
        Files.writeString(home.resolve("B.class"), "judge");
        Files.writeString(home.resolve("A.class"), "rule");
        Files.writeString(classes.resolve("dev/heng/conformance/run/build.properties"), "commit=1");
        Files.writeString(classes.resolve("elsewhere.txt"), "of another module");
        Path jar = folder.resolve("suite.jar");
        try (JarOutputStream out = new JarOutputStream(Files.newOutputStream(jar));
                Stream<Path> files = Files.walk(classes)) {
            // Against the order of names, as a jar may be.
            List<Path> all =
                    files.filter(Files::isRegularFile).sorted().toList().reversed();
            for (Path file : all) {
                out.putNextEntry(new ZipEntry(classes.relativize(file).toString()));
                out.write(Files.readAllBytes(file));
            }
        }
        String hash = SuiteHash.compute(classes);
        assertEquals(hash, SuiteHash.compute(jar));
        Files.writeString(classes.resolve("dev/heng/conformance/run/build.properties"), "commit=2");
        assertEquals(hash, SuiteHash.compute(classes));
        Files.writeString(home.resolve("B.class"), "judge, bribed");
        assertNotEquals(hash, SuiteHash.compute(classes));
        Files.writeString(home.resolve("B.class"), "judge");
        Files.move(home.resolve("A.class"), home.resolve("C.class"));
        assertNotEquals(hash, SuiteHash.compute(classes));
    }
}
