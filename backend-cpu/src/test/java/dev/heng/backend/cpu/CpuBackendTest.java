package dev.heng.backend.cpu;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.heng.backend.reference.ReferenceBackendProvider;
import dev.heng.kernels.ScratchPlan;
import dev.heng.spi.Availability;
import dev.heng.spi.Backend;
import dev.heng.spi.BackendException;
import dev.heng.spi.BackendOptions;
import dev.heng.spi.Batch;
import dev.heng.spi.Bindings;
import dev.heng.spi.Buffer;
import dev.heng.spi.BufferRequest;
import dev.heng.spi.CompileOptions;
import dev.heng.spi.DeviceInfo;
import dev.heng.spi.Program;
import dev.heng.spi.Support;
import dev.heng.spi.WeightSource;
import dev.heng.spi.graph.ActivationFormat;
import dev.heng.spi.graph.Graph;
import dev.heng.spi.graph.GraphBuilder;
import dev.heng.spi.graph.Node;
import dev.heng.spi.graph.Value;
import dev.heng.spi.tensor.DType;
import dev.heng.spi.tensor.Dim;
import dev.heng.spi.tensor.Quantization;
import dev.heng.spi.tensor.TensorType;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.TreeMap;
import org.junit.jupiter.api.Test;

/** The lowering and the contract. What kernels compute is tested in C; that whole models are right is tested with the goldens. */
final class CpuBackendTest {

    private static final Map<String, Long> MAXIMA =
            Map.of(Dim.TOKENS, 24L, Dim.OUTPUTS, 3L, Dim.SEQUENCES, 2L, Dim.PAGES, 16L, Dim.PAGES_PER_SEQUENCE, 8L);

    private static final List<Quantization> FORMATS = List.of(
            Quantization.NONE,
            new Quantization.Fp8Blocks(128, 128, DType.F32),
            new Quantization.Int8Channels(DType.BF16),
            new Quantization.Int4Groups(32, DType.BF16, false),
            new Quantization.Int4Groups(16, DType.F16, true));

    private static DeviceInfo device() {
        return assertInstanceOf(Availability.Available.class, new CpuBackendProvider().probe())
                .devices()
                .getFirst();
    }

    private static Backend open(Map<String, String> settings) {
        return new CpuBackendProvider().open(device(), new BackendOptions(settings));
    }

    private static String[] levels() {
        return device().facts().getOrDefault("levels", "").split(" ");
    }

    /** Runs the tokens in one go, or one after the other, and returns every output of the last run. */
    private static Map<String, byte[]> run(Backend backend, Graph graph, int tokens, boolean oneByOne) {
        return run(backend, graph, tokens, oneByOne, CompileOptions.of(MAXIMA));
    }

    private static Map<String, byte[]> run(
            Backend backend, Graph graph, int tokens, boolean oneByOne, CompileOptions options) {
        try (Arena arena = Arena.ofShared();
                Program program = backend.compile(graph, TinyModel.weights(arena), options)) {
            Map<String, Buffer> buffers = new TreeMap<>();
            try {
                graph.inputs()
                        .forEach(value ->
                                buffers.put(value.name(), allocate(backend, value, BufferRequest.Usage.TENSOR)));
                graph.states()
                        .forEach(value ->
                                buffers.put(value.name(), allocate(backend, value, BufferRequest.Usage.STATE)));
                graph.outputs()
                        .forEach((name, value) ->
                                buffers.put(name, allocate(backend, value, BufferRequest.Usage.TENSOR)));
                int step = oneByOne ? 1 : tokens;
                Map<String, Long> dims = new HashMap<>(MAXIMA);
                for (int first = 0; first < tokens; first += step) {
                    int[] ids = new int[step];
                    int[] positions = new int[step];
                    for (int t = 0; t < step; t++) {
                        ids[t] = (first + t) * 31 % TinyModel.VOCABULARY;
                        positions[t] = first + t;
                    }
                    write(buffers, "ids", ids);
                    write(buffers, "positions", positions);
                    write(buffers, "sequences", new int[step]);
                    write(buffers, "pages", new int[] {5, 1, 7, 2, 9, 0, 3, 4, 6, 8, 10, 11, 12, 13, 14, 15});
                    write(buffers, "rows", new int[] {step - 1});
                    dims.put(Dim.TOKENS, (long) step);
                    dims.put(Dim.OUTPUTS, 1L);
                    program.run(new Bindings(dims, Batch.NONE, buffers));
                }
                Map<String, byte[]> results = new LinkedHashMap<>();
                graph.outputs().forEach((name, value) -> {
                    byte[] bytes = new byte[Math.toIntExact(value.type().bytes(dims))];
                    Objects.requireNonNull(buffers.get(name)).read(0, MemorySegment.ofArray(bytes));
                    results.put(name, bytes);
                });
                return results;
            } finally {
                buffers.values().forEach(Buffer::close);
            }
        }
    }

