package dev.heng.backend.cpu;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Optional;

/** What Linux says about the processor and its memory; unknown where it says nothing. */
final class ProcessorFacts {

    private ProcessorFacts() {}

    static String modelName() {
        return field(Path.of("/proc/cpuinfo"), "model name").orElse(System.getProperty("os.arch", "processor"));
    }

    static long memoryBytes() {
        return kibibytes("MemTotal");
    }

    static long availableBytes() {
        return kibibytes("MemAvailable");
    }

    private static long kibibytes(String name) {
        return field(Path.of("/proc/meminfo"), name)
                .map(text -> Long.parseLong(text.replace(" kB", "").strip()) * 1024)
                .orElse(-1L);
    }

    private static Optional<String> field(Path file, String name) {
        try (var lines = Files.lines(file)) {
            return lines.filter(line -> line.startsWith(name) && line.indexOf(':') > 0)
                    .map(line -> line.substring(line.indexOf(':') + 1).strip())
                    .findFirst();
        } catch (IOException e) {
            return Optional.empty();
        }
    }
}
