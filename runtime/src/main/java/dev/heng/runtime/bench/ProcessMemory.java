package dev.heng.runtime.bench;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;

/** What Linux says of memory, in bytes; -1 where it says nothing. */
final class ProcessMemory {

    private static final Pattern LINE = Pattern.compile("(\\w+):\\s*(\\d{1,15}) kB");

    private ProcessMemory() {}

    /** Returns what this process has in memory now, mapped files included. */
    static long resident() {
        return kilobytes(Path.of("/proc/self/status"), "VmRSS");
    }

    /** Returns the most that this process ever had in memory. */
    static long peak() {
        return kilobytes(Path.of("/proc/self/status"), "VmHWM");
    }

    /** Returns what this machine can still give without swapping. */
    static long available() {
        return kilobytes(Path.of("/proc/meminfo"), "MemAvailable");
    }

    /** Returns the memory of this machine. */
    static long total() {
        return kilobytes(Path.of("/proc/meminfo"), "MemTotal");
    }

    private static long kilobytes(Path file, String name) {
        try (Stream<String> lines = Files.lines(file)) {
            return lines.map(LINE::matcher)
                    .filter(matcher -> matcher.matches() && matcher.group(1).equals(name))
                    .map(Matcher::toMatchResult)
                    .mapToLong(match -> Long.parseLong(match.group(2)) * 1024)
                    .findFirst()
                    .orElse(-1);
        } catch (IOException | UncheckedIOException absent) {
            return -1;
        }
    }
}
