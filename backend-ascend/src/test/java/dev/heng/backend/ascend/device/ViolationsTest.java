package dev.heng.backend.ascend.device;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.heng.simulators.ascend.SimulatedCann.Release;
import dev.heng.spi.tensor.DType;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.List;
import java.util.function.ToIntFunction;
import java.util.stream.Stream;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestFactory;

/**
 * What a careless backend does to CANN, one mistake at a time: the simulator refuses each, with a message that names the rule and where it is written. A real
 * library lets many of them pass and corrupts memory.
 */
final class ViolationsTest {

    private static final int ANY = -1;
    private static final long BYTES = 1024;

    private final Simulator simulator = new Simulator(Release.HEAD);
    private final List<DynamicTest> tests = new ArrayList<>();
    private final StringBuilder elsewhere = new StringBuilder();

    private void violation(String name, int status, String words, ToIntFunction<RawCann> mistake) {
        tests.add(DynamicTest.dynamicTest(name, () -> {
            simulator.set("HENG_SIMULATE_DELAY_US", "0");
            elsewhere.setLength(0);
            try (RawCann cann = new RawCann()) {
                cann.message();
                int got = mistake.applyAsInt(cann);
                String message = elsewhere.isEmpty() ? cann.message() : elsewhere.toString();
                assertNotEquals(0, got, () -> "let pass: " + name);
                if (status != ANY) {
                    assertEquals(status, got, message);
                }
                assertTrue(message.contains(words), message);
                assertTrue(message.contains("[rule: ") && message.contains("; source: "), message);
            }
        }));
    }

    /** A handle that was refused is null; its status is what the message begins with. */
    private static int refused(long handle) {
        return handle == 0 ? 161002 : 0;
    }

    private void slow() {
        simulator.set("HENG_SIMULATE_DELAY_US", "20000");
    }

    @TestFactory
    Stream<DynamicTest> everyViolationIsNamed() {
        memory();
        copies();
        streamsAndEvents();
        capture();
        executors();
        tensors();
        arguments();
        return tests.stream();
    }

    @Test
    void thereAreAtLeastFortyOfThem() {
        everyViolationIsNamed().close();
        assertTrue(tests.size() >= 40, tests.size() + " violations");
    }

    private void memory() {
        violation(
                "allocate in a thread without a context",
                107002,
                "aclrtSetDevice",
                cann -> cann.elsewhere(
                        () -> cann.call("aclrtMalloc", cann.cell().address(), BYTES, 0), elsewhere));
        violation(
                "allocate nothing",
                100000,
                "size 0",
                cann -> cann.call("aclrtMalloc", cann.cell().address(), 0L, 0));
        violation("free null", 100000, "null", cann -> cann.call("aclrtFree", 0L));
        violation("free twice", 107000, "freed once", cann -> {
            long memory = cann.device(BYTES);
            cann.call("aclrtFree", memory);
            return cann.call("aclrtFree", memory);
        });
        violation(
                "free pinned memory as device memory",
                107000,
                "same kind",
                cann -> cann.call("aclrtFree", cann.pinned(BYTES)));
        violation(
                "free the middle of an allocation",
                107000,
                "base of an allocation",
                cann -> cann.call("aclrtFree", cann.device(BYTES) + 64));
        violation("set a device that is not there", 107001, "devices", cann -> cann.call("aclrtSetDevice", 99));
        violation("free under queued work", ANY, "freed while work", cann -> {
            long memory = cann.device(BYTES);
            long stream = cann.stream();
            slow();
            cann.call("aclrtMemsetAsync", memory, BYTES, 1, BYTES, stream);
            cann.call("aclrtMemsetAsync", memory, BYTES, 1, BYTES, stream);
            cann.call("aclrtFree", memory);
            return cann.call("aclrtSynchronizeStream", stream);
        });
    }