    private static Buffer allocate(Backend backend, Value value, BufferRequest.Usage usage) {
        return backend.allocate(new BufferRequest(value.name(), usage, value.type(), MAXIMA));
    }

    private static void write(Map<String, Buffer> buffers, String name, int[] values) {
        Buffer buffer = buffers.get(name);
        if (buffer != null) {
            buffer.write(MemorySegment.ofArray(values), 0);
        }
    }

    @Test
    void fusionChangesNoBit() {
        for (String level : levels()) {
            try (Backend backend = open(Map.of("level", level, "threads", "2"))) {
                for (DType activation : List.of(DType.F32, DType.BF16, DType.F16)) {
                    for (Quantization quantization : FORMATS) {
                        List<ActivationFormat> formats = new ArrayList<>(List.of(ActivationFormat.FLOAT));
                        if (quantization instanceof Quantization.Int8Channels) {
                            formats.add(ActivationFormat.INT8_PER_TOKEN);
                        }
                        if (quantization instanceof Quantization.Fp8Blocks) {
                            formats.add(ActivationFormat.FP8_PER_TOKEN_128);
                        }
                        for (ActivationFormat format : formats) {
                            Graph fused = TinyModel.graph(activation, quantization, format, false);
                            Graph apart = TinyModel.graph(activation, quantization, format, true);
                            for (int tokens : new int[] {1, 3, 24}) {
                                Map<String, byte[]> expected = run(backend, apart, tokens, false);
                                Map<String, byte[]> actual = run(backend, fused, tokens, false);
                                String what =
                                        level + " " + activation + " " + quantization + " " + format + " " + tokens;
                                assertArrayEquals(expected.get("logits"), actual.get("logits"), what);
                                assertArrayEquals(expected.get("token"), actual.get("token"), what);
                            }
                        }
                    }
                }
            }
        }
    }

    @Test
    void tokensOneByOneGiveWhatTheyGiveTogether() {
        // In F32, sums of at most 72 products of numbers near 1 through a layer: bits differ, the chosen token and five
        // digits do not.
        try (Backend backend = open(Map.of("threads", "2"))) {
            Graph graph = TinyModel.graph(DType.F32, Quantization.NONE, ActivationFormat.FLOAT, false);
            float[] together = logits(run(backend, graph, 19, false));
            float[] apart = logits(run(backend, graph, 19, true));
            float largest = 0;
            for (float value : together) {
                largest = Math.max(largest, Math.abs(value));
            }
            assertTrue(largest > 0.1f && Float.isFinite(largest), "logits up to " + largest);
            assertArrayEquals(together, apart, largest * 1e-5f);
        }
    }

    private static float[] logits(Map<String, byte[]> outputs) {
        return MemorySegment.ofArray(Objects.requireNonNull(outputs.get("logits")))
                .toArray(ValueLayout.JAVA_FLOAT_UNALIGNED);
    }

    /**
     * The whole layer against the oracle, in F32, so that both round alike and only the order of sums differs. The bound: a chain of about
     * twenty products of at most 72 terms, each with an error of at most 72 * 2^-24 of its terms' size, on values that the norms keep near
     * the logits' size: 20 * 72 * 2^-24 < 1e-4 of the largest logit. Routing by this seed has no choice closer than that.
     */
    @Test
    void everyLevelAndFormatAgreesWithTheOracle() {
        ReferenceBackendProvider oracles = new ReferenceBackendProvider();
        DeviceInfo oracleDevice = assertInstanceOf(Availability.Available.class, oracles.probe())
                .devices()
                .getFirst();
        try (Backend oracle = oracles.open(oracleDevice, BackendOptions.none())) {
            for (Quantization quantization : FORMATS) {
                Graph graph = TinyModel.graph(DType.F32, quantization, ActivationFormat.FLOAT, false);
                for (int tokens : new int[] {1, 19}) {
                    float[] expected = logits(run(oracle, graph, tokens, false));
                    float largest = 0;
                    for (float value : expected) {
                        largest = Math.max(largest, Math.abs(value));
                    }
                    assertTrue(largest > 0.01f && Float.isFinite(largest), "logits up to " + largest);
                    for (String level : levels()) {
                        try (Backend backend = open(Map.of("level", level, "threads", "2"))) {
                            float[] actual = logits(run(backend, graph, tokens, false));
                            assertArrayEquals(
                                    expected, actual, largest * 1e-4f, level + " " + quantization + " " + tokens);
                        }
                    }
                }
            }
        }
    }

