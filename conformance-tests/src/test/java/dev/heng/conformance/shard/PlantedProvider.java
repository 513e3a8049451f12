package dev.heng.conformance.shard;

import dev.heng.conformance.faulty.Fault;
import dev.heng.conformance.faulty.Faults;
import dev.heng.conformance.run.Backends;
import dev.heng.spi.Availability;
import dev.heng.spi.Backend;
import dev.heng.spi.BackendOptions;
import dev.heng.spi.BackendProvider;
import dev.heng.spi.DeviceInfo;
import dev.heng.spi.Spi;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;

/** The oracle with a planted fault: device N has fault N of the list. */
public final class PlantedProvider implements BackendProvider {

    @Override
    public String id() {
        return "planted";
    }

    @Override
    public String spiVersion() {
        return Spi.VERSION;
    }

    @Override
    public String description() {
        return "The oracle with planted faults, for tests";
    }

    @Override
    public int priority() {
        return 0;
    }

    @Override
    public Availability probe() {
        List<DeviceInfo> devices = new ArrayList<>();
        for (Fault fault : Faults.all()) {
            devices.add(new DeviceInfo(id(), devices.size(), fault.id(), -1, true, Map.of()));
        }
        return new Availability.Available(devices);
    }

    @Override
    public Backend open(DeviceInfo device, BackendOptions options) {
        return Faults.all().get(device.ordinal()).plant(Backends.reference());
    }
}
