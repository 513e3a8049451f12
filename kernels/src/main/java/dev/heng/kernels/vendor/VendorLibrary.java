package dev.heng.kernels.vendor;

import com.sun.jna.Function;
import com.sun.jna.NativeLibrary;
import dev.heng.kernels.abi.FunctionDeclaration;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;

/**
 * One loaded library of a vendor. It is never unloaded: vendors' libraries keep threads and thread-local state.
 *
 * <p>Threading: safe for use by several threads.
 */
public final class VendorLibrary {

    private final NativeLibrary library;
    private final String origin;

    private VendorLibrary(NativeLibrary library, String origin) {
        this.library = library;
        this.origin = origin;
    }

    /** Returns the file that was loaded, or the bare name that the system's loader resolved. */
    public String origin() {
        return origin;
    }

    /**
     * Loads the first of several names that is there: each name in each folder, and then by the system's own search.
     *
     * @param names file names, such as {@code libacl_rt.so}, the preferred one first
     * @param folders where to look first
     * @param remedy what to do if none can be loaded
     * @throws VendorLibraryException if one is there and cannot be loaded, or none is there; the message holds what the loader said
     */
    public static VendorLibrary load(List<String> names, List<Path> folders, String remedy) {
        for (String name : names) {
            for (Path folder : folders) {
                Path file = folder.resolve(name);
                if (Files.isRegularFile(file)) {
                    String path = file.toAbsolutePath().toString();
                    try {
                        return open(path);
                    } catch (UnsatisfiedLinkError broken) {
                        // Another installation that happens to load would be a silent fallback.
                        throw new VendorLibraryException(
                                path + " is there but cannot be loaded: " + reason(broken), remedy);
                    }
                }
            }
        }
        List<String> said = new ArrayList<>();
        for (String name : names) {
            try {
                return open(name);
            } catch (UnsatisfiedLinkError absent) {
                said.add(reason(absent));
            }
        }
        String places = folders.isEmpty()
                ? ""
                : "not in " + folders.stream().map(Path::toString).collect(Collectors.joining(", ")) + "; ";
        throw new VendorLibraryException(
                "none of " + String.join(", ", names) + " is there (" + places + String.join("; ", said) + ")", remedy);
    }

    private static VendorLibrary open(String name) {
        return new VendorLibrary(NativeLibrary.getInstance(name), name);
    }

    /** JNA says first what it could not do, and then, line by line, what the system said of each attempt. */
    private static String reason(UnsatisfiedLinkError error) {
        List<String> lines = String.valueOf(error.getMessage()).lines().toList();
        return lines.size() > 1
                ? lines.get(1).strip()
                : String.valueOf(error.getMessage()).strip();
    }

    /** Returns the function if this library, or one that it depends on, exports it, else null. */
    public @Nullable VendorFunction find(FunctionDeclaration declaration) {
        try {
            Function function = library.getFunction(declaration.name());
            return new VendorFunction(declaration, function);
        } catch (UnsatisfiedLinkError absent) {
            return null;
        }
    }

    @Override
    public String toString() {
        return origin;
    }
}
