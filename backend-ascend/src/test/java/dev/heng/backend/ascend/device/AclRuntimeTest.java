package dev.heng.backend.ascend.device;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.heng.backend.ascend.binding.CannLibraries;
import dev.heng.backend.ascend.device.AclRuntime.CopyKind;
import dev.heng.simulators.ascend.SimulatedCann;
import dev.heng.simulators.ascend.SimulatedCann.Release;
import dev.heng.spi.BackendException;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.List;
import java.util.concurrent.atomic.AtomicReference;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/** The runtime against the simulated CANN. A device was never there. */
final class AclRuntimeTest {

    private static final long BYTES = 4096;

    private final Simulator simulator = new Simulator(Release.HEAD);
    private final AclRuntime runtime =
            new AclRuntime(new CannLibraries(List.of(SimulatedCann.folder(Release.HEAD))), "ascend:0 (SIMULATED)");

    @BeforeEach
    void open() {
        simulator.set("HENG_SIMULATE_DELAY_US", "0");
        runtime.initialise();
        runtime.setDevice(0);
    }

    @AfterEach
    void everythingIsGivenBack() {
        for (String setting :
                List.of("HENG_SIMULATE_FAIL_ALLOCATION", "HENG_SIMULATE_LOSE_DEVICE", "HENG_SIMULATE_STUB")) {
            simulator.set(setting, "0");
        }
        runtime.resetDevice(0);
        for (String counter :
                List.of("device_allocations", "host_allocations", "streams", "events", "contexts", "graphs")) {
            assertEquals(0, simulator.counter(counter), counter);
        }
    }

    @SuppressWarnings("restricted") // every allocation of these tests has this size
    private static MemorySegment memory(long address) {
        return MemorySegment.ofAddress(address).reinterpret(BYTES);
    }

    private static BackendException fails(BackendException.Code code, Runnable call) {
        BackendException failure = assertThrows(BackendException.class, call::run);
        assertEquals(code, failure.code(), failure.getMessage());
        return failure;
    }

    @Test
    void bytesGoToTheDeviceAndComeBack() {
        long stream = runtime.createStream();
        long host = runtime.allocateHost(BYTES);
        long back = runtime.allocateHost(BYTES);
        long device = runtime.allocate(BYTES);
        for (long i = 0; i < BYTES / 8; i++) {
            memory(host).setAtIndex(ValueLayout.JAVA_LONG, i, i * i);
        }
        runtime.copyAsync(device, host, BYTES, CopyKind.HOST_TO_DEVICE, stream);
        runtime.fillAsync(device, 8, (byte) 0x7F, stream);
        runtime.copyAsync(back, device, BYTES, CopyKind.DEVICE_TO_HOST, stream);
        runtime.synchronise(stream);
        assertEquals(0x7F7F7F7F7F7F7F7FL, memory(back).get(ValueLayout.JAVA_LONG, 0));
        assertEquals(81, memory(back).getAtIndex(ValueLayout.JAVA_LONG, 9));
        assertEquals(2, simulator.counter("device_allocations") + simulator.counter("streams"));
        runtime.free(device);
        runtime.freeHost(host);
        runtime.freeHost(back);
        runtime.destroyStream(stream);
    }

    @Test
    void aThreadWithoutAContextIsToldSo() throws InterruptedException {
        AtomicReference<String> said = new AtomicReference<>("");
        Thread thread = Thread.ofPlatform().start(() -> {
            try {
                runtime.createStream();
            } catch (BackendException e) {
                said.set(String.valueOf(e.getMessage()));
            }
        });
        thread.join();
        assertTrue(said.get().contains("107002") && said.get().contains("aclrtSetDevice"), said.get());
    }

    @Test
    void memoryThatIsFreedUnderQueuedWorkIsCaught() {
        simulator.set("HENG_SIMULATE_DELAY_US", "20000");
        long stream = runtime.createStream();
        long device = runtime.allocate(BYTES);
        runtime.fillAsync(device, BYTES, (byte) 1, stream);
        runtime.fillAsync(device, BYTES, (byte) 2, stream);
        runtime.free(device);
        BackendException failure = fails(BackendException.Code.NATIVE_FAILURE, () -> runtime.synchronise(stream));
        assertTrue(String.valueOf(failure.getMessage()).contains("freed while work"), failure.getMessage());
        runtime.destroyStream(stream);
    }

    @Test
    void outOfMemoryIsTypedAndTheDeviceStaysUsable() {
        long[] before = runtime.memory();
        fails(BackendException.Code.OUT_OF_MEMORY, () -> runtime.allocate(before[1] + 1));
        simulator.set("HENG_SIMULATE_FAIL_ALLOCATION", "2");
        long first = runtime.allocate(BYTES);
        fails(BackendException.Code.OUT_OF_MEMORY, () -> runtime.allocate(BYTES));
        runtime.free(first);
        assertEquals(before[0], runtime.memory()[0]);
    }

