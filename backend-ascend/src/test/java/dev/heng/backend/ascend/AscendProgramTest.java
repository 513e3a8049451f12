package dev.heng.backend.ascend;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.heng.runtime.registry.BackendRegistry;
import dev.heng.runtime.registry.BackendWish;
import dev.heng.spi.Backend;
import dev.heng.spi.BackendException;
import dev.heng.spi.BackendOptions;
import dev.heng.spi.Batch;
import dev.heng.spi.Bindings;
import dev.heng.spi.Buffer;
import dev.heng.spi.BufferRequest;
import dev.heng.spi.CompileOptions;
import dev.heng.spi.Program;
import dev.heng.spi.WeightSource;
import dev.heng.spi.graph.ActivationFormat;
import dev.heng.spi.graph.Graph;
import dev.heng.spi.graph.GraphBuilder;
import dev.heng.spi.graph.Value;
import dev.heng.spi.tensor.DType;
import dev.heng.spi.tensor.Dim;
import dev.heng.spi.tensor.TensorType;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Graphs that are no model's: what a recorded run must not keep from the run that was recorded, and in which order weights may be declared. */
final class AscendProgramTest {

    private static final int VOCABULARY = 4;

    private static Backend open(String launch) {
        return BackendRegistry.discover(List.of())
                .choose(BackendWish.parse("ascend"))
                .open(new BackendOptions(Map.of("launch", launch)));
    }

    /** A program with a buffer for each of its values, all of one run's sizes. */
    private static final class Bench implements AutoCloseable {
        private final Backend backend;
        private final Map<String, Long> sizes;
        private final Program program;
        private final Map<String, Buffer> buffers = new HashMap<>();

        Bench(Backend backend, Graph graph, Map<String, Long> sizes, Map<String, float[]> weights) {
            this.backend = backend;
            this.sizes = sizes;
            this.program = backend.compile(
                    graph,
                    value -> new WeightSource.WeightData(List.of(new WeightSource.Part(
                            MemorySegment.ofArray(weights.getOrDefault(value.name(), new float[0])), null, null))),
                    CompileOptions.of(sizes));
            graph.inputs().forEach(value -> buffers.put(value.name(), allocate(value, BufferRequest.Usage.TENSOR)));
            graph.states().forEach(value -> buffers.put(value.name(), allocate(value, BufferRequest.Usage.STATE)));
            graph.outputs().forEach((name, value) -> buffers.put(name, allocate(value, BufferRequest.Usage.TENSOR)));
        }

        private Buffer allocate(Value value, BufferRequest.Usage usage) {
            return backend.allocate(new BufferRequest(value.name(), usage, value.type(), sizes));
        }

        Buffer buffer(String name) {
            return Objects.requireNonNull(buffers.get(name), name);
        }

        /** Binds another buffer than before. */
        void move(Value value) {
            Buffer moved = allocate(value, BufferRequest.Usage.TENSOR);
            Buffer before = buffer(value.name());
            buffers.put(value.name(), moved);
            // Written, so that whoever reads it still is found.
            before.fill((byte) 0);
            moved.fill((byte) 0);
            buffers.put("formerly " + value.name(), before);
        }

        void write(String name, int... values) {
            buffer(name).write(MemorySegment.ofArray(values), 0);
        }

        void writeFloats(String name, float... values) {
            buffer(name).write(MemorySegment.ofArray(values), 0);
        }

        void run() {
            program.run(new Bindings(sizes, Batch.NONE, buffers));
        }

        int[] integers(String name, int count) {
            MemorySegment read = MemorySegment.ofArray(new byte[4 * count]);
            buffer(name).read(0, read);
            return read.toArray(ValueLayout.JAVA_INT_UNALIGNED);
        }

        float[] floats(String name, int count) {
            MemorySegment read = MemorySegment.ofArray(new byte[4 * count]);
            buffer(name).read(0, read);
            return read.toArray(ValueLayout.JAVA_FLOAT_UNALIGNED);
        }

