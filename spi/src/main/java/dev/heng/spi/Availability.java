package dev.heng.spi;

import java.util.List;

/**
 * The answer to {@link BackendProvider#probe()}.
 *
 * @since 1.0
 */
public sealed interface Availability {

    /**
     * Devices can be opened.
     *
     * @param devices at least one; copied
     */
    record Available(List<DeviceInfo> devices) implements Availability {
        public Available {
            devices = List.copyOf(devices);
            if (devices.isEmpty()) {
                throw new IllegalArgumentException("available without a device: answer Unavailable(NO_DEVICE)");
            }
        }
    }

    /**
     * No device can be opened.
     *
     * @param reason the kind of obstacle
     * @param detail what was tried and what the system said, for example the library path and dlerror's text
     * @param remedy what the operator can do about it
     */
    record Unavailable(Reason reason, String detail, String remedy) implements Availability {}

    /** Kinds of obstacle. */
    enum Reason {
        /** A native library was not found or could not be loaded. */
        LIBRARY_MISSING,
        /** A library is too old, too new, or lacks what is needed. */
        VERSION_UNSUPPORTED,
        /** Libraries are there and no device is, or none may be used. */
        NO_DEVICE,
        /** This machine's processor or operating system cannot run the backend. */
        PLATFORM_UNSUPPORTED,
        /** Switched off by a setting. */
        DISABLED,
        /** The code of this backend is not written yet. */
        NOT_IMPLEMENTED,
        /** Anything else; the detail says what. */
        OTHER
    }
}
