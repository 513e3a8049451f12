package dev.heng.conformance.faulty;

import dev.heng.spi.Backend;
import dev.heng.spi.graph.Op;
import java.util.List;

/** A fault of the whole device: of what it says, or of the order in which it works. */
final class DeviceFault extends Fault {

    private final Planting planting;

    /** Makes a faulty device of a real one. */
    @FunctionalInterface
    interface Planting {
        Backend plant(Backend real);
    }

    DeviceFault(String id, String description, String rule, List<Class<? extends Op>> ops, Planting planting) {
        super(id, description, rule, ops);
        this.planting = planting;
    }

    @Override
    public Backend plant(Backend real) {
        return planting.plant(real);
    }
}