        @Override
        public void close() {
            buffers.values().forEach(Buffer::close);
            program.close();
        }
    }

    private static TensorType rows(DType dtype) {
        return TensorType.of(dtype, Dim.of(Dim.TOKENS));
    }

    private static TensorType rows(DType dtype, int columns) {
        return TensorType.of(dtype, Dim.of(Dim.TOKENS), Dim.of(columns));
    }

    private static Value sample(GraphBuilder builder, String name, Value logits, List<Value> parameters) {
        return builder.sample(
                name,
                logits,
                parameters.get(0),
                parameters.get(1),
                parameters.get(2),
                parameters.get(3),
                parameters.get(4));
    }

    private static List<Value> parameters(GraphBuilder builder) {
        return List.of(
                builder.input("temperature", rows(DType.F32)),
                builder.input("top_k", rows(DType.I32)),
                builder.input("top_p", rows(DType.F32)),
                builder.input("seed", rows(DType.I64)),
                builder.input("counter", rows(DType.I32)));
    }

    private static void drawByTemperature(Bench bench) {
        bench.writeFloats("temperature", 1f);
        bench.write("top_k", 0);
        bench.writeFloats("top_p", 1f);
        bench.write("seed", 1, 0);
        bench.write("counter", 0);
    }

    /** Logits of which one is so much larger that no noise makes up for it. */
    private static float[] peak(int at) {
        float[] logits = new float[VOCABULARY];
        logits[at] = 1000;
        return logits;
    }

    @ParameterizedTest
    @ValueSource(strings = {"eager", "repeated", "captured"})
    void anAppendIsNotReplayedForRowsOfPadding(String launch) {
        GraphBuilder builder = new GraphBuilder("append");
        Value cache = builder.cache("cache", DType.F32, 4, 1);
        Value part = builder.input("part", rows(DType.F32, 1));
        GraphBuilder.Paging paging = new GraphBuilder.Paging(
                builder.input("positions", rows(DType.I32)),
                builder.input("sequences", rows(DType.I32)),
                builder.input(
                        "table", TensorType.of(DType.I32, Dim.of(Dim.SEQUENCES), Dim.of(Dim.PAGES_PER_SEQUENCE))));
        builder.kvAppend("append", cache, List.of(part), paging);
        builder.output("twice", builder.plus("twice", part, part));
        Map<String, Long> sizes = Map.of(Dim.TOKENS, 2L, Dim.SEQUENCES, 1L, Dim.PAGES_PER_SEQUENCE, 1L, Dim.PAGES, 1L);
        try (Backend backend = open(launch);
                Bench bench = new Bench(backend, builder.build(), sizes, Map.of())) {
            bench.buffer("cache").write(MemorySegment.ofArray(new float[4]), 0);
            bench.write("sequences", 0, 0);
            bench.write("table", 0);
            for (int run = 0; run < 3; run++) {
                bench.write("positions", 0, 1);
                bench.writeFloats("part", run, 10 + run);
                bench.run();
            }
            bench.write("positions", -1, 3);
            bench.writeFloats("part", 77f, 5f);
            bench.run();
            assertArrayEquals(new float[] {2, 12, 0, 5}, bench.floats("cache", 4));
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"eager", "repeated", "captured"})
    void tokensAreDrawnFromTheLogitsOfThisRun(String launch) {
        GraphBuilder builder = new GraphBuilder("sample");
        Value logits = builder.input("logits", rows(DType.F32, VOCABULARY));
        builder.output("token", sample(builder, "sample", logits, parameters(builder)));
        try (Backend backend = open(launch);
                Bench bench = new Bench(backend, builder.build(), Map.of(Dim.TOKENS, 1L), Map.of())) {
            drawByTemperature(bench);
            for (int run = 0; run < 3; run++) {
                bench.writeFloats("logits", peak(1));
                bench.run();
            }
            bench.move(logits);
            bench.writeFloats("logits", peak(2));
            bench.run();
            assertArrayEquals(new int[] {2}, bench.integers("token", 1));
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"eager", "repeated", "captured"})
    void logitsAreThereUntilTokensAreDrawnFromThem(String launch) {
        GraphBuilder builder = new GraphBuilder("two heads");
        Value x = builder.input("x", rows(DType.F32, 1));
        List<Value> parameters = parameters(builder);
        Map<String, float[]> weights = Map.of("head1", peak(1), "head2", peak(2));
        for (String head : List.of("head1", "head2")) {
            Value weight = builder.weight(head, TensorType.of(DType.F32, Dim.of(VOCABULARY), Dim.of(1)));
            Value logits = builder.linear("logits of " + head, x, weight, ActivationFormat.FLOAT, DType.F32);
            builder.output(head + " token", sample(builder, "sample " + head, logits, parameters));
        }
        try (Backend backend = open(launch);
                Bench bench = new Bench(backend, builder.build(), Map.of(Dim.TOKENS, 1L), weights)) {
            drawByTemperature(bench);
            bench.writeFloats("x", 1f);
            for (int run = 0; run < 4; run++) {
                bench.run();
                assertArrayEquals(new int[] {1}, bench.integers("head1 token", 1), "run " + run);
                assertArrayEquals(new int[] {2}, bench.integers("head2 token", 1), "run " + run);
            }
        }
    }

