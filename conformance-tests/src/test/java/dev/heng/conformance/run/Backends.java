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
        return BackendRegistry.discover(List.of())
                .choose(BackendWish.parse("reference"))
                .open(BackendOptions.none());
    }
}
