package dev.heng.backend.cpu;

import dev.heng.spi.graph.ActivationFormat;
import dev.heng.spi.graph.Graph;
import dev.heng.spi.graph.Node;
import dev.heng.spi.graph.Op;
import dev.heng.spi.graph.Value;
import dev.heng.spi.tensor.DType;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/**
 * Nodes that are lowered together. A fused unit computes exactly what its nodes do one by one, roundings of intermediate results
 * included; it only keeps them out of memory.
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

    /** A dense gated MLP's first half. */
    record Gated(Node gate, Node up, Node swiglu) implements Unit {
        @Override
        public List<Node> nodes() {
            return inOrder(gate, up, swiglu);
        }
    }

    /** All experts, from dispatch to combination, with the addition that may follow. */
    record Experts(
            Node dispatch,
            Node gate,
            Node up,
            Node swiglu,
            Node down,
            Node combine,
            @Nullable Node add) implements Unit {
        @Override
        public List<Node> nodes() {
            return add == null
                    ? inOrder(dispatch, gate, up, swiglu, down, combine)
                    : inOrder(dispatch, gate, up, swiglu, down, combine, add);
        }

        Value result() {
            return add == null ? combine.result() : add.result();
        }
    }

    private static List<Node> inOrder(Node... nodes) {
        List<Node> sorted = new ArrayList<>(List.of(nodes));
        sorted.sort((a, b) -> Integer.compare(a.index(), b.index()));
        return sorted;
    }

    /** Cuts a graph into units, in an order in which they can be executed: each stands where its last node stood. */
    static List<Unit> of(Graph graph) {
        return new Matcher(graph).units();
    }

    /** Finds the chains. */
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
                if (node.op() instanceof Op.Swiglu) {
                    matchSwiglu(node);
                }
            }
            for (Node node : graph.nodes()) {
                if (node.op() instanceof Op.Linear && !fused.containsKey(node)) {
                    Node add = soleConsumer(node.result());
                    if (add != null && add.op() instanceof Op.Add && !fused.containsKey(add) && !isDoubled(add)) {
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

        private void matchSwiglu(Node swiglu) {
            Node gate = producer(swiglu.operand(0));
            Node up = producer(swiglu.operand(1));
            if (gate == null || up == null || gate.equals(up)) {
                return;
            }
            if (soleConsumer(gate.result()) == null || soleConsumer(up.result()) == null) {
                return;
            }
            if (gate.op() instanceof Op.Linear left && up.op() instanceof Op.Linear right) {
                boolean alike = left.equals(right)
                        && isPlainOrInt8(left.activation())
                        && gate.operands().size() == 2
                        && up.operands().size() == 2
                        && gate.operand(0).equals(up.operand(0))
                        && gate.operand(1).type().equals(up.operand(1).type());
                if (alike) {
                    claim(new Gated(gate, up, swiglu));
                }
            } else if (gate.op() instanceof Op.GroupedLinear left && up.op() instanceof Op.GroupedLinear right) {
                if (left.equals(right) && isPlainOrInt8(left.activation())) {
                    matchExperts(gate, up, swiglu);
                }
            }
        }

        private void matchExperts(Node gate, Node up, Node swiglu) {
            Node dispatch = producer(gate.operand(0));
            Node down = soleConsumer(swiglu.result());
            if (dispatch == null
                    || down == null
                    || !(dispatch.op() instanceof Op.Dispatch)
                    || !(down.op() instanceof Op.GroupedLinear downOp)
                    || !isPlainOrInt8(downOp.activation())
                    || !down.operand(0).equals(swiglu.result())) {
                return;
            }
            Node combine = soleConsumer(down.result());
            if (combine == null
                    || !(combine.op() instanceof Op.Combine)
                    || !combine.operand(0).equals(down.result())) {
                return;
            }
            Value rows = dispatch.results().get(0);
            Value offsets = dispatch.results().get(1);
            Value origins = dispatch.results().get(2);
            boolean closed = gate.operand(0).equals(rows)
                    && up.operand(0).equals(rows)
                    && gate.operand(1).equals(offsets)
                    && up.operand(1).equals(offsets)
                    && down.operand(1).equals(offsets)
                    && combine.operand(1).equals(origins)
                    && isConsumedBy(rows, 2)
                    && isConsumedBy(offsets, 3)
                    && isConsumedBy(origins, 1)
                    && gate.operand(2).type().equals(up.operand(2).type());
            if (!closed) {
                return;
            }
            Node add = soleConsumer(combine.result());
            boolean added = add != null && add.op() instanceof Op.Add && !isDoubled(add);
            claim(new Experts(dispatch, gate, up, swiglu, down, combine, added ? add : null));
        }

        private void claim(Unit unit) {
            unit.nodes().forEach(node -> fused.put(node, unit));
        }

        private static boolean isPlainOrInt8(ActivationFormat format) {
            return format == ActivationFormat.FLOAT || format == ActivationFormat.INT8_PER_TOKEN;
        }

        private static boolean isDoubled(Node add) {
            return add.operand(0).equals(add.operand(1));
        }

        private @Nullable Node producer(Value value) {
            Node node = graph.producer(value).orElse(null);
            return node != null && !fused.containsKey(node) && value.type().dtype() != DType.I32 ? node : null;
        }

        /** Returns the only node that reads a value, once, if the caller does not read it too. */
        private @Nullable Node soleConsumer(Value value) {
            return isConsumedBy(value, 1)
                    ? consumers.getOrDefault(value, List.of()).getFirst()
                    : null;
        }

        private boolean isConsumedBy(Value value, int times) {
            return !outputs.contains(value)
                    && consumers.getOrDefault(value, List.of()).size() == times;
        }
    }
}
