package dev.heng.backend.reference;

import dev.heng.spi.Backend;
import dev.heng.spi.BackendOptions;
import dev.heng.spi.Batch;
import dev.heng.spi.Bindings;
import dev.heng.spi.Buffer;
import dev.heng.spi.BufferRequest;
import dev.heng.spi.CompileOptions;
import dev.heng.spi.DeviceInfo;
import dev.heng.spi.Program;
import dev.heng.spi.WeightSource;
import dev.heng.spi.graph.Graph;
import dev.heng.spi.graph.Value;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/** One run of one small graph on the oracle, through the SPI alone. */
final class Trial {

    private final Map<String, String> options = new HashMap<>();
    private final Map<String, Long> dims = new HashMap<>();
    private final Map<String, MemorySegment> bytes = new HashMap<>();
    private final Map<String, WeightSource.WeightData> weights = new HashMap<>();
    private Batch batch = Batch.NONE;

    Trial option(String name, String value) {
        options.put(name, value);
        return this;
    }

    Trial dim(String symbol, long size) {
        dims.put(symbol, size);
        return this;
    }

    /** Sets the bytes of an input, or those that a state holds before the run. */
    Trial bind(String name, MemorySegment segment) {
        bytes.put(name, segment);
        return this;
    }

    Trial batch(Batch spans) {
        batch = spans;
        return this;
    }

    Trial weight(String name, MemorySegment elements) {
        weights.put(name, WeightSource.WeightData.of(elements));
        return this;
    }

    Trial weight(
            String name, MemorySegment elements, @Nullable MemorySegment scales, @Nullable MemorySegment zeroPoints) {
        weights.put(name, new WeightSource.WeightData(List.of(new WeightSource.Part(elements, scales, zeroPoints))));
        return this;
    }

    Trial weight(String name, WeightSource.Part... parts) {
        weights.put(name, new WeightSource.WeightData(List.of(parts)));
        return this;
    }

    static Backend open(Map<String, String> options) {
        ReferenceBackendProvider provider = new ReferenceBackendProvider();
        return provider.open(device(), new BackendOptions(options));
    }

    static DeviceInfo device() {
        return switch (new ReferenceBackendProvider().probe()) {
            case dev.heng.spi.Availability.Available available ->
                available.devices().getFirst();
            case dev.heng.spi.Availability.Unavailable unavailable -> throw new AssertionError(unavailable);
        };
    }

    /** Returns the bytes of every output and, after it, of every state. */
    Map<String, MemorySegment> run(Graph graph) {
        Map<String, MemorySegment> results = new LinkedHashMap<>();
        List<Buffer> made = new ArrayList<>();
        try (Backend backend = open(options)) {
            try (Program program = backend.compile(graph, this::weightOf, CompileOptions.of(dims))) {
                Map<String, Buffer> buffers = new HashMap<>();
                for (Value value : graph.values()) {
                    boolean given = value.role() == Value.Role.INPUT || value.role() == Value.Role.STATE;
                    if (given && graph.producer(value).isEmpty()) {
                        Buffer buffer = allocate(backend, value.name(), value, made);
                        MemorySegment content = bytes.get(value.name());
                        if (content != null) {
                            buffer.write(content, 0);
                        } else if (value.role() == Value.Role.INPUT) {
                            throw new AssertionError("no bytes for input " + value);
                        }
                        buffers.put(value.name(), buffer);
                    }
                }
                graph.outputs().forEach((name, value) -> buffers.put(name, allocate(backend, name, value, made)));
                program.run(new Bindings(dims, batch, buffers));
                graph.outputs().keySet().forEach(name -> results.put(name, contents(buffers, name)));
                graph.states().forEach(state -> results.put(state.name(), contents(buffers, state.name())));
            } finally {
                made.forEach(Buffer::close);
            }
        }
        return results;
    }

    /** Returns the doubles of the output called {@code y}. */
    double[] y(Graph graph) {
        return Data.doubles(get(graph.outputs(), "y").type().dtype(), get(run(graph), "y"));
    }

    /** Returns what {@code map} holds for {@code key}, which must be there. */
    static <T> T get(Map<String, T> map, String key) {
        T value = map.get(key);
        if (value == null) {
            throw new AssertionError("no " + key + " among " + map.keySet());
        }
        return value;
    }

    private Buffer allocate(Backend backend, String name, Value value, List<Buffer> made) {
        BufferRequest.Usage usage =
                value.role() == Value.Role.STATE ? BufferRequest.Usage.STATE : BufferRequest.Usage.TENSOR;
        Buffer buffer = backend.allocate(new BufferRequest(name, usage, value.type(), dims));
        made.add(buffer);
        return buffer;
    }

    private static MemorySegment contents(Map<String, Buffer> buffers, String name) {
        Buffer buffer = get(buffers, name);
        MemorySegment copy = MemorySegment.ofArray(new byte[(int) buffer.sizeBytes()]);
        buffer.read(0, copy);
        return copy;
    }

    private WeightSource.WeightData weightOf(Value weight) {
        return get(weights, weight.name());
    }
}
