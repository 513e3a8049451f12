package dev.heng.backend.ascend;

import dev.heng.backend.ascend.binding.CannLibraries;
import dev.heng.backend.ascend.binding.Simulation;
import dev.heng.backend.ascend.device.AclRuntime;
import dev.heng.kernels.vendor.VendorLibraryException;
import dev.heng.spi.AbiAudit;
import dev.heng.spi.Availability;
import dev.heng.spi.Backend;
import dev.heng.spi.BackendException;
import dev.heng.spi.BackendOptions;
import dev.heng.spi.BackendProvider;
import dev.heng.spi.DeviceInfo;
import dev.heng.spi.Spi;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;

/** The door to backend {@code ascend}: Huawei's NPUs through CANN. */
public final class AscendBackendProvider implements BackendProvider {

    static final String ID = "ascend";

    private final Map<String, String> environment;

    /** Makes the provider; touches nothing native. */
    public AscendBackendProvider() {
        this(System.getenv());
    }

    AscendBackendProvider(Map<String, String> environment) {
        this.environment = Map.copyOf(environment);
    }

    @Override
    public String id() {
        return ID;
    }

    @Override
    public String spiVersion() {
        return Spi.VERSION;
    }

    @Override
    public String description() {
        return "Huawei Ascend NPUs through CANN (never run on one; see docs/ascend.md)";
    }

    @Override
    public int priority() {
        return 100;
    }

    @Override
    public Availability probe() {
        try {
            List<DeviceInfo> devices = devices(libraries());
            return devices.isEmpty()
                    ? new Availability.Unavailable(
                            Availability.Reason.NO_DEVICE,
                            "CANN is there, and sees no device",
                            "check npu-smi info, and ASCEND_RT_VISIBLE_DEVICES in the environment")
                    : new Availability.Available(devices);
        } catch (VendorLibraryException missing) {
            return new Availability.Unavailable(
                    Availability.Reason.LIBRARY_MISSING, String.valueOf(missing.getMessage()), missing.remedy());
        } catch (BackendException failed) {
            Availability.Reason reason = failed.code() == BackendException.Code.LIBRARY
                    ? Availability.Reason.LIBRARY_MISSING
                    : Availability.Reason.OTHER;
            return new Availability.Unavailable(reason, String.valueOf(failed.getMessage()), failed.remedy());
        }
    }

    @Override
    public Backend open(DeviceInfo device, BackendOptions options) {
        AscendOptions asked = AscendOptions.of(ID, options);
        try {
            return new AscendBackend(
                    new AscendDevice(libraries(), device.ordinal(), device.address(), device.name()), device, asked);
        } catch (VendorLibraryException missing) {
            throw BackendException.of(
                    BackendException.Code.LIBRARY, String.valueOf(missing.getMessage()), missing.remedy(), missing);
        }
    }

    @Override
    public Optional<AbiAudit> abiAudit() {
        return Optional.of(CannAudit::run);
    }

    private CannLibraries libraries() {
        return Simulation.of(environment)
                .map(Simulation::libraries)
                .orElseGet(() -> CannLibraries.ofEnvironment(environment));
    }

    private List<DeviceInfo> devices(CannLibraries libraries) {
        boolean simulated = Simulation.of(environment).isPresent();
        AclRuntime runtime = new AclRuntime(libraries, ID);
        runtime.initialise();
        int count = runtime.deviceCount();
        String soc = String.valueOf(runtime.socName());
        List<DeviceInfo> devices = new ArrayList<>();
        for (int i = 0; i < count; i++) {
            Map<String, String> facts = new TreeMap<>();
            libraries.origins().forEach((role, origin) -> facts.put("library." + role, origin));
            devices.add(new DeviceInfo(ID, i, simulated ? soc + " (SIMULATED)" : soc, -1, simulated, facts));
        }
        return devices;
    }
}
