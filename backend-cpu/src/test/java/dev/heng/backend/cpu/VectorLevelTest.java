package dev.heng.backend.cpu;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.heng.spi.Availability;
import dev.heng.spi.Backend;
import dev.heng.spi.BackendException;
import dev.heng.spi.BackendOptions;
import dev.heng.spi.CompileOptions;
import dev.heng.spi.DeviceInfo;
import dev.heng.spi.Program;
import dev.heng.spi.graph.ActivationFormat;
import dev.heng.spi.graph.Graph;
import dev.heng.spi.tensor.DType;
import dev.heng.spi.tensor.Dim;
import dev.heng.spi.tensor.Quantization;
import java.lang.foreign.Arena;
import java.util.Map;
import org.junit.jupiter.api.Test;

/** What is particular to level {@code vector}; that it computes what other levels compute is tested with them. */
final class VectorLevelTest {

    private static final Map<String, Long> MAXIMA =
            Map.of(Dim.TOKENS, 2L, Dim.OUTPUTS, 1L, Dim.SEQUENCES, 1L, Dim.PAGES, 1L, Dim.PAGES_PER_SEQUENCE, 1L);

    private static Backend open(Map<String, String> settings) {
        CpuBackendProvider provider = new CpuBackendProvider();
        DeviceInfo device = assertInstanceOf(Availability.Available.class, provider.probe())
                .devices()
                .getFirst();
        return provider.open(device, new BackendOptions(settings));
    }

    @Test
    void deviceAndPlanSayWhatRuns() {
        try (Backend backend = open(Map.of("level", "vector"));
                Arena arena = Arena.ofConfined()) {
            assertEquals("vector", backend.device().facts().get("level"));
            Graph graph = TinyModel.graph(DType.F32, Quantization.NONE, ActivationFormat.FLOAT, false);
            try (Program program = backend.compile(graph, TinyModel.weights(arena), CompileOptions.of(MAXIMA))) {
                for (Program.Step step : program.plan()) {
                    assertTrue(step.kernel().equals("view") || step.kernel().startsWith("vector "), step.kernel());
                }
            }
        }
    }

    @Test
    void threadsCannotBePinned() {
        BackendException refused = assertThrows(
                BackendException.class,
                () -> open(Map.of("level", "vector", "pin", "true")).close());
        assertEquals(BackendException.Code.INVALID_OPTION, refused.code());
    }
}
