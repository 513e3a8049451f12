package dev.heng.backend.reference;

import dev.heng.spi.Availability;
import dev.heng.spi.Backend;
import dev.heng.spi.BackendException;
import dev.heng.spi.BackendOptions;
import dev.heng.spi.BackendProvider;
import dev.heng.spi.DeviceInfo;
import dev.heng.spi.Spi;
import java.util.List;
import java.util.Map;
import java.util.Set;

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
                HostMemory.totalBytes(),
                false,
                Map.of(
                        "java.vm.version", System.getProperty("java.vm.version", "unknown"),
                        "os.arch", System.getProperty("os.arch", "unknown"),
                        "os.name", System.getProperty("os.name", "unknown"),
                        "processors", Integer.toString(Runtime.getRuntime().availableProcessors())));
    }
}
