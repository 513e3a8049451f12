package dev.heng.backend.ascend.binding;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.heng.kernels.vendor.VendorFunction;
import dev.heng.kernels.vendor.VendorLibraryException;
import dev.heng.simulators.ascend.SimulatedCann;
import dev.heng.simulators.ascend.SimulatedCann.Release;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

final class CannLibrariesTest {

    /** HCCL is asked for, because a bare name finds whatever this process has loaded, and other tests load the simulated runtime. */
    @Test
    void withoutCannTheMessageNamesLibrariesAndTheRemedy(@TempDir Path empty) {
        CannLibraries libraries = CannLibraries.ofEnvironment(Map.of("ASCEND_HOME_PATH", empty.toString()));
        VendorLibraryException absent =
                assertThrows(VendorLibraryException.class, () -> libraries.function("HcclGetRootInfo"));
        assertTrue(String.valueOf(absent.getMessage()).contains("libhcomm.so, libhccl.so"), absent.getMessage());
        assertTrue(
                String.valueOf(absent.getMessage())
                        .contains(empty.resolve("lib64").toString()),
                absent.getMessage());
        assertTrue(absent.remedy().contains("set_env.sh"), absent.remedy());
        assertFalse(libraries.has("HcclGetRootInfo"));
    }

    @Test
    void aLibraryThatDoesNotLoadIsQuoted(@TempDir Path home) throws IOException {
        Files.createDirectories(home.resolve("lib64"));
        Files.writeString(home.resolve("lib64/libacl_rt.so"), "not a library");
        CannLibraries libraries = CannLibraries.ofEnvironment(Map.of("ASCEND_HOME_PATH", home.toString()));
        VendorLibraryException broken = assertThrows(VendorLibraryException.class, () -> libraries.function("aclInit"));
        assertTrue(
                String.valueOf(broken.getMessage())
                        .contains(home.resolve("lib64/libacl_rt.so").toString()),
                broken.getMessage());
    }

    @Test
    void theNewNameOfTheRuntimeIsPreferred() {
        CannLibraries libraries = new CannLibraries(List.of(SimulatedCann.folder(Release.HEAD)));
        assertTrue(libraries.has("aclrtMalloc"));
        assertTrue(String.valueOf(libraries.origins().get("acl_rt")).endsWith("libacl_rt.so"));
    }

    @Test
    void argumentsAreHeldToTheDeclaration() {
        VendorFunction malloc = new CannLibraries(List.of(SimulatedCann.folder(Release.HEAD))).function("aclrtMalloc");
        assertThrows(IllegalArgumentException.class, () -> malloc.callInt(0L, 1L));
        assertThrows(IllegalArgumentException.class, () -> malloc.callInt(0L, 1, 0));
        assertThrows(IllegalArgumentException.class, () -> malloc.callLong(0L, 1L, 0));
        assertEquals(3, malloc.declaration().parameters().size());
    }
}
