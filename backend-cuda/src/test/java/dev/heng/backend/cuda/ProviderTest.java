package dev.heng.backend.cuda;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.heng.backend.cuda.device.DriverLibrary;
import dev.heng.spi.Availability;
import dev.heng.spi.BackendException;
import dev.heng.spi.BackendOptions;
import dev.heng.spi.BackendProvider;
import dev.heng.spi.DeviceInfo;
import java.util.Map;
import java.util.ServiceLoader;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.Test;

/** What a machine without a GPU sees. Where a driver is, the conformance suite is the test. */
final class ProviderTest {

    private static final DeviceInfo DEVICE = new DeviceInfo("cuda", 0, "none", -1, false, Map.of());

    @Test
    void isFoundAsAService() {
        assertTrue(ServiceLoader.load(BackendProvider.class).stream()
                .anyMatch(provider -> provider.type() == CudaBackendProvider.class));
    }

    @Test
    void saysWhatIsMissingAndWhatToDo() {
        Assumptions.assumeTrue(DriverLibrary.load() instanceof DriverLibrary.Failed, "a driver is here");
        Availability.Unavailable answer = (Availability.Unavailable) new CudaBackendProvider().probe();
        assertEquals(Availability.Reason.LIBRARY_MISSING, answer.reason());
        assertTrue(answer.detail().contains("libcuda.so.1"), answer.detail());
        assertTrue(answer.remedy().contains("driver"), answer.remedy());
        assertFalse(answer.detail().contains("\n"), "one line for a table");
    }

    @Test
    void doesNotOpenWithoutADriver() {
        Assumptions.assumeTrue(DriverLibrary.load() instanceof DriverLibrary.Failed, "a driver is here");
        BackendException refused = assertThrows(
                BackendException.class, () -> new CudaBackendProvider().open(DEVICE, BackendOptions.none()));
        assertEquals(BackendException.Code.LIBRARY, refused.code());
    }

    @Test
    void refusesUnknownOptions() {
        BackendException refused = assertThrows(
                BackendException.class,
                () -> new CudaBackendProvider().open(DEVICE, new BackendOptions(Map.of("stream", "3"))));
        assertEquals(BackendException.Code.INVALID_OPTION, refused.code());
    }
}
