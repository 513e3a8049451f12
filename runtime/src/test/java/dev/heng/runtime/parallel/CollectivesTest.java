package dev.heng.runtime.parallel;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.heng.runtime.generate.TestModel;
import dev.heng.spi.Backend;
import dev.heng.spi.BackendException;
import dev.heng.spi.Batch;
import dev.heng.spi.Bindings;
import dev.heng.spi.Buffer;
import dev.heng.spi.BufferRequest;
import dev.heng.spi.Communicator;
import dev.heng.spi.CompileOptions;
import dev.heng.spi.Program;
import dev.heng.spi.Support;
import dev.heng.spi.graph.Graph;
import dev.heng.spi.graph.GraphBuilder;
import dev.heng.spi.graph.Node;
import dev.heng.spi.graph.Op;
import dev.heng.spi.graph.Value;
import dev.heng.spi.tensor.DType;
import dev.heng.spi.tensor.Dim;
import dev.heng.spi.tensor.Shape;
import dev.heng.spi.tensor.TensorType;
import java.lang.foreign.MemorySegment;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.concurrent.CompletionException;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** COMM-001 to COMM-003 over several ranks, against the rules written out for all ranks at once. */
final class CollectivesTest {

    private static final int WIDTH = 5;

    private static TensorType rows(DType dtype) {
        return TensorType.of(dtype, Dim.of(Dim.TOKENS), Dim.of(WIDTH));
    }

    /** Runs a graph on a rank and returns its outputs. */
    private static Map<String, MemorySegment> run(
            Communicator communicator, Graph graph, int tokens, Map<String, MemorySegment> inputs) {
        Map<String, Long> dims = Map.of(Dim.TOKENS, (long) tokens);
        Map<String, MemorySegment> results = new HashMap<>();
        List<Buffer> owned = new ArrayList<>();
        try (Backend rank = new ParallelBackend(TestModel.reference(), communicator)) {
            try (Program program = rank.compile(
                    graph,
                    _ -> {
                        throw new AssertionError("there is no weight");
                    },
                    CompileOptions.of(dims))) {
                Map<String, Buffer> buffers = new HashMap<>();
                graph.inputs().forEach(input -> {
                    Buffer buffer = allocate(rank, input.name(), input.type(), dims, owned);
                    buffer.write(inputs.getOrDefault(input.name(), MemorySegment.NULL), 0);
                    buffers.put(input.name(), buffer);
                });
                graph.outputs()
                        .forEach((name, value) -> buffers.put(name, allocate(rank, name, value.type(), dims, owned)));
                program.run(new Bindings(dims, Batch.NONE, buffers));
                graph.outputs().forEach((name, value) -> {
                    MemorySegment bytes = MemorySegment.ofArray(
                            new byte[Math.toIntExact(value.type().bytes(dims))]);
                    buffers.getOrDefault(name, owned.getFirst()).read(0, bytes);
                    results.put(name, bytes);
                });
                assertEquals(
                        graph.nodes().size(),
                        program.plan().stream()
                                .mapToInt(step -> step.nodes().size())
                                .sum());
            } finally {
                owned.forEach(Buffer::close);
            }
        }
        return results;
    }

    private static Buffer allocate(
            Backend backend, String name, TensorType type, Map<String, Long> dims, List<Buffer> owned) {
        Buffer buffer = backend.allocate(new BufferRequest(name, BufferRequest.Usage.TENSOR, type, dims));
        owned.add(buffer);
        return buffer;
    }

    private static float[] floats(Random random, int count) {
        float[] values = new float[count];
        for (int i = 0; i < count; i++) {
            values[i] = (float) random.nextGaussian();
        }
        return values;
    }

    private static float[] floats(MemorySegment bytes) {
        return bytes.toArray(java.lang.foreign.ValueLayout.JAVA_FLOAT_UNALIGNED);
    }

    private static int[] integers(MemorySegment bytes) {
        return bytes.toArray(java.lang.foreign.ValueLayout.JAVA_INT_UNALIGNED);
    }