    @Test
    void mappedWeightsGiveTheSameBits() {
        try (Backend backend = open(Map.of())) {
            Graph graph = TinyModel.graph(DType.BF16, FORMATS.get(3), ActivationFormat.FLOAT, false);
            Map<String, byte[]> copied = run(backend, graph, 5, false);
            CompileOptions mapped = new CompileOptions(MAXIMA, new BackendOptions(Map.of("weights", "map")));
            assertArrayEquals(
                    copied.get("logits"), run(backend, graph, 5, false, mapped).get("logits"));
        }
    }

    @Test
    void weightsOfTheWrongSizeAreNamed() {
        try (Backend backend = open(Map.of());
                Arena arena = Arena.ofConfined()) {
            Graph graph = TinyModel.graph(DType.F32, Quantization.NONE, ActivationFormat.FLOAT, false);
            WeightSource good = TinyModel.weights(arena);
            WeightSource bad = weight ->
                    weight.name().equals("kv_b") ? WeightSource.WeightData.of(arena.allocate(10)) : good.data(weight);
            BackendException wrong = assertThrows(
                    BackendException.class,
                    () -> backend.compile(graph, bad, CompileOptions.of(MAXIMA)).close());
            assertEquals(BackendException.Code.INVALID_DATA, wrong.code());
            assertTrue(String.valueOf(wrong.getMessage()).contains("'kv_b'"), wrong.getMessage());
        }
    }

    @Test
    void levelsAgree() {
        Graph graph = TinyModel.graph(
                DType.F32, new Quantization.Int4Groups(32, DType.BF16, false), ActivationFormat.FLOAT, false);
        float[] scalar = {};
        for (String level : levels()) {
            try (Backend backend = open(Map.of("level", level))) {
                float[] logits = logits(run(backend, graph, 7, false));
                if (scalar.length == 0) {
                    scalar = logits;
                }
                float largest = 0;
                for (float value : scalar) {
                    largest = Math.max(largest, Math.abs(value));
                }
                assertArrayEquals(scalar, logits, largest * 1e-5f, level);
            }
        }
    }

    @Test
    void thePlanNamesEveryNodeOnceAndTheFusions() {
        try (Backend backend = open(Map.of());
                Arena arena = Arena.ofConfined()) {
            Graph graph = TinyModel.graph(DType.BF16, Quantization.NONE, ActivationFormat.FLOAT, false);
            try (Program program = backend.compile(graph, TinyModel.weights(arena), CompileOptions.of(MAXIMA))) {
                Set<Node> seen = new HashSet<>();
                List<String> kernels = new ArrayList<>();
                for (Program.Step step : program.plan()) {
                    assertEquals("cpu:0", step.executedBy());
                    kernels.add(step.kernel());
                    step.nodes().forEach(node -> assertTrue(seen.add(node), node.name() + " appears twice"));
                }
                assertEquals(new HashSet<>(graph.nodes()), seen);
                assertTrue(kernels.contains("heng_cpu GROUP+EXPERT_GATE_UP+EXPERT_DOWN BF16"), kernels.toString());
                assertTrue(kernels.contains("heng_cpu GATED_LINEAR BF16"), kernels.toString());
                assertTrue(kernels.contains("heng_cpu LINEAR+ADD BF16"), kernels.toString());
            }
        }
    }