    private void copies() {
        violation(
                "copy more than the destination takes",
                107000,
                "destMax",
                cann -> cann.call(
                        "aclrtMemcpy", cann.device(BYTES), 16L, cann.host(BYTES).address(), 32L, 1));
        violation(
                "copy of a kind that does not exist",
                100000,
                "kind 7",
                cann -> cann.call(
                        "aclrtMemcpy",
                        cann.device(BYTES),
                        BYTES,
                        cann.host(BYTES).address(),
                        BYTES,
                        7));
        violation(
                "copy past the end of an allocation",
                107000,
                "runs past",
                cann -> cann.call(
                        "aclrtMemcpy",
                        cann.device(BYTES),
                        4 * BYTES,
                        cann.host(4 * BYTES).address(),
                        4 * BYTES,
                        1));
        violation("copy into freed memory", 107000, "was freed", cann -> {
            long memory = cann.device(BYTES);
            cann.call("aclrtFree", memory);
            return cann.call("aclrtMemcpy", memory, BYTES, cann.host(BYTES).address(), BYTES, 1);
        });
        violation(
                "copy from host to host asynchronously",
                207000,
                "host",
                cann -> cann.call(
                        "aclrtMemcpyAsync",
                        cann.host(BYTES).address(),
                        BYTES,
                        cann.host(BYTES).address(),
                        BYTES,
                        0,
                        cann.stream()));
        violation(
                "copy on the device between unaligned addresses",
                107008,
                "64 bytes",
                cann -> cann.call(
                        "aclrtMemcpyAsync", cann.device(BYTES) + 4, 64L, cann.device(BYTES), 64L, 3, cann.stream()));
        violation(
                "fill memory that ACL did not allocate",
                107000,
                "ACL allocated",
                cann -> cann.call("aclrtMemset", cann.host(BYTES).address(), BYTES, 0, BYTES));
        violation(
                "fill more than there is",
                107000,
                "maxCount",
                cann -> cann.call("aclrtMemset", cann.device(BYTES), 16L, 0, 32L));
    }

    private void streamsAndEvents() {
        violation("use a stream of another context", 107003, "current context", cann -> {
            long stream = cann.stream();
            long other = cann.result("aclrtCreateContext", 0);
            int status = cann.call("aclrtSynchronizeStream", stream);
            String message = cann.message();
            elsewhere.append(message);
            cann.call("aclrtDestroyContext", other);
            cann.call("aclrtSetDevice", 0);
            cann.call("aclrtResetDevice", 0);
            return status;
        });
        violation("use a destroyed stream", ANY, "live one", cann -> {
            long stream = cann.stream();
            cann.call("aclrtDestroyStream", stream);
            return cann.call("aclrtSynchronizeStream", stream);
        });
        violation("destroy the default stream", 107000, "default stream", cann -> cann.call("aclrtDestroyStream", 0L));
        violation(
                "poll with a timeout of 0",
                107000,
                "timeout",
                cann -> cann.call("aclrtSynchronizeStreamWithTimeout", cann.stream(), 0));
        violation(
                "order streams by an event that keeps only time",
                207000,
                "ACL_EVENT_SYNC",
                cann -> cann.call("aclrtStreamWaitEvent", cann.stream(), cann.result("aclrtCreateEventWithFlag", 8)));
        violation(
                "reset an event that cannot be reset",
                207000,
                "are reset",
                cann -> cann.call("aclrtResetEvent", cann.result("aclrtCreateEventExWithFlag", 1), cann.stream()));
        violation("time by events that keep no time", 207000, "ACL_EVENT_TIME_LINE", cann -> {
            long event = cann.result("aclrtCreateEventExWithFlag", 1);
            return cann.call("aclrtEventElapsedTime", cann.cell().address(), event, event);
        });
        violation("time by events that have not happened", 107006, "happened", cann -> {
            long event = cann.result("aclrtCreateEvent");
            return cann.call("aclrtEventElapsedTime", cann.cell().address(), event, event);
        });
        violation(
                "make an event for no use",
                107000,
                "flag 0",
                cann -> cann.call("aclrtCreateEventWithFlag", cann.cell().address(), 0));
        violation("destroy an event whose record is queued", 107000, "still queued", cann -> {
            long event = cann.result("aclrtCreateEvent");
            slow();
            long stream = cann.stream();
            long memory = cann.device(BYTES);
            for (int i = 0; i < 8; i++) {
                cann.call("aclrtMemsetAsync", memory, BYTES, 1, BYTES, stream);
            }
            cann.call("aclrtRecordEvent", event, stream);
            return cann.call("aclrtDestroyEvent", event);
        });
        violation("use a destroyed event", 107017, "live one", cann -> {
            long event = cann.result("aclrtCreateEvent");
            cann.call("aclrtDestroyEvent", event);
            return cann.call("aclrtRecordEvent", event, cann.stream());
        });
    }

