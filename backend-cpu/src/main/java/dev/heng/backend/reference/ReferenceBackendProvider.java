package dev.heng.backend.reference;

import dev.heng.spi.Availability;
import dev.heng.spi.Backend;
import dev.heng.spi.BackendException;
import dev.heng.spi.BackendOptions;
import dev.heng.spi.BackendProvider;
import dev.heng.spi.DeviceInfo;
import dev.heng.spi.Spi;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.lang.management.ManagementFactory;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;

/**
 * Opens the oracle, {@code reference}: every operator of docs/ops.md in plain scalar Java with double accumulation.
 *
 * <p>Always available. Options of {@link #open}: {@code threads}, how many threads share out rows, by default one for each processor (the results do not
 * depend on it); {@code rounding}, {@code nearest} by default or {@code stochastic:SEED} for Monte Carlo arithmetic (FORMAT-011), which a
 * compilation may set for its own program too; {@code memory}, the most bytes that buffers may take together, by default no bound but the JVM's.
 *
 * @since 1.0
 */
public final class ReferenceBackendProvider implements BackendProvider {

    /** The id of this backend. */
    public static final String ID = "reference";

    private static final int MOST_THREADS = 1024;

    private static final Pattern MEMORY_AVAILABLE = Pattern.compile("MemAvailable:\\s*(\\d{1,15}) kB");

    /** Makes the provider; {@link java.util.ServiceLoader} does. */
    public ReferenceBackendProvider() {}

    @Override
    public String id() {
        return ID;
    }

    @Override
    public String spiVersion() {
        return Spi.VERSION;
    }

    @Override
    public String description() {
        return "the oracle: every operator in plain scalar Java, accumulated in double";
    }

    @Override
    public int priority() {
        return 0;
    }

    @Override
    public Availability probe() {
        return new Availability.Available(List.of(device()));
    }

    /**
     * Opens the oracle.
     *
     * @param device the device of {@link #probe()}
     * @param options {@code threads}, {@code rounding} and {@code memory}
     * @throws BackendException with {@link BackendException.Code#INVALID_OPTION} for an unknown option or a bad value
     */
    @Override
    public Backend open(DeviceInfo device, BackendOptions options) {
        options.requireKnown(ID, Set.of("threads", "rounding", "memory"));
        if (!device.backend().equals(ID) || device.ordinal() != 0) {
            throw BackendException.of(
                    BackendException.Code.INVALID_OPTION,
                    "backend '" + ID + "' has no device '" + device.address() + "'",
                    "use " + ID + ":0");
        }
        int processors = Runtime.getRuntime().availableProcessors();
        int threads = (int) number(options, "threads", processors, 1, MOST_THREADS);
        long memory = number(options, "memory", Long.MAX_VALUE, 0, Long.MAX_VALUE);
        Rounding rounding = Rounding.parse(options.settings().get("rounding"));
        return new ReferenceBackend(device(), threads, memory, rounding);
    }

    private static long number(BackendOptions options, String name, long otherwise, long least, long most) {
        String setting = options.settings().get(name);
        if (setting == null) {
            return otherwise;
        }
        try {
            long value = Long.parseLong(setting);
            if (value >= least && value <= most) {
                return value;
            }
        } catch (NumberFormatException notANumber) {
            throw invalid(name, setting, least, most, notANumber);
        }
        throw invalid(name, setting, least, most, new IllegalArgumentException("out of range"));
    }

    private static BackendException invalid(String name, String setting, long least, long most, Throwable cause) {
        return BackendException.of(
                BackendException.Code.INVALID_OPTION,
                "option '" + name + "' of backend '" + ID + "' is '" + setting + "'",
                "use a whole number from " + least + " to " + most,
                cause);
    }

    private static DeviceInfo device() {
        return new DeviceInfo(
                ID,
                0,
                "Java " + Runtime.version().feature() + " on " + System.getProperty("os.arch"),
                totalMemoryBytes(),
                false,
                Map.of(
                        "java.vm.version", System.getProperty("java.vm.version", "unknown"),
                        "os.arch", System.getProperty("os.arch", "unknown"),
                        "os.name", System.getProperty("os.name", "unknown"),
                        "processors", Integer.toString(Runtime.getRuntime().availableProcessors())));
    }

    /** Returns the memory of this machine or container in bytes, or -1 where the JVM does not know. */
    static long totalMemoryBytes() {
        return ManagementFactory.getOperatingSystemMXBean() instanceof com.sun.management.OperatingSystemMXBean system
                ? system.getTotalMemorySize()
                : -1;
    }

    /**
     * Returns what of it can still be allocated, or -1. Files that are cached count as free, as the kernel says it: a mapped checkpoint fills the cache, and memory that is
     * merely unused would soon be none.
     */
    static long freeMemoryBytes() {
        long available = availableMemoryBytes();
        if (available >= 0) {
            return Math.min(available, totalMemoryBytes());
        }
        return ManagementFactory.getOperatingSystemMXBean() instanceof com.sun.management.OperatingSystemMXBean system
                ? system.getFreeMemorySize()
                : -1;
    }

    /** Returns MemAvailable of Linux, or -1 where there is none. */
    private static long availableMemoryBytes() {
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
