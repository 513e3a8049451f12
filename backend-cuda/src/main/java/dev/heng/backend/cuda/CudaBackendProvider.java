package dev.heng.backend.cuda;

import dev.heng.backend.cuda.device.CudaDevice;
import dev.heng.backend.cuda.device.DriverLibrary;
import dev.heng.kernels.cuda.CudaKernels;
import dev.heng.spi.Availability;
import dev.heng.spi.Backend;
import dev.heng.spi.BackendException;
import dev.heng.spi.BackendOptions;
import dev.heng.spi.BackendProvider;
import dev.heng.spi.DeviceInfo;
import dev.heng.spi.Spi;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;

/** The door to backend {@code cuda}: NVIDIA GPUs through the driver API and the kernels of heng-kernels. */
public final class CudaBackendProvider implements BackendProvider {

    static final String ID = "cuda";

    /** Makes the provider; touches nothing native. */
    public CudaBackendProvider() {}

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
        return "NVIDIA GPUs (compute capability 8.0 and later) through the CUDA driver";
    }

    @Override
    public int priority() {
        return 100;
    }

    @Override
    public Availability probe() {
        return switch (DriverLibrary.load()) {
            case DriverLibrary.Failed failed ->
                new Availability.Unavailable(failed.reason(), failed.detail(), failed.remedy());
            case DriverLibrary.Loaded _ -> probeDevices();
        };
    }

    private static Availability probeDevices() {
        List<DeviceInfo> usable = new ArrayList<>();
        String detail = "the driver is there and shows no device";
        String remedy = "check nvidia-smi, and that CUDA_VISIBLE_DEVICES does not hide the GPU";
        try {
            for (DeviceInfo device : DriverLibrary.devices(ID)) {
                String[] capability =
                        device.facts().getOrDefault("computeCapability", "0.0").split("\\.", -1);
                int major = Integer.parseInt(capability[0]);
                switch (CudaKernels.forCapability(major, Integer.parseInt(capability[1]))) {
                    case CudaKernels.Found _ -> usable.add(device);
                    case CudaKernels.Missing _ when CudaDevice.isCompiledFor(major) -> usable.add(device);
                    case CudaKernels.Missing missing -> {
                        detail = device.address() + " (" + device.name() + "): " + missing.detail();
                        remedy = CudaDevice.remedy(missing, major);
                    }
                }
            }
        } catch (BackendException e) {
            return new Availability.Unavailable(Availability.Reason.OTHER, String.valueOf(e.getMessage()), e.remedy());
        }
        return usable.isEmpty()
                ? new Availability.Unavailable(Availability.Reason.NO_DEVICE, detail, remedy)
                : new Availability.Available(usable);
    }

    @Override
    public Backend open(DeviceInfo device, BackendOptions options) {
        options.requireKnown(ID, Set.of(LinearChoice.OPTION));
        LinearChoice linear = LinearChoice.of(options, device);
        return switch (DriverLibrary.load()) {
            case DriverLibrary.Failed failed ->
                throw BackendException.of(BackendException.Code.LIBRARY, failed.detail(), failed.remedy());
            case DriverLibrary.Loaded _ -> new CudaBackend(CudaDevice.open(device), device, linear);
        };
    }
}
