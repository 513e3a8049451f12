package dev.heng.spi;

import java.util.Optional;

/**
 * The door to a backend, found through {@link java.util.ServiceLoader}. This is where a vendor starts.
 *
 * <p>A provider is cheap: it must not touch native code in static initialisers, in its constructor, or through the types of its fields and
 * methods; natives are loaded inside {@link #probe()} and {@link #open} only. List the class in
 * {@code META-INF/services/dev.heng.spi.BackendProvider}.
 *
 * <p>Threading: methods may be called by any thread, one at a time.
 *
 * @since 1.0
 */
public interface BackendProvider {

    /** Returns the id by which people choose this backend, for example {@code ascend}: lower-case letters, digits and hyphens. */
    String id();

    /** Returns {@link Spi#VERSION} as this class was compiled against; an implementation must return that constant. */
    String spiVersion();

    /** Returns one line for people: which devices, through which libraries. */
    String description();

    /**
     * Returns the rank in the choice {@code auto}: the highest available wins. Accelerators use 100 and above, native CPU code 50, the
     * oracle 0.
     */
    int priority();

    /**
     * Looks for libraries and devices. Must not throw, must not print, and should answer within a second; may be called again.
     *
     * @return the devices, or why there are none and what to do about it
     */
    Availability probe();

    /**
     * Opens one device. The caller closes the backend.
     *
     * @param device one of those that {@link #probe()} returned
     * @param options settings by name; an unknown name or a value out of range is an {@link BackendException.Code#INVALID_OPTION}
     * @throws BackendException if the device cannot be opened
     */
    Backend open(DeviceInfo device, BackendOptions options);

    /** Returns the audit of this backend's native interface, if it has one. The default has none. */
    default Optional<AbiAudit> abiAudit() {
        return Optional.empty();
    }
}
