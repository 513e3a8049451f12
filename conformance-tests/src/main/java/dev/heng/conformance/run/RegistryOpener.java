package dev.heng.conformance.run;

import dev.heng.runtime.HengException;
import dev.heng.runtime.registry.BackendChoice;
import dev.heng.runtime.registry.BackendRegistry;
import dev.heng.runtime.registry.BackendWish;
import dev.heng.spi.Backend;
import dev.heng.spi.BackendOptions;

/**
 * Opens a backend that a registry finds.
 *
 * @param registry where to look
 * @param backend as on the command line: an id, or an id and a device's number
 */
public record RegistryOpener(BackendRegistry registry, String backend) implements BackendOpener {

    /**
     * {@inheritDoc}
     *
     * @throws HengException if the backend or its device is not there
     */
    @Override
    public Backend open() {
        return open(registry.choose(BackendWish.parse(backend)));
    }

    /** Opens the device after the one that was named by as many as the rank says, or that one itself if there are not so many. */
    @Override
    public Backend openRank(int rank) {
        int mark = backend.indexOf(':');
        String id = mark < 0 ? backend : backend.substring(0, mark);
        int first = mark < 0 ? 0 : Integer.parseInt(backend.substring(mark + 1));
        BackendChoice further;
        try {
            further = registry.choose(BackendWish.parse(id + ":" + (first + rank)));
        } catch (HengException noSuchDevice) {
            return open();
        }
        return open(further);
    }

    private static Backend open(BackendChoice choice) {
        return choice.open(BackendOptions.none());
    }
}
