package dev.heng.backend.cpu;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.stream.Stream;

/** What Linux says about the processor; its architecture where it says nothing. */
final class ProcessorFacts {

    private static final String MODEL_NAME = "model name";

    private ProcessorFacts() {}

    static String modelName() {
        String architecture = System.getProperty("os.arch", "processor");
        try (Stream<String> lines = Files.lines(Path.of("/proc/cpuinfo"))) {
            return lines.filter(line -> line.startsWith(MODEL_NAME) && line.indexOf(':') > 0)
                    .map(line -> line.substring(line.indexOf(':') + 1).strip())
                    .findFirst()
                    .orElse(architecture);
        } catch (IOException | UncheckedIOException absent) {
            return architecture;
        }
    }
}