    /** Ends a capture after the mistake, so that the next test finds a clean process. */
    private int whileCapturing(RawCann cann, long stream, int mode, ToIntFunction<RawCann> mistake) {
        cann.call("aclmdlRICaptureBegin", stream, mode);
        int status = mistake.applyAsInt(cann);
        if (elsewhere.isEmpty()) {
            elsewhere.append(cann.message());
        }
        MemorySegment graph = cann.cell();
        cann.call("aclmdlRICaptureEnd", stream, graph.address());
        cann.call("aclmdlRIDestroy", graph.get(ValueLayout.JAVA_LONG, 0));
        return status;
    }

    private void capture() {
        violation(
                "capture the default stream",
                107031,
                "default stream",
                cann -> cann.call("aclmdlRICaptureBegin", 0L, 2));
        violation("wait for a capturing stream", 107027, "capturing", cann -> {
            long stream = cann.stream();
            return whileCapturing(cann, stream, 2, c -> c.call("aclrtSynchronizeStream", stream));
        });
        violation("ask a capturing stream", 107027, "capturing", cann -> {
            long stream = cann.stream();
            return whileCapturing(
                    cann,
                    stream,
                    2,
                    c -> c.call("aclrtStreamQuery", stream, c.cell().address()));
        });
        violation("destroy a capturing stream", 107027, "capturing", cann -> {
            long stream = cann.stream();
            return whileCapturing(cann, stream, 2, c -> c.call("aclrtDestroyStream", stream));
        });
        violation("capture a stream twice", 107027, "once at a time", cann -> {
            long stream = cann.stream();
            return whileCapturing(cann, stream, 2, c -> c.call("aclmdlRICaptureBegin", stream, 2));
        });
        violation(
                "end a capture that never began",
                107029,
                "follows a begin",
                cann -> cann.call(
                        "aclmdlRICaptureEnd", cann.stream(), cann.cell().address()));
        violation("end a capture in another thread", 107038, "thread", cann -> {
            long stream = cann.stream();
            return whileCapturing(
                    cann,
                    stream,
                    0,
                    c -> c.elsewhere(
                            () -> {
                                c.call("aclrtSetDevice", 0);
                                int status = c.call(
                                        "aclmdlRICaptureEnd", stream, c.cell().address());
                                return status;
                            },
                            elsewhere));
        });
        violation("copy and wait while another stream captures globally", 107030, "relaxed", cann -> {
            long memory = cann.device(BYTES);
            return whileCapturing(
                    cann,
                    cann.stream(),
                    0,
                    c -> c.call("aclrtMemcpy", memory, BYTES, c.host(BYTES).address(), BYTES, 1));
        });
        violation(
                "allocate while a stream captures globally",
                207000,
                "capture",
                cann -> whileCapturing(
                        cann,
                        cann.stream(),
                        0,
                        c -> c.call("aclrtMalloc", c.cell().address(), BYTES, 0)));
        violation("capture a copy from pageable memory", 207000, "pinned", cann -> {
            long memory = cann.device(BYTES);
            long stream = cann.stream();
            return whileCapturing(
                    cann,
                    stream,
                    2,
                    c -> c.call("aclrtMemcpyAsync", memory, BYTES, c.host(BYTES).address(), BYTES, 1, stream));
        });
        violation("destroy a graph that runs", 107037, "running", cann -> {
            long stream = cann.stream();
            long memory = cann.device(BYTES);
            MemorySegment graph = cann.cell();
            cann.call("aclmdlRICaptureBegin", stream, 2);
            cann.call("aclrtMemsetAsync", memory, BYTES, 1, BYTES, stream);
            cann.call("aclmdlRICaptureEnd", stream, graph.address());
            slow();
            long handle = graph.get(ValueLayout.JAVA_LONG, 0);
            for (int i = 0; i < 8; i++) {
                cann.call("aclmdlRIExecuteAsync", handle, stream);
            }
            return cann.call("aclmdlRIDestroy", handle);
        });
    }

