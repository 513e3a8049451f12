package dev.heng.runtime.registry;

import dev.heng.spi.Availability;
import dev.heng.spi.DeviceInfo;
import java.time.Duration;
import java.util.List;
import org.jspecify.annotations.Nullable;

/** What became of one entry of a services file. */
public sealed interface Verdict {

    /**
     * The provider answered that its devices can be opened.
     *
     * @param candidate the provider
     * @param devices at least one; copied
     * @param took how long the probe was
     */
    record Usable(Candidate candidate, List<DeviceInfo> devices, Duration took) implements Verdict {
        public Usable {
            devices = List.copyOf(devices);
        }
    }

    /**
     * The provider answered that no device can be opened.
     *
     * @param candidate the provider
     * @param why its answer
     * @param took how long the probe was
     */
    record Unusable(Candidate candidate, Availability.Unavailable why, Duration took) implements Verdict {}

    /**
     * The entry broke the contract: it could not be loaded, speaks another version, or threw where it must not.
     *
     * @param id the backend's id, or null where the provider did not get as far as saying it
     * @param providerName the class name as the services file lists it
     * @param origin the jar or folder that it came from
     * @param spiVersion what it was compiled against, or null where it is not known
     * @param reason what went wrong, in one sentence without a final full stop
     * @param remedy what the operator can do
     * @param cause what was thrown, or null
     */
    record Rejected(
            @Nullable String id,
            String providerName,
            String origin,
            @Nullable String spiVersion,
            String reason,
            String remedy,
            @Nullable Throwable cause)
            implements Verdict {

        /** Returns the id, or the provider's class name where there is none. */
        public String label() {
            return id == null ? providerName : id;
        }
    }
}