    private static MemorySegment segment(float[] values) {
        MemorySegment bytes = MemorySegment.ofArray(new byte[4 * values.length]);
        MemorySegment.copy(MemorySegment.ofArray(values), 0, bytes, 0, 4L * values.length);
        return bytes;
    }

    @ParameterizedTest
    @CsvSource({"1, 3", "2, 0", "2, 1", "4, 17", "7, 2"})
    void sumsAreRoundedOnceAndTheSameEverywhere(int ranks, int tokens) {
        GraphBuilder builder = new GraphBuilder("sum");
        Value x = builder.input("x", rows(DType.F32));
        Value doubled = builder.plus("double", x, x);
        Value sum = builder.allReduce("sum", doubled, ranks);
        builder.output("y", builder.plus("work", sum, sum));
        builder.output("sum", sum);
        Graph graph = builder.build();
        float[][] data = new float[ranks][];
        Arrays.setAll(data, rank -> floats(new Random(rank), tokens * WIDTH));
        List<Map<String, MemorySegment>> results =
                Ranks.run(ranks, one -> run(one, graph, tokens, Map.of("x", segment(data[one.rank()]))));
        float[] expected = new float[tokens * WIDTH];
        for (int i = 0; i < expected.length; i++) {
            double total = 0;
            for (float[] each : data) {
                total += 2.0 * each[i];
            }
            expected[i] = (float) total;
        }
        for (Map<String, MemorySegment> result : results) {
            assertArrayEquals(expected, floats(result.getOrDefault("sum", MemorySegment.NULL)));
            float[] worked = floats(result.getOrDefault("y", MemorySegment.NULL));
            for (int i = 0; i < expected.length; i++) {
                assertEquals(2 * expected[i], worked[i]);
            }
        }
    }

    /** Loads from nothing to everything on one expert; ranks with nothing to send, and with nothing to receive. */
    @ParameterizedTest
    @CsvSource({"1, 3, 1", "2, 2, 2", "3, 1, 3", "4, 4, 4", "2, 5, 5"})
    void rowsGoToTheirExpertsAndComeBack(int ranks, int localExperts, long seed) {
        int experts = ranks * localExperts;
        int capacity = 9;
        int[][] counts = new int[ranks][experts];
        Random random = new Random(seed);
        for (int rank = 0; rank < ranks; rank++) {
            for (int row = 0; row < (rank == 1 ? 0 : capacity - rank % 2); row++) {
                counts[rank][seed == 3 ? experts - 1 : random.nextInt(experts)]++;
            }
        }
        GraphBuilder builder = new GraphBuilder("exchange");
        Value x = builder.input("x", rows(DType.F32));
        Value offsets = builder.input("offsets", TensorType.of(DType.I32, Shape.of(experts + 1)));
        Node sent = builder.add("send", new Op.AllToAll(ranks, localExperts), x, offsets);
        Value worked =
                builder.plus("work", sent.results().get(0), sent.results().get(0));
        Node back = builder.add(
                "return",
                new Op.AllToAllReturn(ranks, localExperts),
                worked,
                sent.results().get(2),
                offsets);
        builder.output("received", sent.results().get(0));
        builder.output("received_offsets", sent.results().get(1));
        builder.output("receipt", sent.results().get(2));
        builder.output("y", back.results().getFirst());
        Graph graph = builder.build();
        List<Map<String, MemorySegment>> results = Ranks.run(
                ranks,
                one -> run(
                        one,
                        graph,
                        capacity,
                        Map.of(
                                "x",
                                segment(names(one.rank(), capacity)),
                                "offsets",
                                Collectives.segment(offsets(counts[one.rank()])))));
        for (int rank = 0; rank < ranks; rank++) {
            check(rank, localExperts, counts, capacity, results.get(rank));
        }
    }

    /** Every element says whose it is: rank, row, column. */
    private static float[] names(int rank, int rows) {
        float[] values = new float[rows * WIDTH];
        for (int i = 0; i < values.length; i++) {
            values[i] = rank * 10_000 + i;
        }
        return values;
    }