    private static long floats(RawCann cann, long... dims) {
        return cann.tensor(DType.F32, cann.device(BYTES), dims);
    }

    private static MemorySegment zero(RawCann cann, long tensor) {
        return cann.prepared("aclnnInplaceZero", tensor);
    }

    private void executors() {
        violation("run an executor twice", ANY, "consume", cann -> {
            MemorySegment prepared = zero(cann, floats(cann, 8));
            long workspace = cann.device(1 << 16);
            long stream = cann.stream();
            cann.second("aclnnInplaceZero", prepared, workspace, stream);
            return cann.second("aclnnInplaceZero", prepared, workspace, stream);
        });
        violation("give a workspace that is too small", ANY, "workspace", cann -> {
            MemorySegment prepared = zero(cann, floats(cann, 8));
            return cann.call("aclnnInplaceZero", cann.device(BYTES), 64L, cann.executor(prepared), cann.stream());
        });
        violation(
                "say a larger workspace than there is",
                ANY,
                "workspace",
                cann -> cann.second("aclnnInplaceZero", zero(cann, floats(cann, 8)), cann.device(64), cann.stream()));
        violation(
                "give no workspace",
                161001,
                "workspace",
                cann -> cann.second("aclnnInplaceZero", zero(cann, floats(cann, 8)), 0, cann.stream()));
        violation(
                "give host memory as workspace",
                ANY,
                "device memory",
                cann -> cann.second(
                        "aclnnInplaceZero", zero(cann, floats(cann, 8)), cann.pinned(1 << 16), cann.stream()));
        violation("share a workspace between streams", ANY, "one stream at a time", cann -> {
            long workspace = cann.device(1 << 16);
            slow();
            long busy = cann.stream();
            for (int i = 0; i < 8; i++) {
                cann.second("aclnnInplaceZero", zero(cann, floats(cann, 8)), workspace, busy);
            }
            return cann.second("aclnnInplaceZero", zero(cann, floats(cann, 8)), workspace, cann.stream());
        });
        violation("destroy a tensor between the phases", ANY, "tensors live", cann -> {
            long tensor = floats(cann, 8);
            MemorySegment prepared = zero(cann, tensor);
            cann.call("aclDestroyTensor", tensor);
            return cann.second("aclnnInplaceZero", prepared, cann.device(1 << 16), cann.stream());
        });
        violation(
                "run another operator's executor",
                ANY,
                "its own operator",
                cann -> cann.second("aclnnCast", zero(cann, floats(cann, 8)), cann.device(1 << 16), cann.stream()));
        violation("run the second phase in another thread", ANY, "one thread", cann -> {
            MemorySegment prepared = zero(cann, floats(cann, 8));
            long workspace = cann.device(1 << 16);
            long stream = cann.stream();
            return cann.elsewhere(
                    () -> {
                        cann.call("aclrtSetDevice", 0);
                        return cann.second("aclnnInplaceZero", prepared, workspace, stream);
                    },
                    elsewhere);
        });
        violation("refresh an address of an executor that is not repeatable", ANY, "repeatable", cann -> {
            long tensor = floats(cann, 8);
            return cann.call("aclSetTensorAddr", cann.executor(zero(cann, tensor)), 0L, tensor, cann.device(BYTES));
        });
        violation("make an executor repeatable after its use", ANY, "executor lives", cann -> {
            MemorySegment prepared = zero(cann, floats(cann, 8));
            cann.second("aclnnInplaceZero", prepared, cann.device(1 << 16), cann.stream());
            return cann.call("aclSetAclOpExecutorRepeatable", cann.executor(prepared));
        });
        violation("refresh the address of another tensor", ANY, "index", cann -> {
            MemorySegment prepared = zero(cann, floats(cann, 8));
            cann.call("aclSetAclOpExecutorRepeatable", cann.executor(prepared));
            return cann.call("aclSetTensorAddr", cann.executor(prepared), 0L, floats(cann, 8), cann.device(BYTES));
        });
        violation("destroy an executor twice", ANY, "once", cann -> {
            MemorySegment prepared = zero(cann, floats(cann, 8));
            cann.call("aclDestroyAclOpExecutor", cann.executor(prepared));
            return cann.call("aclDestroyAclOpExecutor", cann.executor(prepared));
        });
        violation("free an operand under queued work", ANY, "freed while work", cann -> {
            long memory = cann.device(BYTES);
            slow();
            long stream = cann.stream();
            long workspace = cann.device(1 << 16);
            for (int i = 0; i < 3; i++) {
                cann.second("aclnnInplaceZero", zero(cann, cann.tensor(DType.F32, memory, 8)), workspace, stream);
            }
            cann.call("aclrtFree", memory);
            return cann.call("aclrtSynchronizeStream", stream);
        });
    }

