package dev.heng.runtime.fallback;

import dev.heng.runtime.partition.Partition;
import dev.heng.runtime.partition.Side;
import dev.heng.spi.Backend;
import dev.heng.spi.Batch;
import dev.heng.spi.Bindings;
import dev.heng.spi.Buffer;
import dev.heng.spi.BufferRequest;
import dev.heng.spi.Program;
import dev.heng.spi.graph.Graph;
import dev.heng.spi.graph.Node;
import dev.heng.spi.graph.Value;
import dev.heng.spi.tensor.Dim;
import dev.heng.spi.tensor.TensorType;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.stream.Collectors;

/** The parts of a graph, each compiled by its device, run one after another. */
final class FallbackProgram implements Program {

    /**
     * One part.
     *
     * @param side who runs it
     * @param program of {@link Partition.Part#graph}
     */
    record CompiledPart(Side side, Program program) {}

    private final Graph graph;
    private final Map<Side, Backend> backends;
    private final List<CompiledPart> parts;
    /** What goes from part to part, by the value's name. */
    private final Map<String, MirroredBuffer> crossing = new LinkedHashMap<>();

    private boolean closed;

    FallbackProgram(Graph graph, Map<Side, Backend> backends, List<CompiledPart> parts, Map<String, Long> maxima) {
        this.graph = graph;
        this.backends = backends;
        this.parts = List.copyOf(parts);
        for (CompiledPart part : parts) {
            for (String output : part.program().graph().outputs().keySet()) {
                if (output.startsWith(Partition.CROSSING)) {
                    Value value = graph.value(output.substring(Partition.CROSSING.length()));
                    crossing.put(
                            value.name(),
                            new MirroredBuffer(
                                    backends,
                                    new BufferRequest(value.name(), BufferRequest.Usage.TENSOR, value.type(), maxima)));
                }
            }
        }
    }

    @Override
    public Graph graph() {
        return graph;
    }

    /** Returns the steps of all parts, over the nodes of the whole graph; a copy between devices is a step without nodes. */
    @Override
    public List<Step> plan() {
        Map<String, Node> byName = graph.nodes().stream().collect(Collectors.toMap(Node::name, node -> node));
        Map<String, Side> latest = new HashMap<>();
        List<Step> steps = new ArrayList<>();
        for (CompiledPart part : parts) {
            List<String> copied = new ArrayList<>();
            for (Value input : part.program().graph().inputs()) {
                Side from = latest.get(input.name());
                if (from != null && from != part.side()) {
                    copied.add(input.name());
                }
                latest.putIfAbsent(input.name(), part.side());
            }
            if (!copied.isEmpty()) {
                steps.add(new Step(
                        "copy through the host of " + String.join(", ", copied), List.of(), address(part.side())));
            }
            for (Step step : part.program().plan()) {
                List<Node> nodes = step.nodes().stream()
                        .map(node -> byName.getOrDefault(node.name(), node))
                        .toList();
                steps.add(new Step(step.kernel(), nodes, step.executedBy()));
                nodes.forEach(node -> node.results().forEach(result -> latest.put(result.name(), part.side())));
            }
        }
        return steps;
    }

    private String address(Side side) {
        Backend backend = backends.get(side);
        return backend == null ? side.name() : backend.device().address();
    }

    @Override
    public void run(Bindings bindings) {
        if (closed) {
            throw new IllegalStateException("the program of graph '" + graph.name() + "' is closed");
        }
        for (CompiledPart part : parts) {
            run(part, bindings);
        }
    }

    private void run(CompiledPart part, Bindings bindings) {
        Graph partGraph = part.program().graph();
        Side side = part.side();
        Map<String, Buffer> buffers = new HashMap<>();
        for (Value state : partGraph.states()) {
            buffers.put(state.name(), mirrored(bindings, state.name()).current(side, 0));
        }
        for (Value input : partGraph.inputs()) {
            MirroredBuffer buffer = source(bindings, input.name());
            buffers.put(input.name(), buffer.current(side, input.type().bytes(bindings.dims())));
        }
        Map<MirroredBuffer, TensorType> written = new LinkedHashMap<>();
        partGraph.outputs().forEach((output, value) -> {
            MirroredBuffer buffer = output.startsWith(Partition.CROSSING)
                    ? source(bindings, output.substring(Partition.CROSSING.length()))
                    : mirrored(bindings, output);
            buffers.put(output, buffer.target(side));
            written.put(buffer, value.type());
        });
        Batch batch = partGraph.states().isEmpty() ? Batch.NONE : bindings.batch();
        part.program().run(new Bindings(dims(partGraph, bindings), batch, buffers));
        written.forEach((buffer, type) -> buffer.written(side, type.bytes(bindings.dims())));
    }

    /** Returns what crosses between parts, or an input of the whole graph. */
    private MirroredBuffer source(Bindings bindings, String name) {
        MirroredBuffer own = crossing.get(name);
        return own != null ? own : mirrored(bindings, name);
    }

    private MirroredBuffer mirrored(Bindings bindings, String name) {
        if (bindings.buffer(name) instanceof MirroredBuffer buffer) {
            return buffer;
        }
        throw new IllegalArgumentException("the buffer bound to '" + name + "' was allocated by another backend");
    }

    private static Map<String, Long> dims(Graph partGraph, Bindings bindings) {
        Set<String> used = new HashSet<>();
        for (Value value : partGraph.values()) {
            for (Dim dim : value.type().shape().dims()) {
                if (dim.symbol() != null) {
                    used.add(dim.symbol());
                }
            }
        }
        Map<String, Long> dims = new HashMap<>(bindings.dims());
        dims.keySet().retainAll(used);
        return dims;
    }

    @Override
    public void close() {
        if (closed) {
            return;
        }
        closed = true;
        for (CompiledPart part : parts) {
            part.program().close();
        }
        crossing.values().forEach(MirroredBuffer::close);
    }
}