    @Test
    void badDataIsNamedAndTheProgramStaysUsable() {
        try (Backend backend = open(Map.of());
                Arena arena = Arena.ofConfined()) {
            GraphBuilder g = new GraphBuilder("lookup");
            Value table = g.weight(
                    "table", TensorType.of(DType.BF16, Dim.of(TinyModel.VOCABULARY), Dim.of(TinyModel.HIDDEN)));
            Value ids = g.input("ids", TensorType.of(DType.I32, Dim.of(Dim.TOKENS)));
            g.output("y", g.embed("embed", table, ids, DType.BF16));
            Graph graph = g.build();
            Value y = Objects.requireNonNull(graph.outputs().get("y"));
            try (Program program = backend.compile(
                            graph, TinyModel.weights(arena), CompileOptions.of(Map.of(Dim.TOKENS, 2L)));
                    Buffer idBuffer = allocate(backend, ids, BufferRequest.Usage.TENSOR);
                    Buffer out = allocate(backend, y, BufferRequest.Usage.TENSOR)) {
                Bindings bindings = new Bindings(Map.of(Dim.TOKENS, 2L), Batch.NONE, Map.of("ids", idBuffer, "y", out));
                idBuffer.write(MemorySegment.ofArray(new int[] {1, 77}), 0);
                BackendException wrong = assertThrows(BackendException.class, () -> program.run(bindings));
                assertEquals(BackendException.Code.INVALID_DATA, wrong.code());
                assertTrue(
                        String.valueOf(wrong.getMessage()).contains("'embed'")
                                && String.valueOf(wrong.getMessage()).contains("token id 77"),
                        wrong.getMessage());
                idBuffer.write(MemorySegment.ofArray(new int[] {1, 76}), 0);
                program.run(bindings);
                Bindings tooMany = new Bindings(Map.of(Dim.TOKENS, 3L), Batch.NONE, Map.of("ids", idBuffer, "y", out));
                assertThrows(IllegalArgumentException.class, () -> program.run(tooMany));
                Bindings unbound = new Bindings(Map.of(Dim.TOKENS, 2L), Batch.NONE, Map.of("ids", idBuffer));
                assertThrows(IllegalArgumentException.class, () -> program.run(unbound));
                program.run(new Bindings(Map.of(Dim.TOKENS, 0L), Batch.NONE, Map.of("ids", idBuffer, "y", out)));
            }
        }
    }

    @Test
    void doubleIsDeclinedWithAReason() {
        try (Backend backend = open(Map.of());
                Arena arena = Arena.ofConfined()) {
            GraphBuilder g = new GraphBuilder("double");
            Value x = g.input("x", TensorType.of(DType.F64, Dim.of(Dim.TOKENS), Dim.of(4)));
            g.output("y", g.plus("add", x, x));
            Graph graph = g.build();
            CompileOptions options = CompileOptions.of(Map.of(Dim.TOKENS, 2L));
            Support.Declined declined = assertInstanceOf(
                    Support.Declined.class, backend.supports(graph.nodes().getFirst(), options));
            assertEquals(Support.Code.DTYPE, declined.code());
            BackendException refused = assertThrows(
                    BackendException.class,
                    () -> backend.compile(graph, TinyModel.weights(arena), options)
                            .close());
            assertEquals(BackendException.Code.DECLINED, refused.code());
        }
    }

    @Test
    void unknownOptionsAndLevelsAreRefused() {
        assertEquals(
                BackendException.Code.INVALID_OPTION,
                assertThrows(
                                BackendException.class,
                                () -> open(Map.of("speed", "more")).close())
                        .code());
        assertEquals(
                BackendException.Code.INVALID_OPTION,
                assertThrows(
                                BackendException.class,
                                () -> open(Map.of("level", "sse9")).close())
                        .code());
        assertEquals(
                BackendException.Code.INVALID_OPTION,
                assertThrows(
                                BackendException.class,
                                () -> open(Map.of("threads", "0")).close())
                        .code());
    }

    @Test
    void closingTooEarlyNamesWhatIsOpen() {
        Backend backend = open(Map.of("threads", "1"));
        Value value = new Value(0, "forgotten", Value.Role.INPUT, TensorType.of(DType.F32, Dim.of(3)));
        Buffer buffer = allocate(backend, value, BufferRequest.Usage.TENSOR);
        IllegalStateException early = assertThrows(IllegalStateException.class, backend::close);
        assertTrue(String.valueOf(early.getMessage()).contains("forgotten"), early.getMessage());
        buffer.close();
        buffer.close();
        assertThrows(IllegalStateException.class, () -> buffer.fill((byte) 0));
        backend.close();
        backend.close();
        assertThrows(IllegalStateException.class, () -> allocate(backend, value, BufferRequest.Usage.TENSOR));
    }

    @Test
    void memoryThatDiesIsUsedAgain() {
        ScratchPlan plan = new ScratchPlan(64);
        long a = plan.take(100);
        long b = plan.take(64);
        plan.give(a);
        assertEquals(a, plan.take(128));
        long c = plan.take(1);
        plan.give(b);
        plan.give(c);
        assertEquals(b, plan.take(128));
        assertThrows(IllegalArgumentException.class, () -> plan.give(4096));
        assertFalse(plan.sizeBytes() > 128 + 128 + 64, "took " + plan.sizeBytes());
    }
}