    private static int[] offsets(int[] counts) {
        int[] offsets = new int[counts.length + 1];
        for (int i = 0; i < counts.length; i++) {
            offsets[i + 1] = offsets[i] + counts[i];
        }
        return offsets;
    }

    private static void check(
            int rank, int localExperts, int[][] counts, int capacity, Map<String, MemorySegment> result) {
        float[] received = floats(result.getOrDefault("received", MemorySegment.NULL));
        int[] receipt = integers(result.getOrDefault("receipt", MemorySegment.NULL));
        int[] receivedOffsets = integers(result.getOrDefault("received_offsets", MemorySegment.NULL));
        int at = 0;
        for (int expert = 0; expert < localExperts; expert++) {
            assertEquals(at, receivedOffsets[expert]);
            for (int source = 0; source < counts.length; source++) {
                int global = rank * localExperts + expert;
                int first = offsets(counts[source])[global];
                assertEquals(counts[source][global], receipt[source * localExperts + expert]);
                for (int row = 0; row < counts[source][global]; row++, at++) {
                    for (int column = 0; column < WIDTH; column++) {
                        assertEquals(source * 10_000 + (first + row) * WIDTH + column, received[at * WIDTH + column]);
                    }
                }
            }
        }
        assertEquals(at, receivedOffsets[localExperts]);
        int used = Arrays.stream(counts[rank]).sum();
        float[] mine = names(rank, capacity);
        float[] back = floats(result.getOrDefault("y", MemorySegment.NULL));
        for (int i = 0; i < used * WIDTH; i++) {
            assertEquals(2 * mine[i], back[i]);
        }
    }

    @Test
    void anotherNumberOfRanksIsDeclined() {
        GraphBuilder builder = new GraphBuilder("sum");
        builder.output("y", builder.allReduce("sum", builder.input("x", rows(DType.F32)), 3));
        try (Backend rank = new ParallelBackend(TestModel.reference(), new FakeRank(0, 2))) {
            Support.Declined declined = assertInstanceOf(
                    Support.Declined.class,
                    rank.supports(builder.build().nodes().getFirst(), CompileOptions.of(Map.of())));
            assertTrue(declined.text().contains("3 ranks in a group of 2"), declined.text());
        }
    }

    @Test
    void ranksThatCallDifferentThingsAreToldSo() {
        try (Backend backend = TestModel.reference();
                Buffer buffer = backend.allocate(new BufferRequest(
                        "b", BufferRequest.Usage.TENSOR, TensorType.of(DType.F32, Shape.of(4)), Map.of()))) {
            CompletionException failure = assertThrows(
                    CompletionException.class,
                    () -> Ranks.run(2, one -> {
                        one.allReduceSum(buffer, buffer, DType.F32, one.rank() == 0 ? 3 : 4);
                        return 0;
                    }));
            BackendException cause = assertInstanceOf(BackendException.class, failure.getCause());
            assertTrue(
                    String.valueOf(cause.getMessage()).contains("allReduceSum of 3 F32, allReduceSum of 4 F32"),
                    cause.getMessage());
        }
    }

    @ParameterizedTest
    @ValueSource(ints = {2, 5})
    void aRankThatDoesNotComeEndsTheWait(int size) {
        HostGroup group = new HostGroup(size, Duration.ofMillis(50));
        try (Backend backend = TestModel.reference();
                Buffer buffer = backend.allocate(new BufferRequest(
                        "b", BufferRequest.Usage.TENSOR, TensorType.of(DType.F32, Shape.of(4)), Map.of()))) {
            BackendException failure =
                    assertThrows(BackendException.class, () -> group.rank(0).broadcast(buffer, DType.F32, 4, 0));
            assertTrue(
                    String.valueOf(failure.getMessage()).contains("only 1 of " + size + " ranks came"),
                    failure.getMessage());
        }
    }
}
