package dev.heng.runtime.registry;

import dev.heng.runtime.HengException;
import dev.heng.spi.AbiAudit;
import dev.heng.spi.Availability;
import dev.heng.spi.Backend;
import dev.heng.spi.BackendException;
import dev.heng.spi.BackendOptions;
import dev.heng.spi.BackendProvider;
import dev.heng.spi.DeviceInfo;
import java.time.Duration;
import java.util.HashSet;
import java.util.Optional;
import java.util.Set;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/**
 * A provider that was loaded, speaks our version of the contract and has an id of its own. Every call of the provider goes through here, with
 * the provider's class loader as the thread's context class loader and with what it throws turned into a verdict.
 *
 * <p>Threading: one thread at a time, as the provider's contract says.
 */
public final class Candidate {

    private static final Pattern ID = Pattern.compile("[a-z0-9]+(-[a-z0-9]+)*");

    private final BackendProvider provider;
    private final String id;
    private final String spiVersion;
    private final String description;
    private final int priority;
    private final String origin;
    private final boolean plugin;

    private Candidate(
            BackendProvider provider,
            String id,
            String spiVersion,
            String description,
            int priority,
            String origin,
            boolean plugin) {
        this.provider = provider;
        this.id = id;
        this.spiVersion = spiVersion;
        this.description = description;
        this.priority = priority;
        this.origin = origin;
        this.plugin = plugin;
    }

    /** The result of {@link #meet}. */
    sealed interface Meeting {
        record Accepted(Candidate candidate) implements Meeting {}

        record Refused(Verdict.Rejected rejected) implements Meeting {}
    }

    /**
     * Asks a fresh provider who it is, and its version first: a provider of another version may lack the other methods.
     *
     * @param plugin whether it came with a class loader of its own
     */
    static Meeting meet(BackendProvider provider, String origin, boolean plugin) {
        String name = provider.getClass().getName();
        ClassLoader loader = provider.getClass().getClassLoader();
        SpiVersion ours = SpiVersion.ofRuntime();
        String version = null;
        String id = null;
        try {
            version = ContextClassLoader.call(loader, provider::spiVersion);
            SpiVersion theirs =
                    version == null ? null : SpiVersion.parse(version).orElse(null);
            if (theirs == null) {
                return refused(
                        null,
                        name,
                        origin,
                        version,
                        "its SPI version is '" + version + "', which is not major.minor",
                        "have the vendor return Spi.VERSION from spiVersion()");
            }
            if (!ours.accepts(theirs)) {
                return refused(
                        null,
                        name,
                        origin,
                        version,
                        "it was compiled against SPI " + theirs + " and this runtime has SPI " + ours,
                        theirs.major() == ours.major()
                                ? "use a Heng with SPI " + theirs + " or newer, or a build of " + origin + " for SPI "
                                        + ours
                                : "use a build of " + origin + " for SPI " + ours.major() + ".x");
            }
            id = ContextClassLoader.call(loader, provider::id);
            if (id == null || !ID.matcher(id).matches() || id.equals(BackendWish.AUTO_ID)) {
                return refused(
                        null,
                        name,
                        origin,
                        version,
                        "its id is '" + id + "', which is not lower-case letters, digits and single hyphens, or is the"
                                + " reserved word '" + BackendWish.AUTO_ID + "'",
                        "have the vendor choose an id like 'cuda' or 'my-npu'");
            }
            String description = ContextClassLoader.call(loader, provider::description);
            if (description == null) {
                return refused(
                        id, name, origin, version, "its description is null", "report it to the vendor of " + origin);
            }
            int priority = ContextClassLoader.call(loader, provider::priority);
            return new Meeting.Accepted(
                    new Candidate(provider, id, version, Failures.oneLine(description), priority, origin, plugin));
        } catch (RuntimeException | LinkageError e) {
            Failures.rethrowIfFatal(e);
            return new Meeting.Refused(new Verdict.Rejected(
                    id,
                    name,
                    origin,
                    version,
                    "it threw while saying who it is: " + Failures.describe(e),
                    Failures.remedy(e, origin),
                    e));
        }
    }