    @Test
    void aLostDeviceIsLost() {
        simulator.set("HENG_SIMULATE_LOSE_DEVICE", "1");
        long stream = runtime.createStream();
        long device = runtime.allocate(BYTES);
        runtime.fillAsync(device, BYTES, (byte) 1, stream);
        runtime.fillAsync(device, BYTES, (byte) 2, stream);
        fails(BackendException.Code.DEVICE_LOST, () -> runtime.synchronise(stream));
        runtime.free(device);
        runtime.destroyStream(stream);
    }

    @Test
    void stubLibrariesAreNamed() {
        simulator.set("HENG_SIMULATE_STUB", "1");
        BackendException failure = fails(BackendException.Code.LIBRARY, runtime::deviceCount);
        assertTrue(failure.remedy().contains("driver"), failure.remedy());
    }

    @Test
    void waitingEnds() {
        simulator.set("HENG_SIMULATE_DELAY_US", "400000");
        long stream = runtime.createStream();
        long device = runtime.allocate(BYTES);
        for (int i = 0; i < 8; i++) {
            runtime.fillAsync(device, BYTES, (byte) 1, stream);
        }
        fails(BackendException.Code.TIMEOUT, () -> runtime.synchronise(stream, 1));
        fails(BackendException.Code.NATIVE_FAILURE, () -> runtime.synchronise(stream, 0));
        runtime.synchronise(stream);
        runtime.free(device);
        runtime.destroyStream(stream);
    }

    @Test
    void eventsOrderStreams() {
        simulator.set("HENG_SIMULATE_DELAY_US", "5000");
        long first = runtime.createStream();
        long second = runtime.createStream();
        long event = runtime.createEvent();
        long device = runtime.allocate(BYTES);
        long host = runtime.allocateHost(BYTES);
        for (int round = 1; round <= 20; round++) {
            runtime.fillAsync(device, BYTES, (byte) round, first);
            runtime.record(event, first);
            runtime.waitFor(second, event);
            runtime.copyAsync(host, device, BYTES, CopyKind.DEVICE_TO_HOST, second);
            runtime.synchronise(second);
            assertEquals((byte) round, memory(host).get(ValueLayout.JAVA_BYTE, BYTES - 1));
        }
        runtime.destroyEvent(event);
        runtime.free(device);
        runtime.freeHost(host);
        runtime.destroyStream(first);
        runtime.destroyStream(second);
    }

    @Test
    void aCapturedGraphRepeatsItsWorkAndForbidsWaiting() {
        assertTrue(runtime.canCapture());
        long stream = runtime.createStream();
        long device = runtime.allocate(BYTES);
        long host = runtime.allocateHost(BYTES);
        runtime.beginCapture(stream);
        runtime.copyAsync(device, host, BYTES, CopyKind.HOST_TO_DEVICE, stream);
        runtime.fillAsync(device, 1, (byte) 9, stream);
        runtime.copyAsync(host, device, BYTES, CopyKind.DEVICE_TO_HOST, stream);
        BackendException waiting = fails(BackendException.Code.NATIVE_FAILURE, () -> runtime.synchronise(stream));
        assertTrue(String.valueOf(waiting.getMessage()).contains("107027"), waiting.getMessage());
        long graph = runtime.endCapture(stream);
        for (byte round = 1; round <= 3; round++) {
            memory(host).fill(round);
            runtime.execute(graph, stream);
            runtime.synchronise(stream);
            assertEquals(9, memory(host).get(ValueLayout.JAVA_BYTE, 0));
            assertEquals(round, memory(host).get(ValueLayout.JAVA_BYTE, BYTES - 1));
        }
        runtime.destroyGraph(graph);
        runtime.free(device);
        runtime.freeHost(host);
        runtime.destroyStream(stream);
    }

    @Test
    void aReleaseOf2024RunsWithoutCapture() {
        CannLibraries old = new CannLibraries(List.of(SimulatedCann.folder(Release.OF_2024)));
        AclRuntime runtimeOf2024 = new AclRuntime(old, "ascend:0 (SIMULATED)");
        runtimeOf2024.initialise();
        runtimeOf2024.setDevice(0);
        assertFalse(runtimeOf2024.canCapture());
        long stream = runtimeOf2024.createStream();
        BackendException failure = fails(BackendException.Code.LIBRARY, () -> runtimeOf2024.beginCapture(stream));
        assertTrue(String.valueOf(failure.getMessage()).contains("capability 'capture'"), failure.getMessage());
        runtimeOf2024.destroyStream(stream);
        runtimeOf2024.resetDevice(0);
        assertTrue(
                String.valueOf(old.origins().get("acl_rt")).endsWith("libascendcl.so"),
                old.origins().toString());
    }
}
