package dev.heng.benchmarks;

import dev.heng.runtime.bench.RandomWeights;
import dev.heng.runtime.registry.BackendRegistry;
import dev.heng.runtime.registry.BackendWish;
import dev.heng.spi.Backend;
import dev.heng.spi.BackendOptions;
import dev.heng.spi.Batch;
import dev.heng.spi.Bindings;
import dev.heng.spi.Buffer;
import dev.heng.spi.BufferRequest;
import dev.heng.spi.CompileOptions;
import dev.heng.spi.Program;
import dev.heng.spi.graph.Graph;
import dev.heng.spi.graph.Value;
import dev.heng.spi.tensor.DType;
import dev.heng.spi.tensor.TensorType;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.SplittableRandom;

/** A small graph that is compiled once and run again and again on the same inputs. Ownership: whoever opened it closes it, which closes its weights as well. */
final class GraphRunner implements AutoCloseable {

    private static final long SEED = 1;

    private final Backend backend;
    private final RandomWeights weights;
    private final Program program;
    private final Bindings bindings;
    private final List<Buffer> buffers;
    private final Buffer output;
    private final byte[] firstByte = new byte[1];

    private GraphRunner(
            Backend backend,
            RandomWeights weights,
            Program program,
            Bindings bindings,
            List<Buffer> buffers,
            Buffer output) {
        this.backend = backend;
        this.weights = weights;
        this.program = program;
        this.bindings = bindings;
        this.buffers = buffers;
        this.output = output;
    }

    /**
     * Compiles a graph.
     *
     * @param device an id like "reference" or "cpu", or "cpu@LEVEL" for a level of its kernels
     * @param graph F32 inputs and states are filled with normal random numbers; I32 inputs are among {@code integers}
     * @param weights those that the graph was declared with; taken over
     * @param sizes the size of every symbol
     * @param integers the I32 inputs by name
     * @param batch which rows belong to which sequence
     */
    static GraphRunner open(
            String device,
            Graph graph,
            RandomWeights weights,
            Map<String, Long> sizes,
            Map<String, int[]> integers,
            Batch batch) {
        int at = device.indexOf('@');
        String id = at < 0 ? device : device.substring(0, at);
        BackendOptions options =
                at < 0 ? BackendOptions.none() : new BackendOptions(Map.of("level", device.substring(at + 1)));
        Backend backend = BackendRegistry.discover(List.of())
                .choose(BackendWish.parse(id))
                .open(options);
        weights.generate();
        Program program = backend.compile(graph, weights.source(), CompileOptions.of(sizes));
        List<Buffer> buffers = new ArrayList<>();
        Map<String, Buffer> bound = new HashMap<>();
        for (Value input : graph.inputs()) {
            Buffer buffer = allocate(backend, input.name(), BufferRequest.Usage.TENSOR, input.type(), sizes);
            fill(buffer, input.type().dtype(), integers.get(input.name()));
            bound.put(input.name(), buffer);
            buffers.add(buffer);
        }
        for (Value state : graph.states()) {
            Buffer buffer = allocate(backend, state.name(), BufferRequest.Usage.STATE, state.type(), sizes);
            fill(buffer, state.type().dtype(), null);
            bound.put(state.name(), buffer);
            buffers.add(buffer);
        }
        graph.outputs().forEach((name, value) -> {
            Buffer buffer = allocate(backend, name, BufferRequest.Usage.TENSOR, value.type(), sizes);
            bound.put(name, buffer);
            buffers.add(buffer);
        });
        Buffer output = Objects.requireNonNull(
                bound.get(graph.outputs().keySet().iterator().next()));
        return new GraphRunner(backend, weights, program, new Bindings(sizes, batch, bound), buffers, output);
    }

    private static Buffer allocate(
            Backend backend, String name, BufferRequest.Usage usage, TensorType type, Map<String, Long> sizes) {
        return backend.allocate(new BufferRequest(name, usage, type, sizes));
    }

    private static void fill(Buffer buffer, DType dtype, int @org.jspecify.annotations.Nullable [] integers) {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment bytes = arena.allocate(buffer.sizeBytes(), Long.BYTES);
            if (integers != null) {
                MemorySegment.copy(integers, 0, bytes, ValueLayout.JAVA_INT, 0, integers.length);
            } else if (dtype == DType.F32) {
                SplittableRandom random = new SplittableRandom(SEED);
                for (long offset = 0; offset + Float.BYTES <= bytes.byteSize(); offset += Float.BYTES) {
                    bytes.set(
                            ValueLayout.JAVA_FLOAT,
                            offset,
                            (float) random.nextDouble(0.5, 2) * (random.nextBoolean() ? 1 : -1));
                }
            } else {
                throw new IllegalArgumentException("an input of type " + dtype + " without values");
            }
            buffer.write(bytes, 0);
        }
    }

    /** Runs once, waits, and returns something of the result. */
    byte run() {
        program.run(bindings);
        output.read(0, MemorySegment.ofArray(firstByte));
        return firstByte[0];
    }

    @Override
    public void close() {
        buffers.forEach(Buffer::close);
        program.close();
        backend.close();
        weights.close();
    }
}
