package dev.heng.backend.ascend.device;

import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.heng.simulators.ascend.SimulatedCann.Release;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.List;
import java.util.function.ToIntFunction;
import java.util.stream.Stream;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.TestFactory;

/** What HCCL's documents forbid, one mistake at a time, in a group of one rank: each is refused with the rule and its document. */
final class HcclViolationsTest {

    private static final long BYTES = 1024;
    private static final int F32 = 4;

    private final Simulator simulator = new Simulator(Release.HEAD);
    private final List<DynamicTest> tests = new ArrayList<>();

    private long communicator;
    private long memory;
    private long stream;

    private void violation(String soc, String name, String words, ToIntFunction<RawCann> mistake) {
        tests.add(DynamicTest.dynamicTest(name, () -> {
            simulator.set("HENG_SIMULATE_SOC", soc);
            simulator.set("HENG_SIMULATE_DELAY_US", "0");
            try (RawCann cann = new RawCann()) {
                cann.message();
                MemorySegment root = root(cann);
                MemorySegment cell = cann.cell();
                cann.call("HcclCommInitRootInfo", 1, root.address(), 0, cell.address());
                communicator = cell.get(java.lang.foreign.ValueLayout.JAVA_LONG, 0);
                memory = cann.device(2 * BYTES);
                stream = cann.stream();
                int status = mistake.applyAsInt(cann);
                String message = cann.message();
                simulator.set("HENG_SIMULATE_DELAY_US", "0");
                cann.call("aclrtSynchronizeStream", stream);
                cann.call("HcclCommDestroy", communicator);
                cann.call("aclrtDestroyStream", stream);
                cann.call("aclrtFree", memory);
                assertNotEquals(0, status, () -> "let pass: " + name);
                assertTrue(message.contains(words), message);
                assertTrue(message.contains("[rule: ") && message.contains("; source: "), message);
            } finally {
                simulator.set("HENG_SIMULATE_SOC", "a2");
            }
        }));
    }

    private static MemorySegment root(RawCann cann) {
        MemorySegment root = cann.host(4108);
        cann.call("HcclGetRootInfo", root.address());
        return root;
    }

    private int reduce(RawCann cann, long from, long to, long count, int type, int op) {
        return cann.call("HcclAllReduce", from, to, count, type, op, communicator, stream);
    }

    private int exchange(RawCann cann, long from, long counts, long to, int receivedType) {
        return cann.call(
                "HcclAlltoAllV",
                from,
                counts,
                cann.host(64).address(),
                F32,
                to,
                cann.host(64).address(),
                cann.host(64).address(),
                receivedType,
                communicator,
                stream);
    }

    @TestFactory
    Stream<DynamicTest> everyViolationIsNamed() {
        violation(
                "a2",
                "be a rank that the group has not",
                "below the number of ranks",
                cann -> cann.call(
                        "HcclCommInitRootInfo",
                        2,
                        root(cann).address(),
                        2,
                        cann.cell().address()));
        violation(
                "a2",
                "join with bytes of one's own",
                "HcclGetRootInfo gave",
                cann -> cann.call(
                        "HcclCommInitRootInfo",
                        1,
                        cann.host(4108).address(),
                        0,
                        cann.cell().address()));
        violation("a2", "join a group a second time", "one group, once", cann -> {
            MemorySegment root = root(cann);
            MemorySegment cell = cann.cell();
            cann.call("HcclCommInitRootInfo", 1, root.address(), 0, cell.address());
            cann.call("HcclCommDestroy", cell.get(java.lang.foreign.ValueLayout.JAVA_LONG, 0));
            return cann.call("HcclCommInitRootInfo", 1, root.address(), 0, cell.address());
        });
        violation(
                "a2",
                "sum host memory",
                "device memory",
                cann -> reduce(cann, cann.host(BYTES).address(), memory, 16, F32, 0));
        violation(
                "a2",
                "sum more than the buffer holds",
                "device memory",
                cann -> reduce(cann, memory, memory, 4 * BYTES, F32, 0));
        violation("a2", "sum null", "null", cann -> reduce(cann, 0, memory, 16, F32, 0));
        violation(
                "a2",
                "sum a type that does not exist",
                "data type 99",
                cann -> reduce(cann, memory, memory, 16, 99, 0));
        violation("310p", "sum BF16 on 310P", "data type 11", cann -> reduce(cann, memory, memory, 16, 11, 0));
        violation(
                "310p",
                "broadcast on 310P",
                "not supported",
                cann -> cann.call("HcclBroadcast", memory, 16L, F32, 0, communicator, stream));
        violation(
                "a2",
                "broadcast from a rank that is not there",
                "root is a rank",
                cann -> cann.call("HcclBroadcast", memory, 16L, F32, 1, communicator, stream));
        violation(
                "a2",
                "exchange in place",
                "differ",
                cann -> exchange(cann, memory, cann.host(64).address(), memory, F32));
        violation(
                "a2",
                "exchange two types",
                "one type",
                cann -> exchange(cann, memory, cann.host(64).address(), memory + BYTES, 2));
        violation(
                "a2",
                "give counts on the device",
                "host arrays",
                cann -> exchange(cann, memory, memory, memory + BYTES, F32));
        violation(
                "a2",
                "use a stream of nobody",
                "[rule: ",
                cann -> cann.call("HcclAllReduce", memory, memory, 16L, F32, 0, communicator, 4096L));
        violation("a2", "leave under queued work", "after its work", cann -> {
            simulator.set("HENG_SIMULATE_DELAY_US", "200000");
            cann.call("aclrtMemsetAsync", memory, BYTES, 1, BYTES, stream);
            reduce(cann, memory, memory, 16, F32, 0);
            return cann.call("HcclCommDestroy", communicator);
        });
        violation("a2", "leave twice", "lives", cann -> {
            cann.call("HcclCommDestroy", communicator);
            return cann.call("HcclCommDestroy", communicator);
        });
        return tests.stream();
    }
}
