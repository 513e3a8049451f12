package dev.heng.backend.reference;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.heng.spi.Backend;
import dev.heng.spi.BackendException;
import dev.heng.spi.BackendOptions;
import dev.heng.spi.BackendProvider;
import dev.heng.spi.Batch;
import dev.heng.spi.Bindings;
import dev.heng.spi.Buffer;
import dev.heng.spi.BufferRequest;
import dev.heng.spi.CompileOptions;
import dev.heng.spi.NumericsProfile;
import dev.heng.spi.Program;
import dev.heng.spi.Spi;
import dev.heng.spi.WeightSource;
import dev.heng.spi.graph.Graph;
import dev.heng.spi.graph.GraphBuilder;
import dev.heng.spi.graph.Value;
import dev.heng.spi.tensor.DType;
import dev.heng.spi.tensor.Dim;
import dev.heng.spi.tensor.Shape;
import dev.heng.spi.tensor.TensorType;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.List;
import java.util.Map;
import java.util.ServiceLoader;
import org.junit.jupiter.api.Test;

/** RUN: the contract of the SPI, rule by rule. */
class ContractTest {

    private static final TensorType X = TensorType.of(DType.F32, Dim.of(Dim.TOKENS), Dim.of(1));
    private static final CompileOptions UP_TO_4 = CompileOptions.of(Map.of(Dim.TOKENS, 4L));
    private static final WeightSource NO_WEIGHTS = weight -> {
        throw new AssertionError("asked for " + weight);
    };

    @Test
    void theProviderIsFoundAndDescribesItself() {
        BackendProvider found = ServiceLoader.load(BackendProvider.class).stream()
                .filter(provider -> provider.type() == ReferenceBackendProvider.class)
                .findFirst()
                .orElseThrow()
                .get();
        assertEquals("reference", found.id());
        assertEquals(Spi.VERSION, found.spiVersion());
        assertEquals(0, found.priority());
        assertEquals("reference:0", Trial.device().address());
        try (Backend backend = Trial.open(Map.of("threads", "1"))) {
            assertEquals(
                    NumericsProfile.Determinism.BATCH_INVARIANT,
                    backend.numerics().determinism());
            assertEquals(
                    NumericsProfile.Product.values().length,
                    backend.numerics().products().size());
        }
    }

    @Test
    void optionsAreChecked() {
        for (Map<String, String> bad : List.of(
                Map.of("thread", "1"),
                Map.of("threads", "0"),
                Map.of("threads", "many"),
                Map.of("threads", "99999999999"),
                Map.of("memory", "-1"),
                Map.of("rounding", "down"))) {
            BackendException refused = assertThrows(BackendException.class, () -> Trial.open(bad));
            assertEquals(BackendException.Code.INVALID_OPTION, refused.code(), bad.toString());
        }
        try (Backend backend = Trial.open(Map.of())) {
            CompileOptions options =
                    new CompileOptions(Map.of(Dim.TOKENS, 4L), new BackendOptions(Map.of("threads", "1")));
            BackendException refused =
                    assertThrows(BackendException.class, () -> backend.compile(twice(), NO_WEIGHTS, options));
            assertEquals(BackendException.Code.INVALID_OPTION, refused.code());
        }
    }

    @Test
    void closingInTheWrongOrderIsRefusedWithNames() {
        Backend backend = Trial.open(Map.of());
        Buffer buffer = backend.allocate(request("kept", 1));
        Program program = backend.compile(twice(), NO_WEIGHTS, UP_TO_4);
        IllegalStateException refused = assertThrows(IllegalStateException.class, backend::close);
        assertTrue(String.valueOf(refused.getMessage()).contains("buffer 'kept'"));
        assertTrue(String.valueOf(refused.getMessage()).contains("program of graph 'twice'"));
        buffer.fill((byte) 0); // Nothing was released.
        buffer.close();
        buffer.close();
        program.close();
        program.close();
        backend.close();
        backend.close();
    }

    @Test
    void useAfterCloseNamesTheThing() {
        Backend backend = Trial.open(Map.of());
        Buffer x = backend.allocate(request("x", 1));
        Buffer y = backend.allocate(request("y", 1));
        Program program = backend.compile(twice(), NO_WEIGHTS, UP_TO_4);
        Bindings bindings = new Bindings(Map.of(Dim.TOKENS, 1L), Batch.NONE, Map.of("x", x, "y", y));
        y.close();
        MemorySegment bytes = MemorySegment.ofArray(new byte[4]);
        assertNames("buffer 'y'", () -> y.read(0, bytes));
        assertNames("buffer 'y'", () -> y.write(bytes, 0));
        assertNames("buffer 'y'", () -> y.fill((byte) 1));
        assertNames("buffer 'y'", () -> program.run(bindings));
        x.close();
        program.close();
        assertNames("program of graph 'twice'", () -> program.run(bindings));
        backend.close();
        assertNames("backend 'reference'", () -> backend.allocate(request("z", 1)));
        assertNames("backend 'reference'", () -> backend.compile(twice(), NO_WEIGHTS, UP_TO_4));
        assertNames("backend 'reference'", backend::memory);
    }

