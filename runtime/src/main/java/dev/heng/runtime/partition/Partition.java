package dev.heng.runtime.partition;

import dev.heng.spi.BackendException;
import dev.heng.spi.graph.Graph;
import dev.heng.spi.graph.GraphBuilder;
import dev.heng.spi.graph.Node;
import dev.heng.spi.graph.Value;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;

/**
 * Cuts a graph into parts that each have one executor, one after another. A part takes every node of its side whose operands are there, so that there are as few
 * cuts as the graph allows.
 *
 * <p>Values keep their names: an input of a part that another part computes is called like the value, and leaves that part as an output called {@code %} and the name.
 */
public final class Partition {

    /** Begins the names of outputs that are no outputs of the whole graph. */
    public static final String CROSSING = "%";

    /**
     * A graph of its own.
     *
     * @param side who runs it
     * @param graph its nodes, called as in the whole graph
     */
    public record Part(Side side, Graph graph) {}

    private final Graph graph;
    private final Map<Node, Side> sides;
    private final Map<Node, Set<Node>> before = new HashMap<>();
    private final Map<Value, List<Node>> readers = new HashMap<>();

    private Partition(Graph graph, Map<Node, Side> sides) {
        this.graph = graph;
        this.sides = sides;
        Map<Value, Node> lastOfState = new HashMap<>();
        for (Node node : graph.nodes()) {
            Set<Node> needed = new HashSet<>();
            for (Value operand : node.operands()) {
                graph.producer(operand).ifPresent(needed::add);
                readers.computeIfAbsent(operand, _ -> new ArrayList<>()).add(node);
            }
            // A reader of a cache must stay before a later writer of it, which no value tells.
            for (Value state : states(graph, node)) {
                Node last = lastOfState.put(state, node);
                if (last != null) {
                    needed.add(last);
                }
            }
            before.put(node, needed);
        }
    }

    /** Returns the parts in an order of execution; every node is in one of them. */
    public static List<Part> of(Graph graph, Map<Node, Side> sides) {
        return new Partition(graph, sides).parts();
    }

    /** Returns the caches that a node touches, as the caller of the graph provides them. */
    public static List<Value> states(Graph graph, Node node) {
        Set<Value> states = new LinkedHashSet<>();
        for (Value operand : node.operands()) {
            if (operand.role() == Value.Role.STATE) {
                states.add(graph.stateOf(operand));
            }
        }
        return List.copyOf(states);
    }

    private List<Part> parts() {
        List<Part> parts = new ArrayList<>();
        List<Node> remaining = new ArrayList<>(graph.nodes());
        Set<Node> done = new HashSet<>();
        Side side = sides.getOrDefault(graph.nodes().getFirst(), Side.FIRST);
        int idle = 0;
        while (!remaining.isEmpty()) {
            List<Node> batch = ready(side, remaining, done);
            if (batch.isEmpty() || batch.stream().noneMatch(Partition::hasResult)) {
                // Nothing, or nothing but appends that a later part of this side will take along.
                idle++;
                if (idle > 2) {
                    throw BackendException.of(
                            BackendException.Code.DECLINED,
                            "graph '" + graph.name() + "' cannot be cut between two devices: node '"
                                    + remaining.getFirst().name() + "' fills a cache that nothing reads afterwards",
                            "run the graph on one device");
                }
            } else {
                idle = 0;
                done.addAll(batch);
                remaining.removeAll(new HashSet<>(batch));
                parts.add(new Part(side, build(parts.size(), batch)));
            }
            side = side.other();
        }
        return parts;
    }

    private List<Node> ready(Side side, List<Node> remaining, Set<Node> done) {
        Set<Node> batch = new LinkedHashSet<>();
        for (Node node : remaining) {
            boolean there = before.getOrDefault(node, Set.of()).stream()
                    .allMatch(needed -> done.contains(needed) || batch.contains(needed));
            if (there && sides.get(node) == side) {
                batch.add(node);
            }
        }
        return List.copyOf(batch);
    }

    private static boolean hasResult(Node node) {
        return node.results().stream().anyMatch(result -> result.role() == Value.Role.RESULT);
    }

    private Graph build(int number, List<Node> batch) {
        GraphBuilder builder = new GraphBuilder(graph.name() + ".part" + number);
        Set<Node> inside = new HashSet<>(batch);
        Map<Value, Value> copies = new HashMap<>();
        for (Node node : batch) {
            Value[] operands = node.operands().stream()
                    .map(operand ->
                            copies.computeIfAbsent(canonical(operand, inside), value -> declare(builder, value)))
                    .toArray(Value[]::new);
            Node copy = builder.add(node.name(), node.op(), operands);
            for (int result = 0; result < node.results().size(); result++) {
                copies.put(node.results().get(result), copy.results().get(result));
            }
        }
        declareOutputs(builder, batch, inside, copies);
        return builder.build();
    }

    /** Returns the value itself, or the cache behind it where another part appended to it. */
    private Value canonical(Value operand, Set<Node> inside) {
        boolean foreign = graph.producer(operand)
                .map(producer -> !inside.contains(producer))
                .orElse(true);
        return foreign && operand.role() == Value.Role.STATE ? graph.stateOf(operand) : operand;
    }

    private static Value declare(GraphBuilder builder, Value value) {
        return switch (value.role()) {
            case INPUT, RESULT -> builder.input(value.name(), value.type());
            case WEIGHT -> builder.weight(value.name(), value.type());
            case STATE ->
                builder.cache(
                        value.name(),
                        value.type().dtype(),
                        Math.toIntExact(value.type().shape().dim(1).size()),
                        Math.toIntExact(value.type().shape().dim(2).size()));
        };
    }

    private void declareOutputs(GraphBuilder builder, List<Node> batch, Set<Node> inside, Map<Value, Value> copies) {
        int declared = 0;
        for (Map.Entry<String, Value> output : graph.outputs().entrySet()) {
            Node producer = graph.producer(output.getValue())
                    .orElseThrow(() -> new IllegalArgumentException(
                            "output '" + output.getKey() + "' of graph '" + graph.name() + "' is computed by no node"));
            if (inside.contains(producer)) {
                builder.output(output.getKey(), copy(copies, output.getValue()));
                declared++;
            }
        }
        for (Node node : batch) {
            for (Value result : node.results()) {
                boolean crosses =
                        readers.getOrDefault(result, List.of()).stream().anyMatch(reader -> !inside.contains(reader));
                if (crosses && result.role() == Value.Role.RESULT) {
                    builder.output(CROSSING + result.name(), copy(copies, result));
                    declared++;
                }
            }
        }
        if (declared == 0) {
            // Nobody reads what this part computes, but a graph has an output.
            Value unread = batch.stream()
                    .filter(Partition::hasResult)
                    .flatMap(node -> node.results().stream())
                    .filter(result -> result.role() == Value.Role.RESULT)
                    .findFirst()
                    .orElseThrow();
            builder.output(CROSSING + unread.name(), copy(copies, unread));
        }
    }

    private static Value copy(Map<Value, Value> copies, Value value) {
        Value copy = copies.get(value);
        if (copy == null) {
            throw new IllegalStateException("value '" + value.name() + "' was not copied");
        }
        return copy;
    }
}
