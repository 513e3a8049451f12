package com.acme.heng;

import dev.heng.spi.Availability;
import dev.heng.spi.Backend;
import dev.heng.spi.BackendException;
import dev.heng.spi.BackendOptions;
import dev.heng.spi.BackendProvider;
import dev.heng.spi.DeviceInfo;
import dev.heng.spi.Spi;
import java.util.List;
import java.util.Map;

/** Finds the Acme device, which for this example is a simulator in Java. */
public final class AcmeProvider implements BackendProvider {

    @Override
    public String id() {
        return "acme";
    }

    @Override
    public String spiVersion() {
        return Spi.VERSION;
    }

    @Override
    public String description() {
        return "Acme's example device, simulated";
    }

    @Override
    public int priority() {
        return 0;
    }

    @Override
    public Availability probe() {
        return new Availability.Available(
                List.of(new DeviceInfo("acme", 0, "Acme example", 1L << 30, true, Map.of("driver", "1.0.0"))));
    }

    @Override
    public Backend open(DeviceInfo device, BackendOptions options) {
        if (!options.equals(BackendOptions.none())) {
            throw BackendException.of(
                    BackendException.Code.INVALID_OPTION, "backend 'acme' has no options", "leave them out");
        }
        return new AcmeBackend(device);
    }
}
