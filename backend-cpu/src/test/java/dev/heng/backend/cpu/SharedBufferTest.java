package dev.heng.backend.cpu;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;

import dev.heng.kernels.cpu.CpuLayout;
import dev.heng.kernels.cpu.CpuLibrary;
import dev.heng.spi.Availability;
import dev.heng.spi.Backend;
import dev.heng.spi.BackendOptions;
import dev.heng.spi.Batch;
import dev.heng.spi.Bindings;
import dev.heng.spi.Buffer;
import dev.heng.spi.BufferRequest;
import dev.heng.spi.CompileOptions;
import dev.heng.spi.Program;
import dev.heng.spi.graph.Graph;
import dev.heng.spi.graph.GraphBuilder;
import dev.heng.spi.graph.Value;
import dev.heng.spi.tensor.DType;
import dev.heng.spi.tensor.Dim;
import dev.heng.spi.tensor.TensorType;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.HashMap;
import java.util.Map;
import java.util.Objects;
import org.junit.jupiter.api.Test;

/** One buffer as input and output (RUN-004): nodes read the input as it was before the run, whatever the order of instructions. */
final class SharedBufferTest {

    private static CpuLayout layout() {
        return assertInstanceOf(CpuLibrary.Loaded.class, CpuLibrary.load())
                .library()
                .layout();
    }

    /** Two copies, one after the other: whether the first may overlap with the second. */
    private static boolean overlap(Place firstReads, Place firstWrites, Place secondReads, Place secondWrites) {
        CpuLayout layout = layout();
        Instructions instructions = new Instructions(layout, Map.of());
        instructions.next("COPY", Dim.of(1)).reads("x", firstReads, 4).writes("y", firstWrites, 4);
        instructions.next("COPY", Dim.of(1)).reads("x", secondReads, 4).writes("y", secondWrites, 4);
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment encoded = instructions.encode(arena, 0, new HashMap<>());
            return encoded.get(ValueLayout.JAVA_INT, layout.offset("instruction.flags")) == layout.constant("OVERLAP");
        }
    }

    @Test
    void writingAnOutputWaitsForEverythingThatIsBound() {
        Place scratch = new Place.Scratch(0);
        Place other = new Place.Scratch(4096);
        assertEquals(
                false, overlap(new Place.Bound("ids", 0), scratch, other, new Place.Bound("token", 0)), "read, write");
        assertEquals(
                false, overlap(other, new Place.Bound("token", 0), new Place.Bound("ids", 0), scratch), "write, read");
        assertEquals(
                false, overlap(scratch, new Place.Bound("a", 0), other, new Place.Bound("a", 4)), "the same output");
    }

    @Test
    void whatSharesNothingOverlaps() {
        Place scratch = new Place.Scratch(0);
        Place other = new Place.Scratch(4096);
        assertEquals(
                true,
                overlap(scratch, new Place.Bound("a", 0), other, new Place.Bound("b", 0)),
                "two outputs never share a buffer");
        assertEquals(
                true,
                overlap(new Place.Bound("ids", 0), scratch, new Place.Bound("ids", 0), other),
                "two readers of one input");
        assertEquals(true, overlap(scratch, new Place.Scratch(64), other, new Place.Scratch(8192)), "scratch apart");
    }

    /** Outputs that are inputs, or parts of them, in one another's buffers: a swap, which no order of copies gets right without a third place. */
    @Test
    void outputsThatAreInputsMayBeSwapped() {
        GraphBuilder g = new GraphBuilder("swap");
        TensorType type = TensorType.of(DType.F32, Dim.of(Dim.TOKENS), Dim.of(8));
        Value a = g.input("a", type);
        Value b = g.input("b", type);
        g.output("first", b);
        g.output("second", a);
        g.output("half", g.slice("half", a, 4, 4));
        Graph graph = g.build();
        Map<String, Long> dims = Map.of(Dim.TOKENS, 3L);
        CpuBackendProvider provider = new CpuBackendProvider();
        try (Backend backend = provider.open(
                        assertInstanceOf(Availability.Available.class, provider.probe())
                                .devices()
                                .getFirst(),
                        new BackendOptions(Map.of("threads", "2")));
                Program program = backend.compile(
                        graph,
                        value -> {
                            throw new IllegalStateException("no weights");
                        },
                        CompileOptions.of(dims))) {
            try (Buffer one = allocate(backend, "one", type, dims);
                    Buffer two = allocate(backend, "two", type, dims);
                    Buffer half =
                            allocate(backend, "half", TensorType.of(DType.F32, Dim.of(Dim.TOKENS), Dim.of(4)), dims)) {
                float[] ones = new float[24];
                float[] twos = new float[24];
                for (int i = 0; i < 24; i++) {
                    ones[i] = i;
                    twos[i] = -1 - i;
                }
                one.write(MemorySegment.ofArray(ones), 0);
                two.write(MemorySegment.ofArray(twos), 0);
                program.run(new Bindings(
                        dims, Batch.NONE, Map.of("a", one, "b", two, "first", one, "second", two, "half", half)));
                assertArrayEquals(twos, floats(one, 24));
                assertArrayEquals(ones, floats(two, 24));
                assertArrayEquals(new float[] {4, 5, 6, 7, 12, 13, 14, 15, 20, 21, 22, 23}, floats(half, 12));
            }
        }
    }

    private static Buffer allocate(Backend backend, String name, TensorType type, Map<String, Long> dims) {
        return backend.allocate(new BufferRequest(name, BufferRequest.Usage.TENSOR, type, dims));
    }

    private static float[] floats(Buffer buffer, int count) {
        float[] values = new float[count];
        Objects.requireNonNull(buffer).read(0, MemorySegment.ofArray(values));
        return values;
    }
}
