package dev.heng.backend.ascend.binding;

import com.sun.jna.NativeLibrary;
import dev.heng.kernels.vendor.VendorLibraryException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/**
 * The simulated CANN instead of the real one, only if {@code HENG_SIMULATE=ascend} or {@code ascend:PROFILE} says so.
 *
 * <p>Profiles are a2, a3, 950 and 310p. The libraries are those that the build made ({@code simulators/target/native/ascend}) below the checkout that the
 * property {@code heng.home} names, or in the folder that {@code HENG_SIMULATOR_PATH} names.
 */
public final class Simulation {

    private static final List<String> PROFILES = List.of("a2", "a3", "950", "310p");

    private final Path folder;
    private final String profile;

    private Simulation(Path folder, String profile) {
        this.folder = folder;
        this.profile = profile;
    }

    /**
     * Returns the simulation that the environment asks for, if any.
     *
     * @throws VendorLibraryException if it asks for a profile that does not exist, or the simulator is not built
     */
    public static Optional<Simulation> of(Map<String, String> environment) {
        String wish = environment.getOrDefault("HENG_SIMULATE", "");
        if (!wish.equals("ascend") && !wish.startsWith("ascend:")) {
            return Optional.empty();
        }
        String profile = wish.equals("ascend") ? "a2" : wish.substring("ascend:".length());
        if (!PROFILES.contains(profile)) {
            throw new VendorLibraryException(
                    "HENG_SIMULATE is '" + wish + "'", "give ascend, or ascend: and one of " + PROFILES);
        }
        String path = environment.getOrDefault(
                "HENG_SIMULATOR_PATH", System.getProperty("heng.home", ".") + "/simulators/target/native/ascend/head");
        Path folder = Path.of(path);
        if (!Files.isRegularFile(folder.resolve("libascendcl.so"))) {
            throw new VendorLibraryException(
                    "HENG_SIMULATE is '" + wish + "', and there is no simulator in " + folder,
                    "build it (mvn -pl simulators package), or set HENG_SIMULATOR_PATH to its folder");
        }
        return Optional.of(new Simulation(folder, profile));
    }

    /** Returns the simulated libraries, told of the profile. */
    public CannLibraries libraries() {
        // A process cannot change its own environment, so the profile is told by the simulator's own lever.
        NativeLibrary.getInstance(
                        folder.resolve("libascendcl.so").toAbsolutePath().toString())
                .getFunction("heng_sim_set")
                .invokeVoid(new Object[] {"HENG_SIMULATE_SOC", profile});
        return new CannLibraries(List.of(folder));
    }
}
