package dev.heng.backend.cuda.lowering;

import dev.heng.spi.graph.Graph;
import dev.heng.spi.graph.Node;
import dev.heng.spi.graph.Value;
import dev.heng.spi.tensor.Dim;
import java.util.ArrayList;
import java.util.List;
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

    /** A product and one or two additions, each of the result before it to something else. */
    record LinearAdd(Node linear, Node add, @Nullable Node second) implements Unit {
        @Override
        public List<Node> nodes() {
            return second == null ? List.of(linear, add) : List.of(linear, add, second);
        }

        Value addend() {
            return other(add, linear.result());
        }

        @Nullable
        Value secondAddend() {
            return second == null ? null : other(second, add.result());
        }

        Value result() {
            return second == null ? add.result() : second.result();
        }
    }

    /** A dense gated MLP's first half, for few rows. */
    record Gated(Node gate, Node up, Node swiglu) implements Unit {
        @Override
        public List<Node> nodes() {
            return inOrder(gate, up, swiglu);
        }
    }

    /** All experts for few rows, from dispatch to combination, with the addition that may follow. */
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

        @Nullable
        Value addend() {
            return add == null ? null : other(add, combine.result());
        }
    }

    /** All experts and the shared one for few rows, with the additions that follow its product. */
    record SharedExperts(Experts experts, Gated gated, LinearAdd down) implements Unit {
        @Override
        public List<Node> nodes() {
            List<Node> all = new ArrayList<>(experts.nodes());
            all.addAll(gated.nodes());
            all.addAll(down.nodes());
            return inOrder(all.toArray(Node[]::new));
        }
    }

    /** A norm and the one or two products that alone read it, for few rows. */
    record Projections(Node norm, Node linear, @Nullable Node other) implements Unit {
        @Override
        public List<Node> nodes() {
            return other == null ? inOrder(norm, linear) : inOrder(norm, linear, other);
        }
    }

    /** A norm, which others may read too, the product of a router with it, and the choice, for few rows. */
    record Router(Node norm, Node linear, Node route) implements Unit {
        @Override
        public List<Node> nodes() {
            return inOrder(norm, linear, route);
        }
    }

    /** Latent attention and what precedes it, for few rows: the latent's norm, both rotations, and the append. */
    record Latent(Node norm, Node keyRope, Node queryRope, Node append, Node attention) implements Unit {
        @Override
        public List<Node> nodes() {
            return inOrder(norm, keyRope, queryRope, append, attention);
        }
    }

    private static Value other(Node add, Value one) {
        return add.operand(0).equals(one) ? add.operand(1) : add.operand(0);
    }

    private static List<Node> inOrder(Node... nodes) {
        List<Node> sorted = new ArrayList<>(List.of(nodes));
        sorted.sort((a, b) -> Integer.compare(a.index(), b.index()));
        return sorted;
    }

    /** Returns the symbol whose size says how many rows a run has, or null for a graph that has none. */
    static @Nullable String rowsSymbol(Graph graph) {
        return graph.inputs().stream()
                        .anyMatch(input ->
                                input.type().shape().dims().stream().anyMatch(dim -> Dim.TOKENS.equals(dim.symbol())))
                ? Dim.TOKENS
                : null;
    }

    /** Most rows for which a unit reads each expert's weights once for each row. */
    long FEW_ROWS = 8;

    /**
     * Cuts a graph into units, each after those whose results it reads, and otherwise at the place of its last node.
     *
     * @param rows rows of the run, by which fusions are chosen
     * @param matrices what products of many rows run on
     */
    static List<Unit> of(Graph graph, long rows, MatrixUnit matrices) {
        return new UnitMatcher(graph, rows <= FEW_ROWS, matrices).units();
    }
}
