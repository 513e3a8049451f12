package dev.heng.conformance.run;

import java.io.File;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Collections;
import java.util.Map;
import java.util.Properties;
import java.util.TreeMap;
import java.util.stream.Stream;

/**
 * Where a run took place, as far as results may depend on it.
 *
 * @param os name, version and architecture of the operating system
 * @param cpu the processor's name and the number of processors that this process may use
 * @param java vendor and version of the JVM
 * @param heng version and commit of this build; the commit ends in {@code -dirty} if files were changed
 * @param libraries SHA-256 of every jar on the class path and in plug-in folders, by file name; copied
 */
public record Environment(String os, String cpu, String java, String heng, Map<String, String> libraries) {

    public Environment {
        libraries = Collections.unmodifiableMap(new TreeMap<>(libraries));
    }

    /**
     * Describes this process. Reads every jar once.
     *
     * @param plugins the plug-in paths in use
     */
    public static Environment current(Iterable<Path> plugins) {
        Map<String, String> libraries = new TreeMap<>();
        for (String entry : System.getProperty("java.class.path").split(File.pathSeparator, -1)) {
            add(Path.of(entry), libraries);
        }
        for (Path path : plugins) {
            try (Stream<Path> files = Files.walk(path, 2)) {
                files.forEach(file -> add(file, libraries));
            } catch (IOException e) {
                throw new UncheckedIOException(e);
            }
        }
        return new Environment(
                System.getProperty("os.name") + " " + System.getProperty("os.version") + " "
                        + System.getProperty("os.arch"),
                processor() + ", " + Runtime.getRuntime().availableProcessors() + " processors",
                System.getProperty("java.vm.vendor") + " " + Runtime.version(),
                build(),
                libraries);
    }

    private static void add(Path file, Map<String, String> libraries) {
        if (file.toString().endsWith(".jar") && Files.isRegularFile(file)) {
            libraries.put(file.getFileName().toString(), Sha256.of(file));
        }
    }

    private static String build() {
        Properties properties = new Properties();
        try (InputStream file = Environment.class.getResourceAsStream("build.properties")) {
            if (file == null) {
                throw new IllegalStateException("the build left out build.properties");
            }
            properties.load(file);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
        String commit = properties.getProperty("commit", "");
        boolean known = !commit.isEmpty() && !commit.startsWith("$");
        return properties.getProperty("version", "unknown") + ", commit " + (known ? commit : "unknown");
    }

    /** Returns the processor's name where Linux tells it, else what the JVM knows. */
    private static String processor() {
        Path file = Path.of("/proc/cpuinfo");
        if (Files.isReadable(file)) {
            try (Stream<String> lines = Files.lines(file)) {
                return lines.filter(line -> line.startsWith("model name"))
                        .map(line -> line.substring(line.indexOf(':') + 1).strip())
                        .findFirst()
                        .orElse(System.getProperty("os.arch"));
            } catch (IOException | UncheckedIOException unreadable) {
                return System.getProperty("os.arch");
            }
        }
        return System.getProperty("os.arch");
    }
}
