package dev.heng.conformance.run;

import dev.heng.runtime.registry.BackendRegistry;
import dev.heng.runtime.registry.BackendWish;
import dev.heng.spi.Backend;
import dev.heng.spi.BackendOptions;
import java.util.List;

/** Opens backends for tests. */
public final class Backends {

    private Backends() {}

    /** Opens the oracle. */
    public static Backend reference() {
        return open("reference");
    }

    /** Opens the fast backend of the host. */
    public static Backend cpu() {
        return open("cpu");
    }

    private static Backend open(String name) {
        return BackendRegistry.discover(List.of())
                .choose(BackendWish.parse(name))
                .open(BackendOptions.none());
    }
}
