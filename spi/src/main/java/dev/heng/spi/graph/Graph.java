package dev.heng.spi.graph;

import java.util.ArrayList;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/**
 * An immutable, validated program over typed values. Nodes stand in an order in which they can be executed.
 *
 * <p>Graphs are made by {@link GraphBuilder}; a graph that exists is well-typed. Safe for use by several threads.
 *
 * @since 1.0
 */
public final class Graph {

    private final String name;
    private final List<Value> values;
    private final List<Node> nodes;
    private final Map<String, Value> outputs;
    private final Map<String, Value> byName;
    private final Map<Value, Node> producers;

    Graph(String name, List<Value> values, List<Node> nodes, Map<String, Value> outputs) {
        this.name = name;
        this.values = List.copyOf(values);
        this.nodes = List.copyOf(nodes);
        this.outputs = Collections.unmodifiableMap(new LinkedHashMap<>(outputs));
        this.byName = new LinkedHashMap<>();
        for (Value value : values) {
            byName.put(value.name(), value);
        }
        this.producers = new LinkedHashMap<>();
        for (Node node : nodes) {
            for (Value result : node.results()) {
                producers.put(result, node);
            }
        }
    }

    /** Returns the name that prints and reports use. */
    public String name() {
        return name;
    }

    /** Returns all values, by id. */
    public List<Value> values() {
        return values;
    }

    /** Returns the nodes in an order of execution. */
    public List<Node> nodes() {
        return nodes;
    }

    /** Returns what a run leaves for the caller, by output name, in the order in which outputs were declared. */
    public Map<String, Value> outputs() {
        return outputs;
    }

    /** Returns the values that are bound for every run. */
    public List<Value> inputs() {
        return withRole(Value.Role.INPUT);
    }

    /** Returns the weights. */
    public List<Value> weights() {
        return withRole(Value.Role.WEIGHT);
    }

    /** Returns the states as the caller must provide them; results that alias a state are not among them. */
    public List<Value> states() {
        List<Value> states = new ArrayList<>();
        for (Value value : values) {
            if (value.role() == Value.Role.STATE && !producers.containsKey(value)) {
                states.add(value);
            }
        }
        return states;
    }

    /**
     * Returns the value called {@code name}.
     *
     * @throws GraphException if there is none
     */
    public Value value(String name) {
        Value value = byName.get(name);
        if (value == null) {
            throw new GraphException("graph '" + this.name + "' has no value '" + name + "'");
        }
        return value;
    }

    /** Returns the node that makes {@code value}, or nothing for an input, weight or state. */
    public Optional<Node> producer(Value value) {
        return Optional.ofNullable(producers.get(value));
    }

    /** Returns the state whose buffer {@code value} is: follows appends back to the state that the caller provides. */
    public Value stateOf(Value value) {
        Value current = value;
        Node producer = producers.get(current);
        while (producer != null && producer.op() instanceof Op.KvAppend) {
            current = producer.operand(0);
            producer = producers.get(current);
        }
        if (current.role() != Value.Role.STATE) {
            throw new GraphException("value '" + value.name() + "' is not a state of graph '" + name + "'");
        }
        return current;
    }

    private List<Value> withRole(Value.Role role) {
        return values.stream().filter(value -> value.role() == role).toList();
    }

    /** Returns the graph as readable text: {@link GraphText}. */
    @Override
    public String toString() {
        return GraphText.of(this);
    }
}
