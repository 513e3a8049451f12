package dev.heng.backend.cpu;

import dev.heng.backend.cpu.vector.VectorModule;
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
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;

/** The door to backend {@code cpu}: the host's processor through the native kernels of heng-kernels, or where they are missing through the Vector API. */
public final class CpuBackendProvider implements BackendProvider {

    static final String ID = "cpu";

    /** Option of {@link #open}: threads of the team, the calling one included; the default is all processors of the process. */
    static final String THREADS = "threads";

    /** Option of {@link #open}: a dispatch level, see the fact "levels"; the default is the best that runs. */
    static final String LEVEL = "level";

    /** Variable of the environment that names a level for want of the option. */
    static final String LEVEL_VARIABLE = "HENG_CPU_LEVEL";

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
        return "this machine's processor, through native kernels (AVX2, AVX-512, NEON) or the Vector API";
    }

    @Override
    public int priority() {
        return 50;
    }

    @Override
    public Availability probe() {
        return switch (CpuLibrary.load()) {
            case CpuLibrary.Loaded loaded -> new Availability.Available(List.of(describe(loaded.library())));
            case CpuLibrary.Missing missing
            when VectorModule.isPresent() -> new Availability.Available(List.of(describe(missing)));
            case CpuLibrary.Missing missing ->
                new Availability.Unavailable(
                        Availability.Reason.LIBRARY_MISSING,
                        missing.detail() + "; and the slower kernels in Java need module " + VectorModule.NAME,
                        missing.remedy() + "; or " + VectorModule.REMEDY);
        };
    }

    @Override
    public Backend open(DeviceInfo device, BackendOptions options) {
        options.requireKnown(ID, Set.of(THREADS, LEVEL, PIN));
        String level = options.settings().getOrDefault(LEVEL, environmentLevel());
        CpuLibrary.Loading loading = CpuLibrary.load();
        if (level.equals(VectorKernels.LEVEL)) {
            DeviceInfo described = switch (loading) {
                case CpuLibrary.Loaded loaded -> describe(loaded.library());
                case CpuLibrary.Missing missing -> describe(missing);
            };
            return openVector(described, options);
        }
        return switch (loading) {
            case CpuLibrary.Loaded loaded -> openNative(loaded.library(), options);
            case CpuLibrary.Missing missing when level.isEmpty() -> openVector(describe(missing), options);
            case CpuLibrary.Missing missing ->
                throw BackendException.of(
                        BackendException.Code.LIBRARY,
                        "backend 'cpu': level '" + level + "' needs the native library: " + missing.detail(),
                        missing.remedy() + "; or choose level " + VectorKernels.LEVEL);
        };
    }

    /** Returns the level that the environment asks for, which an option overrides. */
    private static String environmentLevel() {
        String level = System.getenv(LEVEL_VARIABLE);
        return level == null ? "" : level;
    }

    private static Backend openVector(DeviceInfo described, BackendOptions options) {
        if (!VectorModule.isPresent()) {
            throw BackendException.of(
                    BackendException.Code.LIBRARY,
                    "backend 'cpu': level '" + VectorKernels.LEVEL + "' needs module " + VectorModule.NAME
                            + ", which this Java was started without",
                    VectorModule.REMEDY);
        }
        int threads = threads(options);
        if (pin(options)) {
            throw badOption(PIN, "true", "false: Java threads cannot be bound to processors");
        }
        return new CpuBackend(new VectorKernels(threads), described, threads, false);
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
        List<String> levels = new ArrayList<>(library.levels());
        if (VectorModule.isPresent()) {
            levels.addFirst(VectorKernels.LEVEL);
        }
        return describe(
                ProcessorFacts.modelName(),
                Map.of(
                        "library", library.origin(),
                        "levels", String.join(" ", levels),
                        "features", library.features()));
    }

    /** Describes the processor without the native library: what is slow, why, and what to do, where every report shows it. */
    private static DeviceInfo describe(CpuLibrary.Missing missing) {
        return describe(
                ProcessorFacts.modelName() + " (Vector API: slower than the native kernels, which are missing)",
                Map.of(
                        "levels",
                        VectorKernels.LEVEL,
                        "library",
                        "none: " + missing.detail(),
                        DeviceInfo.REMEDY,
                        missing.remedy()));
    }

    private static DeviceInfo describe(String name, Map<String, String> facts) {
        Map<String, String> all = new HashMap<>(facts);
        all.put("processors", Integer.toString(Runtime.getRuntime().availableProcessors()));
        return new DeviceInfo(ID, 0, name, HostMemory.totalBytes(), false, all);
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
            throw badOption(
                    LEVEL,
                    text,
                    "one of those that run here: " + VectorKernels.LEVEL + ", " + String.join(", ", library.levels()));
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
