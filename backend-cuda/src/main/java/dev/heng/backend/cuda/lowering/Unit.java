package dev.heng.backend.cuda.lowering;

import dev.heng.spi.graph.Graph;
import dev.heng.spi.graph.Node;
import dev.heng.spi.graph.Op;
import dev.heng.spi.graph.Value;
import dev.heng.spi.tensor.Dim;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/**
 * Nodes that one kernel or chain of kernels executes. A fused unit computes exactly what its nodes do one by one, roundings of intermediate
 * results included; it only keeps them out of memory.
 */
sealed interface Unit {

    /** Returns the nodes, in the graph's order. */
    List<Node> nodes();

    /** A node of its own. */
    record Single(Node node) implements Unit {
        @Override
        public List<Node> nodes() {
            return List.of(node);
        }
    }

    /** A product and the addition of its result to something. */
    record LinearAdd(Node linear, Node add) implements Unit {
        @Override
        public List<Node> nodes() {
            return List.of(linear, add);
        }

        Value addend() {
            return add.operand(0).equals(linear.result()) ? add.operand(1) : add.operand(0);
        }
    }

    /** Returns the symbol whose size says how many rows a run has, or null for a graph that has none. */
    static @Nullable String rowsSymbol(Graph graph) {
        return graph.inputs().stream()
                        .anyMatch(input ->
                                input.type().shape().dims().stream().anyMatch(dim -> Dim.TOKENS.equals(dim.symbol())))
                ? Dim.TOKENS
                : null;
    }

    /**
     * Cuts a graph into units that stand at the place of their last node.
     *
     * @param rows rows of the run, by which fusions for few rows are chosen
     */
    static List<Unit> of(Graph graph, long rows) {
        return new Matcher(graph).units();
    }

    /** Finds chains whose inner values nobody else reads. */
    final class Matcher {
        private final Graph graph;
        private final Map<Value, List<Node>> consumers = new HashMap<>();
        private final Set<Value> outputs;
        private final Map<Node, Unit> fused = new HashMap<>();

        private Matcher(Graph graph) {
            this.graph = graph;
            this.outputs = new HashSet<>(graph.outputs().values());
            for (Node node : graph.nodes()) {
                for (Value operand : node.operands()) {
                    consumers.computeIfAbsent(operand, _ -> new ArrayList<>()).add(node);
                }
            }
        }

        private List<Unit> units() {
            for (Node node : graph.nodes()) {
                if (node.op() instanceof Op.Linear && !fused.containsKey(node)) {
                    Node add = soleConsumer(node.result());
                    if (add != null
                            && add.op() instanceof Op.Add
                            && !fused.containsKey(add)
                            && !add.operand(0).equals(add.operand(1))) {
                        claim(new LinearAdd(node, add));
                    }
                }
            }
            List<Unit> units = new ArrayList<>();
            for (Node node : graph.nodes()) {
                Unit unit = fused.get(node);
                if (unit == null) {
                    units.add(new Single(node));
                } else if (unit.nodes().getLast().equals(node)) {
                    units.add(unit);
                }
            }
            return units;
        }

        private void claim(Unit unit) {
            unit.nodes().forEach(node -> fused.put(node, unit));
        }

        /** Returns the only node that reads a value, once, if the caller does not read it too. */
        private @Nullable Node soleConsumer(Value value) {
            List<Node> readers = consumers.getOrDefault(value, List.of());
            return !outputs.contains(value) && readers.size() == 1 ? readers.getFirst() : null;
        }
    }
}
