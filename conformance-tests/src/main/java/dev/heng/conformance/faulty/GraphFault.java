package dev.heng.conformance.faulty;

import dev.heng.spi.graph.Graph;
import dev.heng.spi.graph.GraphBuilder;
import dev.heng.spi.graph.Node;
import dev.heng.spi.graph.Op;
import dev.heng.spi.graph.Value;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.function.UnaryOperator;

/** A compiler that builds something else: operators of one kind are compiled with other attributes than the graph gives them. */
final class GraphFault<O extends Op> extends RunFault {

    private final Class<O> op;
    private final UnaryOperator<O> change;

    GraphFault(String id, String description, String rule, Class<O> op, UnaryOperator<O> change) {
        super(id, description, rule, List.of(op));
        this.op = op;
        this.change = change;
    }

    @Override
    protected Graph graph(Graph graph) {
        return rewritten(
                graph,
                (builder, node, operands) -> builder.add(
                        node.name(),
                        op.isInstance(node.op()) ? change.apply(op.cast(node.op())) : node.op(),
                        operands));
    }

    /** Adds to a new graph what stands for a node of the old one, with results of the same number and types. */
    @FunctionalInterface
    interface Rewrite {
        Node add(GraphBuilder builder, Node node, Value[] operands);
    }

    /** Returns {@code graph} with every node as {@code rewrite} adds it. */
    static Graph rewritten(Graph graph, Rewrite rewrite) {
        GraphBuilder builder = new GraphBuilder(graph.name());
        Map<Value, Value> copies = new HashMap<>();
        for (Value value : graph.values()) {
            if (graph.producer(value).isPresent()) {
                continue;
            }
            copies.put(
                    value,
                    switch (value.role()) {
                        case INPUT -> builder.input(value.name(), value.type());
                        case WEIGHT -> builder.weight(value.name(), value.type());
                        case STATE ->
                            builder.cache(
                                    value.name(),
                                    value.type().dtype(),
                                    (int) value.type().shape().dim(1).size(),
                                    (int) value.type().shape().dim(2).size());
                        case RESULT -> throw new IllegalStateException("result '" + value.name() + "' without a node");
                    });
        }
        for (Node node : graph.nodes()) {
            Value[] operands =
                    node.operands().stream().map(value -> copy(copies, value)).toArray(Value[]::new);
            Node added = rewrite.add(builder, node, operands);
            for (int result = 0; result < node.results().size(); result++) {
                copies.put(node.results().get(result), added.results().get(result));
            }
        }
        graph.outputs().forEach((name, value) -> builder.output(name, copy(copies, value)));
        return builder.build();
    }

    private static Value copy(Map<Value, Value> copies, Value value) {
        Value copy = copies.get(value);
        if (copy == null) {
            throw new IllegalStateException("value '" + value.name() + "' is used before it is made");
        }
        return copy;
    }
}