    private void tensors() {
        violation(
                "make a tensor of unaligned data",
                ANY,
                "32 bytes",
                cann -> refused(cann.tensor(DType.F32, cann.device(BYTES) + 4, 8)));
        violation(
                "make a view outside its storage",
                ANY,
                "storage",
                cann -> refused(
                        cann.tensor(DType.F32, cann.device(BYTES), 2, new long[] {64, 1}, new long[] {8, 8}, 64)));
        violation("destroy a tensor that a list owns", ANY, "list owns", cann -> {
            long tensor = floats(cann, 8);
            cann.list(tensor);
            return cann.call("aclDestroyTensor", tensor);
        });
        violation("put a tensor into two lists", ANY, "no other list", cann -> {
            long tensor = floats(cann, 8);
            cann.list(tensor);
            return refused(cann.list(tensor));
        });
        violation("destroy a tensor twice", ANY, "destroyed", cann -> {
            long tensor = floats(cann, 8);
            cann.call("aclDestroyTensor", tensor);
            return cann.call("aclDestroyTensor", tensor);
        });
        violation(
                "move a tensor to an unaligned address",
                ANY,
                "32 bytes",
                cann -> cann.call("aclSetRawTensorAddr", floats(cann, 8), cann.device(BYTES) + 8));
    }