    private static Meeting refused(
            @Nullable String id, String name, String origin, @Nullable String version, String reason, String remedy) {
        return new Meeting.Refused(new Verdict.Rejected(id, name, origin, version, reason, remedy, null));
    }

    /** Returns the id by which people choose the backend. */
    public String id() {
        return id;
    }

    /** Returns the version of the contract that the provider was compiled against. */
    public String spiVersion() {
        return spiVersion;
    }

    /** Returns the provider's line about itself. */
    public String description() {
        return description;
    }

    /** Returns the rank in the choice {@code auto}. */
    public int priority() {
        return priority;
    }

    /** Returns the jar or folder that the provider came from. */
    public String origin() {
        return origin;
    }

    /** Returns the provider's class name. */
    public String providerName() {
        return provider.getClass().getName();
    }

    /** Returns the audit of the backend's native interface, if it has one. */
    public Optional<AbiAudit> abiAudit() {
        return ContextClassLoader.call(loader(), provider::abiAudit);
    }

    /** Asks for devices. What breaks the contract of {@link BackendProvider#probe} is a rejection. */
    Verdict probe() {
        long start = System.nanoTime();
        try {
            Availability answer = ContextClassLoader.call(loader(), provider::probe);
            Duration took = Duration.ofNanos(System.nanoTime() - start);
            return switch (answer) {
                case null -> rejected("probe() answered null", "report it to the vendor of " + origin, null);
                case Availability.Unavailable unavailable -> new Verdict.Unusable(this, unavailable, took);
                case Availability.Available available -> checked(available, took);
            };
        } catch (RuntimeException | LinkageError e) {
            Failures.rethrowIfFatal(e);
            return rejected(
                    "probe() threw, which the contract forbids: " + Failures.describe(e),
                    Failures.remedy(e, origin),
                    e);
        }
    }

    private Verdict checked(Availability.Available available, Duration took) {
        Set<Integer> ordinals = new HashSet<>();
        for (DeviceInfo device : available.devices()) {
            if (!device.backend().equals(id) || device.ordinal() < 0 || !ordinals.add(device.ordinal())) {
                return rejected(
                        "probe() answered with device " + device.address()
                                + ", which is not a device of its own with a number of its own",
                        "report it to the vendor of " + origin,
                        null);
            }
        }
        return new Verdict.Usable(this, available.devices(), took);
    }

    private Verdict.Rejected rejected(String reason, String remedy, @Nullable Throwable cause) {
        return new Verdict.Rejected(id, providerName(), origin, spiVersion, reason, remedy, cause);
    }

    /**
     * Opens a device. The caller closes the backend.
     *
     * @throws BackendException as the provider throws it
     * @throws HengException if the provider throws anything else, or answers null
     */
    Backend open(DeviceInfo device, BackendOptions options) {
        Backend backend;
        try {
            backend = ContextClassLoader.call(loader(), () -> provider.open(device, options));
        } catch (BackendException e) {
            throw e;
        } catch (RuntimeException | LinkageError e) {
            Failures.rethrowIfFatal(e);
            throw new HengException(
                    "backend '" + id + "' could not open " + device.address() + ": " + Failures.describe(e),
                    Failures.remedy(e, origin),
                    e);
        }
        if (backend == null) {
            throw new HengException(
                    "backend '" + id + "' answered null when " + device.address() + " was opened",
                    "report it to the vendor of " + origin);
        }
        return plugin ? new PluginBackend(backend, loader()) : backend;
    }

    /** Returns the verdict on this provider when {@code others} claim the same id. */
    Verdict.Rejected duplicate(String others) {
        return rejected(
                "its id '" + id + "' is claimed by more than one provider: " + providerName() + " in " + origin + ", "
                        + others,
                "remove all but one of these jars",
                null);
    }

    private ClassLoader loader() {
        return provider.getClass().getClassLoader();
    }

    @Override
    public String toString() {
        return id + " (" + providerName() + " in " + origin + ", SPI " + spiVersion + ")";
    }
}
