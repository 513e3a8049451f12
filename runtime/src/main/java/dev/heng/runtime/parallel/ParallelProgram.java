package dev.heng.runtime.parallel;

import dev.heng.runtime.partition.Partition;
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
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.stream.Collectors;

/** The pieces of a graph that was cut at its collectives, run one after another on one device. What goes from piece to piece stays in its memory. */
final class ParallelProgram implements Program {

    /** What lies between two cuts. */
    sealed interface Piece extends AutoCloseable {
        Graph graph();

        @Override
        void close();
    }

    /** What the device executes. */
    record Compiled(Program program) implements Piece {
        @Override
        public Graph graph() {
            return program.graph();
        }

        @Override
        public void close() {
            program.close();
        }
    }

    /** Collectives, in the order of the graph. */
    record Exchanges(Graph graph) implements Piece {
        @Override
        public void close() {}
    }

    private final Graph graph;
    private final Backend device;
    private final Collectives collectives;
    private final List<Piece> pieces;
    /** What goes from piece to piece, by the value's name. */
    private final Map<String, Buffer> crossing = new LinkedHashMap<>();

    private boolean closed;

    ParallelProgram(
            Graph graph, Backend device, Collectives collectives, List<Piece> pieces, Map<String, Long> maxima) {
        this.graph = graph;
        this.device = device;
        this.collectives = collectives;
        this.pieces = List.copyOf(pieces);
        try {
            for (Piece piece : pieces) {
                allocate(piece, maxima);
            }
        } catch (RuntimeException e) {
            crossing.values().forEach(Buffer::close);
            throw e;
        }
    }

    /** Results of collectives have memory of their own, also those that nobody reads. */
    private void allocate(Piece piece, Map<String, Long> maxima) {
        switch (piece) {
            case Compiled compiled ->
                compiled.graph().outputs().forEach((name, value) -> {
                    if (name.startsWith(Partition.CROSSING)) {
                        allocate(graph.value(name.substring(Partition.CROSSING.length())), maxima);
                    }
                });
            case Exchanges exchanges ->
                exchanges.graph().nodes().forEach(node -> node.results().forEach(value -> allocate(value, maxima)));
        }
    }

    private void allocate(Value value, Map<String, Long> maxima) {
        crossing.put(
                value.name(),
                device.allocate(new BufferRequest(value.name(), BufferRequest.Usage.TENSOR, value.type(), maxima)));
    }

    @Override
    public Graph graph() {
        return graph;
    }

    /** Returns the steps of all pieces, over the nodes of the whole graph. */
    @Override
    public List<Step> plan() {
        Map<String, Node> byName = graph.nodes().stream().collect(Collectors.toMap(Node::name, node -> node));
        List<Step> steps = new ArrayList<>();
        for (Piece piece : pieces) {
            switch (piece) {
                case Compiled compiled ->
                    compiled.program()
                            .plan()
                            .forEach(step ->
                                    steps.add(new Step(step.kernel(), whole(byName, step.nodes()), step.executedBy())));
                case Exchanges exchanges ->
                    exchanges
                            .graph()
                            .nodes()
                            .forEach(node -> steps.add(new Step(
                                    "communicator",
                                    whole(byName, List.of(node)),
                                    device.device().address())));
            }
        }
        return steps;
    }

    private static List<Node> whole(Map<String, Node> byName, List<Node> nodes) {
        return nodes.stream()
                .map(node -> byName.getOrDefault(node.name(), node))
                .toList();
    }

    @Override
    public void run(Bindings bindings) {
        if (closed) {
            throw new IllegalStateException("the program of graph '" + graph.name() + "' is closed");
        }
        for (Piece piece : pieces) {
            switch (piece) {
                case Compiled compiled -> run(compiled.program(), bindings);
                case Exchanges exchanges -> run(exchanges.graph(), bindings);
            }
        }
    }

    private void run(Program program, Bindings bindings) {
        Graph part = program.graph();
        Map<String, Buffer> buffers = new HashMap<>();
        part.states().forEach(state -> buffers.put(state.name(), bindings.buffer(state.name())));
        part.inputs().forEach(input -> buffers.put(input.name(), source(bindings, input.name())));
        part.outputs()
                .keySet()
                .forEach(output -> buffers.put(
                        output,
                        output.startsWith(Partition.CROSSING)
                                ? source(bindings, output.substring(Partition.CROSSING.length()))
                                : bindings.buffer(output)));
        Batch batch = part.states().isEmpty() ? Batch.NONE : bindings.batch();
        program.run(new Bindings(dims(part, bindings), batch, buffers));
    }

    private void run(Graph exchanges, Bindings bindings) {
        for (Node node : exchanges.nodes()) {
            collectives.run(
                    node,
                    node.operands().stream()
                            .map(value -> source(bindings, value.name()))
                            .toList(),
                    node.results().stream()
                            .map(value -> source(bindings, value.name()))
                            .toList(),
                    bindings.dims());
        }
        exchanges.outputs().forEach((output, value) -> {
            if (!output.startsWith(Partition.CROSSING)) {
                collectives.copy(
                        source(bindings, value.name()),
                        bindings.buffer(output),
                        value.type().bytes(bindings.dims()));
            }
        });
    }

    /** Returns what crosses between pieces, or an input of the whole graph. */
    private Buffer source(Bindings bindings, String name) {
        Buffer own = crossing.get(name);
        return own != null ? own : bindings.buffer(name);
    }

    private static Map<String, Long> dims(Graph part, Bindings bindings) {
        Set<String> used = new HashSet<>();
        for (Value value : part.values()) {
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
        if (!closed) {
            closed = true;
            pieces.forEach(Piece::close);
            crossing.values().forEach(Buffer::close);
            collectives.close();
        }
    }
}
