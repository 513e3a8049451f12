package dev.heng.runtime.registry;

import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.io.OutputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.jar.JarEntry;
import java.util.jar.JarOutputStream;
import java.util.stream.Stream;
import javax.tools.JavaCompiler;
import javax.tools.ToolProvider;

/** Compiles providers and packs them into real jars, whole or with something missing. */
final class ProviderJar {

    private final Path folder;
    private final Path classes;
    private final List<Path> sources = new ArrayList<>();
    private final List<String> listed = new ArrayList<>();
    private final Set<String> leftOut = new HashSet<>();
    private final Set<String> newerJava = new HashSet<>();

    private ProviderJar(Path folder) throws IOException {
        this.folder = folder;
        this.classes = Files.createDirectories(folder.resolve("classes"));
    }

    static ProviderJar in(Path folder) throws IOException {
        return new ProviderJar(Files.createTempDirectory(folder, "jar"));
    }

    /** Adds a source file. */
    ProviderJar source(String className, String text) throws IOException {
        Path file = folder.resolve("src").resolve(className.replace('.', '/') + ".java");
        Files.createDirectories(file.getParent());
        Files.writeString(file, text);
        sources.add(file);
        return this;
    }

    /** Adds a provider {@code plug.NAME} with this id whose other members are {@code members}; it is listed in the services file. */
    ProviderJar provider(String name, String id, String version, String superclass, String members) throws IOException {
        return source("plug." + name, """
                package plug;
                import dev.heng.spi.*;
                import java.util.*;
                public class %s %s implements BackendProvider {
                    @Override public String id() { return "%s"; }
                    @Override public String spiVersion() { return %s; }
                    @Override public String description() { return "a test's provider"; }
                    @Override public int priority() { return 10; }
                    %s
                    @Override public Backend open(DeviceInfo device, BackendOptions options) {
                        throw BackendException.of(BackendException.Code.DECLINED, "nothing to open", "none");
                    }
                }
                """.formatted(name, superclass, id, version, members))
                .listed("plug." + name);
    }

    /** A probe that finds one device. */
    static String probe(String id) {
        return """
                @Override public Availability probe() {
                    return new Availability.Available(List.of(new DeviceInfo("%s", 0, "a device", -1, false, Map.of())));
                }
                """.formatted(id);
    }

    /** Adds a provider that works. */
    ProviderJar good(String name, String id) throws IOException {
        return provider(name, id, "Spi.VERSION", "", probe(id));
    }

    /** Adds a line to the services file. */
    ProviderJar listed(String className) {
        listed.add(className);
        return this;
    }

    /** Leaves a compiled class out of the jar. */
    ProviderJar without(String className) {
        leftOut.add(className);
        return this;
    }

    /** Gives a class the class-file version of a Java that does not exist yet. */
    ProviderJar fromNewerJava(String className) {
        newerJava.add(className);
        return this;
    }

    /** Compiles and packs. */
    Path write(Path jar) throws IOException {
        JavaCompiler compiler = ToolProvider.getSystemJavaCompiler();
        List<String> arguments = new ArrayList<>(
                List.of("-proc:none", "-cp", System.getProperty("java.class.path"), "-d", classes.toString()));
        sources.forEach(source -> arguments.add(source.toString()));
        if (!sources.isEmpty()) {
            assertTrue(
                    compiler.run(null, null, null, arguments.toArray(String[]::new)) == 0,
                    "the test's source compiles");
        }
        Files.createDirectories(jar.getParent());
        try (OutputStream file = Files.newOutputStream(jar);
                JarOutputStream out = new JarOutputStream(file);
                Stream<Path> compiled = Files.walk(classes)) {
            out.putNextEntry(new JarEntry(ServicesFiles.NAME));
            out.write(String.join("\n", listed).getBytes(StandardCharsets.UTF_8));
            out.closeEntry();
            for (Path path : compiled.filter(Files::isRegularFile).toList()) {
                String entry = classes.relativize(path).toString().replace('\\', '/');
                String className =
                        entry.substring(0, entry.length() - ".class".length()).replace('/', '.');
                if (leftOut.contains(className)) {
                    continue;
                }
                byte[] bytes = Files.readAllBytes(path);
                if (newerJava.contains(className)) {
                    // The major version of a class file: bytes 6 and 7, big-endian (JVMS 4.1).
                    bytes[6] = 0;
                    bytes[7] = 99;
                }
                out.putNextEntry(new JarEntry(entry));
                out.write(bytes);
                out.closeEntry();
            }
        }
        return jar;
    }
}
