package dev.heng.backend.ascend;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.heng.backend.ascend.binding.CannLibraries;
import dev.heng.backend.ascend.device.Simulator;
import dev.heng.simulators.ascend.SimulatedCann;
import dev.heng.simulators.ascend.SimulatedCann.Release;
import dev.heng.spi.Backend;
import dev.heng.spi.BackendException;
import dev.heng.spi.Batch;
import dev.heng.spi.Bindings;
import dev.heng.spi.Buffer;
import dev.heng.spi.BufferRequest;
import dev.heng.spi.CompileOptions;
import dev.heng.spi.DeviceInfo;
import dev.heng.spi.Program;
import dev.heng.spi.WeightSource.WeightData;
import dev.heng.spi.graph.ActivationFormat;
import dev.heng.spi.graph.Graph;
import dev.heng.spi.graph.GraphBuilder;
import dev.heng.spi.graph.Value;
import dev.heng.spi.tensor.DType;
import dev.heng.spi.tensor.Dim;
import dev.heng.spi.tensor.Quantization;
import dev.heng.spi.tensor.Shape;
import dev.heng.spi.tensor.TensorType;
import java.lang.foreign.MemorySegment;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

/** What goes wrong on a device, injected into the simulated one at every place in turn. */
final class AscendFaultsTest {

    private static final Map<String, Long> ROWS = Map.of(Dim.TOKENS, 3L);
    private static final int WIDTH = 8;

    private final Simulator simulator = new Simulator(Release.HEAD);

    private static Graph graph() {
        GraphBuilder builder = new GraphBuilder("two");
        TensorType rows = new TensorType(DType.F32, Shape.of(Dim.of(Dim.TOKENS), Dim.of(WIDTH)), Quantization.NONE);
        Value x = builder.input("x", rows);
        Value weight = builder.weight("w", new TensorType(DType.BF16, Shape.of(WIDTH, WIDTH), Quantization.NONE));
        Value y = builder.linear("product", x, weight, ActivationFormat.FLOAT, DType.F32);
        builder.output("y", builder.plus("sum", y, x));
        return builder.build();
    }

    private static Backend open() {
        return new AscendBackend(
                new AscendDevice(
                        new CannLibraries(List.of(SimulatedCann.folder(Release.HEAD))),
                        0,
                        "ascend:0 (SIMULATED)",
                        "Ascend910B3"),
                new DeviceInfo("ascend", 0, "Ascend910B3 (SIMULATED)", -1, true, Map.of()),
                AscendOptions.NONE);
    }

    /** Opens, compiles, runs and reads; closes whatever was made, also when something fails. */
    private static void everything() {
        Graph graph = graph();
        try (Backend backend = open();
                Program program = backend.compile(
                        graph,
                        _ -> WeightData.of(MemorySegment.ofArray(new byte[2 * WIDTH * WIDTH])),
                        CompileOptions.of(ROWS));
                Buffer x = backend.allocate(request("x", graph.value("x")));
                Buffer y = backend.allocate(
                        request("y", graph.outputs().values().iterator().next()))) {
            x.write(MemorySegment.ofArray(new float[3 * WIDTH]), 0);
            program.run(new Bindings(ROWS, Batch.NONE, Map.of("x", x, "y", y)));
            y.read(0, MemorySegment.ofArray(new float[3 * WIDTH]));
        }
    }

    private static BufferRequest request(String name, Value value) {
        return new BufferRequest(name, BufferRequest.Usage.TENSOR, value.type(), ROWS);
    }

    @AfterEach
    void nothingLeaks() {
        simulator.set("HENG_SIMULATE_FAIL_ALLOCATION", "0");
        simulator.set("HENG_SIMULATE_LOSE_DEVICE", "0");
        simulator.set("HENG_SIMULATE_STUB", "0");
        for (String counter : List.of("device_allocations", "host_allocations", "streams", "events", "graphs")) {
            assertEquals(0, simulator.counter(counter), counter);
        }
    }

    @Test
    void everyAllocationMayFailAndNothingLeaks() {
        simulator.set("HENG_SIMULATE_FAIL_ALLOCATION", "0");
        everything();
        long allocations = simulator.counter("allocation_calls");
        assertTrue(allocations >= 6, allocations + " allocations");
        for (long failing = 1; failing <= allocations; failing++) {
            simulator.set("HENG_SIMULATE_FAIL_ALLOCATION", Long.toString(failing));
            BackendException failure = assertThrows(BackendException.class, AscendFaultsTest::everything);
            assertEquals(BackendException.Code.OUT_OF_MEMORY, failure.code(), failure.getMessage());
            for (String counter : List.of("device_allocations", "host_allocations", "streams")) {
                assertEquals(0, simulator.counter(counter), counter + " after allocation " + failing + " failed");
            }
        }
        simulator.set("HENG_SIMULATE_FAIL_ALLOCATION", "0");
        everything();
    }

    @Test
    void stubLibrariesAreRefusedWithTheRemedy() {
        simulator.set("HENG_SIMULATE_STUB", "1");
        BackendException failure = assertThrows(BackendException.class, AscendFaultsTest::everything);
        assertEquals(BackendException.Code.LIBRARY, failure.code());
        assertTrue(failure.remedy().contains("driver"), failure.remedy());
    }
}
