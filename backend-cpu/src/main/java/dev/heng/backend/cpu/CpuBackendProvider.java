package dev.heng.backend.cpu;

import dev.heng.backend.reference.HostMemory;
import dev.heng.kernels.cpu.CpuKernelException;
import dev.heng.kernels.cpu.CpuLibrary;
import dev.heng.spi.Availability;
import dev.heng.spi.Backend;
import dev.heng.spi.BackendException;
import dev.heng.spi.BackendOptions;
import dev.heng.spi.BackendProvider;
import dev.heng.spi.DeviceInfo;
import dev.heng.spi.Spi;
import java.util.List;
import java.util.Map;
import java.util.Set;

/** The door to backend {@code cpu}: the host's processor through the native kernels of heng-kernels. */
public final class CpuBackendProvider implements BackendProvider {

    static final String ID = "cpu";

    /** Option of {@link #open}: threads of the team, the calling one included; the default is all processors of the process. */
    static final String THREADS = "threads";

    /** Option of {@link #open}: a dispatch level, see the fact "levels"; the default is the best that runs. */
    static final String LEVEL = "level";

    /** Option of {@link #open}: "true" binds each thread to a processor, "false" (the default) leaves that to the system. */
    static final String PIN = "pin";

    /** Makes the provider; touches nothing native. */
    public CpuBackendProvider() {}

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
        return "this machine's processor, through native kernels (AVX2, AVX-512, NEON)";
    }

    @Override
    public int priority() {
        return 50;
    }

    @Override
    public Availability probe() {
        return switch (CpuLibrary.load()) {
            case CpuLibrary.Loaded loaded -> new Availability.Available(List.of(describe(loaded.library())));
            case CpuLibrary.Missing missing ->
                new Availability.Unavailable(Availability.Reason.LIBRARY_MISSING, missing.detail(), missing.remedy());
        };
    }

    @Override
    public Backend open(DeviceInfo device, BackendOptions options) {
        options.requireKnown(ID, Set.of(THREADS, LEVEL, PIN));
        return switch (CpuLibrary.load()) {
            case CpuLibrary.Loaded loaded -> openNative(loaded.library(), options);
            case CpuLibrary.Missing missing ->
                throw BackendException.of(BackendException.Code.LIBRARY, missing.detail(), missing.remedy());
        };
    }

    private static Backend openNative(CpuLibrary library, BackendOptions options) {
        DeviceInfo described = describe(library);
        int threads = threads(options);
        boolean pin = pin(options);
        try {
            return new CpuBackend(
                    new NativeKernels(library, threads, pin, level(options, library)), described, threads, pin);
        } catch (CpuKernelException e) {
            throw CpuBackend.translated(e, described.address());
        }
    }

    private static DeviceInfo describe(CpuLibrary library) {
        return new DeviceInfo(
                ID,
                0,
                ProcessorFacts.modelName(),
                HostMemory.totalBytes(),
                false,
                Map.of(
                        "library", library.origin(),
                        "levels", String.join(" ", library.levels()),
                        "features", library.features(),
                        "processors", Integer.toString(Runtime.getRuntime().availableProcessors())));
    }

    private static int threads(BackendOptions options) {
        String text = options.settings().get(THREADS);
        if (text == null) {
            return Runtime.getRuntime().availableProcessors();
        }
        try {
            int threads = Integer.parseInt(text);
            if (threads >= 1 && threads <= 1024) {
                return threads;
            }
        } catch (NumberFormatException e) {
            // Told below, together with numbers out of range.
        }
        throw badOption(THREADS, text, "a number from 1 to 1024");
    }

    private static boolean pin(BackendOptions options) {
        String text = options.settings().getOrDefault(PIN, "false");
        return switch (text) {
            case "true" -> true;
            case "false" -> false;
            default -> throw badOption(PIN, text, "true or false");
        };
    }

    private static String level(BackendOptions options, CpuLibrary library) {
        String text = options.settings().getOrDefault(LEVEL, "");
        if (!text.isEmpty() && !library.levels().contains(text)) {
            throw badOption(LEVEL, text, "one of those that run here: " + String.join(", ", library.levels()));
        }
        return text;
    }

    private static BackendException badOption(String name, String value, String wanted) {
        return BackendException.of(
                BackendException.Code.INVALID_OPTION,
                "backend 'cpu': option '" + name + "' is '" + value + "'",
                "give " + wanted);
    }
}