    @Test
    void bindingsAndBoundsAreChecked() {
        try (Backend backend = Trial.open(Map.of());
                Backend other = Trial.open(Map.of());
                Buffer x = backend.allocate(request("x", 4));
                Buffer small = backend.allocate(request("small", 1));
                Buffer foreign = other.allocate(request("foreign", 4));
                Program program = backend.compile(twice(), NO_WEIGHTS, UP_TO_4)) {
            assertIllegal("no buffer is bound to 'y'", program, 2, Map.of("x", x));
            assertIllegal("4 bytes is bound to 'y', which takes 8", program, 2, Map.of("x", x, "y", small));
            assertIllegal("belongs to another backend", program, 2, Map.of("x", x, "y", foreign));
            assertIllegal("'tokens' is 5", program, 5, Map.of("x", x, "y", x));
            assertIllegal("'tokens' is -1", program, -1, Map.of("x", x, "y", x));
            assertThrows(
                    IllegalArgumentException.class,
                    () -> program.run(new Bindings(Map.of(), Batch.NONE, Map.of("x", x, "y", x))));
            assertThrows(
                    IllegalArgumentException.class,
                    () -> backend.compile(twice(), NO_WEIGHTS, CompileOptions.of(Map.of())));
            MemorySegment two = MemorySegment.ofArray(new byte[2]);
            assertThrows(IndexOutOfBoundsException.class, () -> small.read(3, two));
            assertThrows(IndexOutOfBoundsException.class, () -> small.write(two, -1));
        }
    }

    /** RUN-004 and RUN-003: a buffer that is input and output, larger than the run, whose rest stays. */
    @Test
    void aBufferMayBeInputAndOutput() {
        try (Backend backend = Trial.open(Map.of());
                Buffer x = backend.allocate(request("x", 4));
                Program program = backend.compile(twice(), NO_WEIGHTS, UP_TO_4)) {
            x.write(Data.of(DType.F32, 1, 2, 3, 4), 0);
            program.run(new Bindings(Map.of(Dim.TOKENS, 3L), Batch.NONE, Map.of("x", x, "y", x)));
            program.run(new Bindings(Map.of(Dim.TOKENS, 0L), Batch.NONE, Map.of("x", x, "y", x)));
            MemorySegment out = MemorySegment.ofArray(new byte[16]);
            x.read(0, out);
            assertArrayEquals(new double[] {2, 4, 6, 4}, Data.doubles(DType.F32, out));
            assertEquals(1, program.plan().size());
            assertEquals("reference:0", program.plan().getFirst().executedBy());
        }
    }

    /** RUN-006. */
    @Test
    void aRefusedRunLeavesOutputsAndTheProgramUsable() {
        GraphBuilder builder = new GraphBuilder("select");
        Value x = builder.input("x", X);
        Value rows = builder.input("rows", TensorType.of(DType.I32, Dim.of(Dim.TOKENS)));
        builder.output("early", builder.plus("sum", x, x));
        builder.output("late", builder.selectRows("select", x, rows));
        try (Backend backend = Trial.open(Map.of());
                Buffer input = backend.allocate(request("x", 1));
                Buffer index = backend.allocate(request("rows", 1));
                Buffer early = backend.allocate(request("early", 1));
                Buffer late = backend.allocate(request("late", 1));
                Program program = backend.compile(builder.build(), NO_WEIGHTS, UP_TO_4)) {
            Bindings bindings = new Bindings(
                    Map.of(Dim.TOKENS, 1L),
                    Batch.NONE,
                    Map.of("x", input, "rows", index, "early", early, "late", late));
            input.write(Data.of(DType.F32, 3), 0);
            early.write(Data.of(DType.F32, -1), 0);
            index.write(Data.ints(1), 0);
            assertThrows(BackendException.class, () -> program.run(bindings));
            MemorySegment out = MemorySegment.ofArray(new byte[4]);
            early.read(0, out);
            assertArrayEquals(new double[] {-1}, Data.doubles(DType.F32, out));
            index.write(Data.ints(0), 0);
            program.run(bindings);
            early.read(0, out);
            assertArrayEquals(new double[] {6}, Data.doubles(DType.F32, out));
        }
    }