    @Test
    void weightsLieSideBySideWhicheverWasDeclaredFirst() {
        GraphBuilder builder = new GraphBuilder("gated");
        Value x = builder.input("x", rows(DType.F32, 1));
        TensorType type = TensorType.of(DType.F32, Dim.of(2), Dim.of(1));
        Value up = builder.weight("up", type);
        Value gate = builder.weight("gate", type);
        builder.output(
                "y",
                builder.swiglu(
                        "swiglu",
                        builder.linear("gate product", x, gate, ActivationFormat.FLOAT, DType.F32),
                        builder.linear("up product", x, up, ActivationFormat.FLOAT, DType.F32)));
        // exp(-64) does not count beside 1.
        Map<String, float[]> weights = Map.of("up", new float[] {3, 5}, "gate", new float[] {64, 128});
        try (Backend backend = open("eager");
                Bench bench = new Bench(backend, builder.build(), Map.of(Dim.TOKENS, 1L), weights)) {
            bench.writeFloats("x", 1f);
            bench.run();
            assertArrayEquals(new float[] {192, 640}, bench.floats("y", 2));
        }
    }

    @Test
    void positionsThatANodeMakesAreDeclinedByName() {
        GraphBuilder builder = new GraphBuilder("append");
        Value cache = builder.cache("cache", DType.F32, 4, 1);
        Value part = builder.input("part", rows(DType.F32, 1));
        GraphBuilder.Paging paging = new GraphBuilder.Paging(
                builder.argmax("made", part),
                builder.input("sequences", rows(DType.I32)),
                builder.input(
                        "table", TensorType.of(DType.I32, Dim.of(Dim.SEQUENCES), Dim.of(Dim.PAGES_PER_SEQUENCE))));
        builder.kvAppend("append", cache, List.of(part), paging);
        builder.output("twice", builder.plus("twice", part, part));
        Map<String, Long> sizes = Map.of(Dim.TOKENS, 1L, Dim.SEQUENCES, 1L, Dim.PAGES_PER_SEQUENCE, 1L, Dim.PAGES, 1L);
        try (Backend backend = open("captured")) {
            BackendException declined = assertThrows(
                    BackendException.class, () -> new Bench(backend, builder.build(), sizes, Map.of()).close());
            String message = String.valueOf(declined.getMessage());
            assertTrue(message.contains("'made' is no input"), message);
        }
    }
}
