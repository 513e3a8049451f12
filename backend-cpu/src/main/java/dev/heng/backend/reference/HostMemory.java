package dev.heng.backend.reference;

import com.sun.management.OperatingSystemMXBean;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.lang.management.ManagementFactory;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;

/** The memory of this machine or container, which both backends of the host processor allocate from. */
public final class HostMemory {

    private static final Pattern MEMORY_AVAILABLE = Pattern.compile("MemAvailable:\\s*(\\d{1,15}) kB");

    private HostMemory() {}

    /** Returns the memory of this machine or container in bytes, or -1 where the JVM does not know. */
    public static long totalBytes() {
        return ManagementFactory.getOperatingSystemMXBean() instanceof OperatingSystemMXBean system
                ? system.getTotalMemorySize()
                : -1;
    }

    /**
     * Returns what of it can still be allocated in bytes, or -1. Files that are cached count as free, as the kernel says it: a mapped checkpoint
     * fills the cache, and memory that is merely unused would soon be none.
     */
    public static long availableBytes() {
        long available = linuxAvailableBytes();
        if (available >= 0) {
            return Math.min(available, totalBytes());
        }
        return ManagementFactory.getOperatingSystemMXBean() instanceof OperatingSystemMXBean system
                ? system.getFreeMemorySize()
                : -1;
    }

    /** Returns MemAvailable of Linux, or -1 where there is none. */
    private static long linuxAvailableBytes() {
        try (Stream<String> lines = Files.lines(Path.of("/proc/meminfo"))) {
            return lines.map(MEMORY_AVAILABLE::matcher)
                    .filter(Matcher::matches)
                    .mapToLong(line -> Long.parseLong(line.group(1)) * 1024)
                    .findFirst()
                    .orElse(-1);
        } catch (IOException | UncheckedIOException absent) {
            return -1;
        }
    }
}
