package dev.heng.conformance.run;

import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.net.URI;
import java.net.URISyntaxException;
import java.net.URL;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.CodeSource;
import java.security.MessageDigest;
import java.util.HexFormat;
import java.util.Map;
import java.util.TreeMap;
import java.util.jar.JarFile;
import java.util.stream.Stream;

/**
 * Identifies what judged: SHA-256 over name and content of every class and resource of {@code dev.heng.conformance}, in the order of
 * names, whether they lie in a folder, in the module's jar or in the executable one. The commit is not in it: two commits with the same
 * suite have one hash.
 */
public final class SuiteHash {

    private static final String ROOT = "dev/heng/conformance/";
    private static final String BUILD = ROOT + "run/build.properties";

    /** Computed once: the code of a running JVM does not change. */
    private static final String HASH = compute(home());

    private SuiteHash() {}

    /** Returns the hash of this build's suite. */
    public static String current() {
        return HASH;
    }

    private static Path home() {
        CodeSource source = SuiteHash.class.getProtectionDomain().getCodeSource();
        URL location = source == null ? null : source.getLocation();
        if (location == null) {
            throw new IllegalStateException(
                    "the JVM does not say where the suite's classes lie, so they cannot be hashed");
        }
        try {
            URI uri = location.toURI();
            return Path.of(uri);
        } catch (URISyntaxException e) {
            throw new IllegalStateException("the suite's classes lie at " + location, e);
        }
    }

    /** Returns the hash of the suite in a folder of classes or a jar. */
    static String compute(Path home) {
        try {
            Map<String, byte[]> files = Files.isDirectory(home) ? folder(home) : jar(home);
            files.remove(BUILD);
            if (files.isEmpty()) {
                throw new IllegalStateException(home + " holds nothing of the suite");
            }
            MessageDigest digest = Sha256.digest();
            files.forEach((name, bytes) -> {
                digest.update(name.getBytes(StandardCharsets.UTF_8));
                digest.update((byte) 0);
                digest.update(Sha256.of(bytes).getBytes(StandardCharsets.US_ASCII));
            });
            return HexFormat.of().formatHex(digest.digest());
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private static Map<String, byte[]> folder(Path home) throws IOException {
        Map<String, byte[]> files = new TreeMap<>();
        Path root = home.resolve(ROOT);
        try (Stream<Path> all = Files.walk(root)) {
            for (Path file : all.filter(Files::isRegularFile).toList()) {
                files.put(home.relativize(file).toString().replace('\\', '/'), Files.readAllBytes(file));
            }
        }
        return files;
    }

    private static Map<String, byte[]> jar(Path home) throws IOException {
        Map<String, byte[]> files = new TreeMap<>();
        try (JarFile jar = new JarFile(home.toFile())) {
            for (var entry : jar.stream().toList()) {
                if (entry.getName().startsWith(ROOT) && !entry.isDirectory()) {
                    try (InputStream content = jar.getInputStream(entry)) {
                        files.put(entry.getName(), content.readAllBytes());
                    }
                }
            }
        }
        return files;
    }
}