    @Test
    void freshMemoryIsPoisoned() {
        try (Backend backend = Trial.open(Map.of());
                Buffer x = backend.allocate(request("x", 2))) {
            MemorySegment out = MemorySegment.ofArray(new byte[8]);
            x.read(0, out);
            assertArrayEquals(new double[] {Double.NaN, Double.NaN}, Data.doubles(DType.F32, out));
        }
    }

    @Test
    void outOfMemoryIsTypedAndTheBackendGoesOn() {
        try (Backend backend = Trial.open(Map.of("memory", "100"))) {
            BufferRequest tooLarge = request("large", 26);
            BackendException refused = assertThrows(BackendException.class, () -> backend.allocate(tooLarge));
            assertEquals(BackendException.Code.OUT_OF_MEMORY, refused.code());
            for (int i = 0; i < 1000; i++) {
                backend.allocate(request("fits", 25)).close();
            }
            assertEquals(new Backend.MemoryInfo(100, 100), backend.memory());
        }
        try (Backend backend = Trial.open(Map.of())) {
            for (long tokens : new long[] {Long.MAX_VALUE / 4, Long.MAX_VALUE, 1L << 50}) {
                BackendException refused =
                        assertThrows(BackendException.class, () -> backend.allocate(request("huge", tokens)));
                assertEquals(BackendException.Code.OUT_OF_MEMORY, refused.code());
            }
            backend.allocate(request("fits", 1)).close();
        }
    }

    @Test
    void theBatchMustMirrorPositionsAndSequences() {
        GraphBuilder builder = new GraphBuilder("append");
        Value cache = builder.cache("cache", DType.F32, 4, 1);
        Value positions = builder.input("positions", TensorType.of(DType.I32, Dim.of(Dim.TOKENS)));
        Value sequences = builder.input("sequences", TensorType.of(DType.I32, Dim.of(Dim.TOKENS)));
        Value table = builder.input("page_table", TensorType.of(DType.I32, Shape.of(2, 1)));
        Value x = builder.input("x", X);
        builder.kvAppend("append", cache, List.of(x), new GraphBuilder.Paging(positions, sequences, table));
        builder.output("y", builder.plus("y", x, x));
        Trial trial = new Trial()
                .dim(Dim.TOKENS, 4)
                .dim(Dim.PAGES, 2)
                .bind("positions", Data.ints(1, 2, -1, 0))
                .bind("sequences", Data.ints(0, 0, 0, 1))
                .bind("page_table", Data.ints(0, 1))
                .bind("x", Data.of(DType.F32, 1, 2, 3, 4));
        Batch.Span first = new Batch.Span(0, 2, 1);
        Batch.Span second = new Batch.Span(1, 1, 0);
        trial.batch(new Batch(List.of(first, second))).run(builder.build());
        for (List<Batch.Span> bad : List.of(
                List.of(first),
                List.of(second, first),
                List.of(first, new Batch.Span(1, 2, 0)),
                List.of(first, new Batch.Span(1, 1, 1)))) {
            assertThrows(
                    IllegalArgumentException.class,
                    () -> trial.batch(new Batch(bad)).run(builder.build()));
        }
    }

    @Test
    void aWeightThatOneThreadOnlyMayReadIsRefused() {
        GraphBuilder builder = new GraphBuilder("norm");
        builder.output(
                "y",
                builder.rmsNorm(
                        "y", builder.input("x", X), builder.weight("w", TensorType.of(DType.F32, Dim.of(1))), 0));
        try (Arena confined = Arena.ofConfined()) {
            BackendException refused = assertThrows(
                    BackendException.class,
                    () -> new Trial()
                            .dim(Dim.TOKENS, 1)
                            .bind("x", Data.of(DType.F32, 1))
                            .weight("w", confined.allocate(4))
                            .run(builder.build()));
            assertTrue(String.valueOf(refused.getMessage()).contains("weight 'w'"));
        }
    }

    private static void assertNames(String name, Runnable use) {
        IllegalStateException refused = assertThrows(IllegalStateException.class, use::run);
        assertEquals(name + " is closed", refused.getMessage());
    }

    private static void assertIllegal(String message, Program program, long tokens, Map<String, Buffer> buffers) {
        IllegalArgumentException refused = assertThrows(
                IllegalArgumentException.class,
                () -> program.run(new Bindings(Map.of(Dim.TOKENS, tokens), Batch.NONE, buffers)));
        assertTrue(String.valueOf(refused.getMessage()).contains(message), refused::getMessage);
    }

    private static BufferRequest request(String name, long tokens) {
        return new BufferRequest(name, BufferRequest.Usage.TENSOR, X, Map.of(Dim.TOKENS, tokens));
    }

    private static Graph twice() {
        GraphBuilder builder = new GraphBuilder("twice");
        Value x = builder.input("x", X);
        builder.output("y", builder.plus("sum", x, x));
        return builder.build();
    }
}
