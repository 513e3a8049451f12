package dev.heng.runtime.registry;

import dev.heng.spi.Backend;
import dev.heng.spi.BackendException;
import dev.heng.spi.BackendOptions;
import dev.heng.spi.DeviceInfo;

/**
 * A device that was chosen, and why.
 *
 * @param candidate its provider
 * @param device the device
 * @param report one line for people: what was picked and why the others were not
 */
public record BackendChoice(Candidate candidate, DeviceInfo device, String report) {

    /**
     * Opens the device. The caller closes the backend.
     *
     * @param options the backend's own settings
     * @throws BackendException if the device cannot be opened
     */
    public Backend open(BackendOptions options) {
        return candidate.open(device, options);
    }
}
