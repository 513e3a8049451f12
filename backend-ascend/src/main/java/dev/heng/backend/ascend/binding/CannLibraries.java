package dev.heng.backend.ascend.binding;

import dev.heng.kernels.abi.FunctionDeclaration;
import dev.heng.kernels.vendor.VendorFunction;
import dev.heng.kernels.vendor.VendorLibrary;
import dev.heng.kernels.vendor.VendorLibraryException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.ConcurrentHashMap;

/**
 * CANN's libraries: found, loaded when first needed, and asked for functions by name.
 *
 * <p>Folders are those of CANN's own set-up script: {@code $ASCEND_HOME_PATH/lib64}, {@code $ASCEND_TOOLKIT_HOME/lib64}, and then what the system's loader
 * searches, so that {@code LD_LIBRARY_PATH} and the usual places work. The runtime is libacl_rt.so since CANN 9 and libascendcl.so before; operators
 * are in three libraries since CANN 8.5 and in libopapi.so before, and the two are never mixed. Sources: hicann/runtime and hicann/ops-nn as named in the tables.
 *
 * <p>Threading: safe for use by several threads.
 */
public final class CannLibraries {

    private static final String REMEDY =
            "install CANN and its driver, and source its set_env.sh before starting (it sets ASCEND_HOME_PATH and LD_LIBRARY_PATH)";

    private static final Map<String, List<String>> NAMES = Map.of(
            "acl_rt", List.of("libacl_rt.so", "libascendcl.so"),
            "nnopbase", List.of("libnnopbase.so"),
            "opapi_nn", List.of("libopapi_nn.so"),
            "opapi_math", List.of("libopapi_math.so"),
            "opapi_transformer", List.of("libopapi_transformer.so"),
            "opapi", List.of("libopapi.so"),
            "hccl", List.of("libhccl.so"),
            "hcomm", List.of("libhcomm.so", "libhccl.so"));

    private final List<Path> folders;
    private final Map<String, VendorLibrary> loaded = new ConcurrentHashMap<>();
    private final Map<String, Optional<VendorFunction>> functions = new ConcurrentHashMap<>();

    /**
     * Looks in these folders first.
     *
     * @param folders folders of shared libraries; copied
     */
    public CannLibraries(List<Path> folders) {
        this.folders = List.copyOf(folders);
    }

    /** Returns the libraries of the installation that the environment names. Nothing is loaded yet. */
    public static CannLibraries ofEnvironment(Map<String, String> environment) {
        List<Path> folders = new ArrayList<>();
        for (String variable : List.of("ASCEND_HOME_PATH", "ASCEND_TOOLKIT_HOME")) {
            String home = environment.get(variable);
            if (home != null && !home.isBlank()) {
                folders.add(Path.of(home, "lib64"));
            }
        }
        return new CannLibraries(folders);
    }

    /**
     * Returns a function.
     *
     * @param name its symbol
     * @throws VendorLibraryException if its library cannot be loaded, or this release lacks the symbol
     * @throws IllegalArgumentException if the tables do not have it
     */
    public VendorFunction function(String name) {
        FunctionDeclaration declaration = CannAbi.table().function(name);
        return find(declaration)
                .orElseThrow(() -> new VendorLibraryException(
                        library(declaration.library()) + " does not export " + name
                                + (declaration.since().isEmpty()
                                        ? ""
                                        : ", which older releases lack (capability '" + declaration.since() + "')"),
                        "install a newer CANN"));
    }

    /**
     * Answers whether a function can be called. A library that is not there counts as a symbol that is not there.
     *
     * @param name its symbol, of the tables
     */
    public boolean has(String name) {
        try {
            return find(CannAbi.table().function(name)).isPresent();
        } catch (VendorLibraryException absent) {
            return false;
        }
    }

    /** Returns where the libraries that are loaded came from, by role. */
    public Map<String, String> origins() {
        Map<String, String> origins = new ConcurrentHashMap<>();
        loaded.forEach((role, library) -> origins.put(role, library.origin()));
        return origins;
    }

    private Optional<VendorFunction> find(FunctionDeclaration declaration) {
        Optional<VendorFunction> known = functions.get(declaration.name());
        if (known == null) {
            known = Optional.ofNullable(library(declaration.library()).find(declaration));
            functions.put(declaration.name(), known);
        }
        return known;
    }

    private VendorLibrary library(String role) {
        return role.startsWith("opapi_") && !isSplit()
                ? loaded.computeIfAbsent("opapi", this::load)
                : loaded.computeIfAbsent(role, this::load);
    }

    private VendorLibrary load(String role) {
        return VendorLibrary.load(NAMES.getOrDefault(role, List.of("lib" + role + ".so")), folders, REMEDY);
    }

    /** Whether operators come in three libraries. The total library of older releases must not be loaded beside them. */
    private boolean isSplit() {
        if (loaded.containsKey("opapi")) {
            return false;
        }
        return folders.stream().noneMatch(folder -> Files.isRegularFile(folder.resolve("libopapi.so")))
                || folders.stream().anyMatch(folder -> Files.isRegularFile(folder.resolve("libopapi_nn.so")));
    }
}