    private void arguments() {
        violation(
                "multiply bf16 with f16",
                161002,
                "one type",
                cann -> cann.refusedFirst(
                        "aclnnMatmul",
                        cann.tensor(DType.BF16, cann.device(BYTES), 4, 4),
                        cann.tensor(DType.F16, cann.device(BYTES), 4, 4),
                        cann.tensor(DType.BF16, cann.device(BYTES), 4, 4),
                        (byte) 0));
        violation(
                "give a fractal weight where ND is meant",
                161002,
                "format 29",
                cann -> cann.refusedFirst(
                        "aclnnMatmul",
                        floats(cann, 4, 4),
                        cann.tensor(DType.F32, cann.device(BYTES), 29, null, new long[] {4, 4}, 16),
                        floats(cann, 4, 4),
                        (byte) 0));
        violation(
                "pass true as -1",
                161002,
                "bool",
                cann -> cann.refusedFirst(
                        "aclnnMoeGatingTopK",
                        floats(cann, 2, 8),
                        0L,
                        2L,
                        1L,
                        1L,
                        0L,
                        0L,
                        1L,
                        (byte) -1,
                        1.0,
                        1e-20,
                        floats(cann, 2, 2),
                        cann.tensor(DType.I32, cann.device(BYTES), 2, 2),
                        0L));
        violation(
                "route with a bias in another type",
                161002,
                "bias",
                cann -> cann.refusedFirst(
                        "aclnnMoeGatingTopK",
                        floats(cann, 2, 8),
                        cann.tensor(DType.BF16, cann.device(BYTES), 8),
                        2L,
                        1L,
                        1L,
                        0L,
                        0L,
                        1L,
                        (byte) 0,
                        1.0,
                        1e-20,
                        floats(cann, 2, 2),
                        cann.tensor(DType.I32, cann.device(BYTES), 2, 2),
                        0L));
        violation(
                "route with an activeNum that older releases refuse",
                161002,
                "activeNum",
                cann -> cann.refusedFirst(
                        "aclnnMoeInitRoutingV3",
                        floats(cann, 2, 4),
                        cann.tensor(DType.I32, cann.device(BYTES), 2, 2),
                        0L,
                        0L,
                        0L,
                        0L,
                        4L,
                        0L,
                        1L,
                        (byte) 1,
                        -1L,
                        cann.integers(0, 4),
                        1L,
                        floats(cann, 4, 4),
                        cann.tensor(DType.I32, cann.device(BYTES), 4),
                        cann.tensor(DType.I64, cann.device(BYTES), 4),
                        0L));
        violation(
                "activate a tensor that is not contiguous",
                161002,
                "contiguous",
                cann -> cann.refusedFirst(
                        "aclnnSwiGlu",
                        cann.tensor(DType.F32, cann.device(BYTES), 2, new long[] {1, 4}, new long[] {4, 8}, 32),
                        -1L,
                        floats(cann, 4, 4)));
        violation(
                "leave out an operand",
                161001,
                "null",
                cann -> cann.refusedFirst("aclnnCast", 0L, Operators.dataType(DType.F32), floats(cann, 8)));
        violation(
                "cast to another type than the result's",
                161002,
                "dtype",
                cann -> cann.refusedFirst(
                        "aclnnCast", floats(cann, 8), Operators.dataType(DType.F16), floats(cann, 8)));
        violation("gather with a negative index", ANY, "negative", cann -> {
            long indices = cann.device(BYTES);
            cann.call("aclrtMemset", indices, BYTES, 255, BYTES);
            long stream = cann.stream();
            MemorySegment prepared = cann.prepared(
                    "aclnnEmbedding", floats(cann, 4, 4), cann.tensor(DType.I32, indices, 2), floats(cann, 2, 4));
            cann.second("aclnnEmbedding", prepared, cann.device(1 << 16), stream);
            return cann.call("aclrtSynchronizeStream", stream);
        });
        violation("group more rows than there are", ANY, "group 0 ends", cann -> {
            long ends = cann.device(BYTES);
            cann.call("aclrtMemset", ends, BYTES, 1, BYTES);
            long stream = cann.stream();
            MemorySegment prepared = cann.prepared(
                    "aclnnGroupedMatmulV4",
                    cann.list(floats(cann, 2, 4)),
                    cann.list(floats(cann, 2, 4, 4)),
                    0L,
                    0L,
                    0L,
                    0L,
                    0L,
                    0L,
                    cann.tensor(DType.I64, ends, 2),
                    0L,
                    0L,
                    0L,
                    2L,
                    0L,
                    0L,
                    0L,
                    cann.list(floats(cann, 2, 4)),
                    0L,
                    0L);
            cann.second("aclnnGroupedMatmulV4", prepared, cann.device(1 << 16), stream);
            return cann.call("aclrtSynchronizeStream", stream);
        });
    }
}
