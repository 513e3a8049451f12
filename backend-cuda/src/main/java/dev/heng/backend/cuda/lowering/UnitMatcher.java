package dev.heng.backend.cuda.lowering;

import dev.heng.spi.graph.ActivationFormat;
import dev.heng.spi.graph.Graph;
import dev.heng.spi.graph.Node;
import dev.heng.spi.graph.Op;
import dev.heng.spi.graph.Value;
import dev.heng.spi.tensor.DType;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/** Finds chains whose inner values nobody else reads, so that one kernel can keep them to itself. */
final class UnitMatcher {

    /** Slots of a token that a block of the expert kernel has warps for. */
    private static final int MOST_SLOTS = 8;

    private final Graph graph;
    private final boolean fewRows;
    private final MatrixUnit matrices;
    private final Map<Value, List<Node>> consumers = new HashMap<>();
    private final Set<Value> outputs;
    private final Map<Node, Unit> fused = new HashMap<>();

    UnitMatcher(Graph graph, boolean fewRows, MatrixUnit matrices) {
        this.graph = graph;
        this.fewRows = fewRows;
        this.matrices = matrices;
        this.outputs = new HashSet<>(graph.outputs().values());
        for (Node node : graph.nodes()) {
            for (Value operand : node.operands()) {
                consumers.computeIfAbsent(operand, _ -> new ArrayList<>()).add(node);
            }
        }
    }

    List<Unit> units() {
        graph.nodes().forEach(this::matchGated);
        graph.nodes().forEach(this::matchLinearAdd);
        graph.nodes().forEach(this::matchExperts);
        if (fewRows) {
            graph.nodes().forEach(this::matchLatent);
            graph.nodes().forEach(this::matchSharedExperts);
            graph.nodes().forEach(this::matchRouter);
            graph.nodes().forEach(this::matchProjections);
        }
        Set<Unit> placed = new LinkedHashSet<>();
        for (Node node : graph.nodes()) {
            Unit unit = unitOf(node);
            if (unit.nodes().getLast().equals(node)) {
                place(unit, placed);
            }
        }
        return List.copyOf(placed);
    }

    private Unit unitOf(Node node) {
        Unit unit = fused.get(node);
        return unit == null ? new Unit.Single(node) : unit;
    }

    /** Places the units that a unit reads from and then the unit: one that ends late in the graph may be read by one that ends earlier. */
    private void place(Unit unit, Set<Unit> placed) {
        if (placed.contains(unit)) {
            return;
        }
        for (Node node : unit.nodes()) {
            for (Value operand : node.operands()) {
                graph.producer(operand)
                        .map(this::unitOf)
                        .filter(maker -> !maker.equals(unit))
                        .ifPresent(maker -> place(maker, placed));
            }
        }
        placed.add(unit);
    }

    private void matchGated(Node swiglu) {
        Node gate = swiglu.op() instanceof Op.Swiglu ? maker(swiglu.operand(0)) : null;
        Node up = gate == null ? null : maker(swiglu.operand(1));
        if (gate == null
                || up == null
                || gate.equals(up)
                || !(gate.op() instanceof Op.Linear linear)
                || !linear.equals(up.op())
                || linear.activation() != ActivationFormat.FLOAT
                || gate.operands().size() != 2
                || up.operands().size() != 2
                || !gate.operand(0).equals(up.operand(0))
                || !alike(gate.operand(1), up.operand(1))
                || !isReadBy(gate.result(), 1)
                || !isReadBy(up.result(), 1)) {
            return;
        }
        Unit.Gated unit = new Unit.Gated(gate, up, swiglu);
        if (fewRows || MatrixProducts.takes(matrices, unit)) {
            claim(unit);
        }
    }

    private void matchLinearAdd(Node linear) {
        if (!(linear.op() instanceof Op.Linear) || fused.containsKey(linear)) {
            return;
        }
        Node add = addAfter(linear);
        if (add != null) {
            claim(new Unit.LinearAdd(linear, add, addAfter(add)));
        }
    }

    /** Returns the addition that alone reads a node's result, once. */
    private @Nullable Node addAfter(Node node) {
        Node add = isReadBy(node.result(), 1)
                ? consumers.getOrDefault(node.result(), List.of()).getFirst()
                : null;
        return add != null && add.op() instanceof Op.Add && !fused.containsKey(add) ? add : null;
    }

    private void matchExperts(Node dispatch) {
        if (!(dispatch.op() instanceof Op.Dispatch)) {
            return;
        }
        Value rows = dispatch.results().get(0);
        Value offsets = dispatch.results().get(1);
        Value origins = dispatch.results().get(2);
        if (!isReadBy(rows, 2) || !isReadBy(offsets, 3) || !isReadBy(origins, 1)) {
            return;
        }
        Node combine = consumers.getOrDefault(origins, List.of()).getFirst();
        Node down = combine.op() instanceof Op.Combine ? maker(combine.operand(0)) : null;
        Node swiglu = down != null && down.op() instanceof Op.GroupedLinear ? maker(down.operand(0)) : null;
        if (down == null || swiglu == null || !(swiglu.op() instanceof Op.Swiglu)) {
            return;
        }
        Node gate = maker(swiglu.operand(0));
        Node up = maker(swiglu.operand(1));
        if (gate == null
                || up == null
                || gate.equals(up)
                || !(gate.op() instanceof Op.GroupedLinear)
                || !gate.op().equals(up.op())) {
            return;
        }
        boolean closed = gate.operand(0).equals(rows)
                && up.operand(0).equals(rows)
                && gate.operand(1).equals(offsets)
                && up.operand(1).equals(offsets)
                && down.operand(1).equals(offsets)
                && alike(gate.operand(2), up.operand(2))
                && isReadBy(gate.result(), 1)
                && isReadBy(up.result(), 1)
                && isReadBy(swiglu.result(), 1)
                && isReadBy(down.result(), 1)
                && combine.operand(2).type().dtype() == DType.F32;
        if (!closed) {
            return;
        }
        Unit.Experts unit = new Unit.Experts(dispatch, gate, up, swiglu, down, combine, addAfter(combine));
        boolean few = fewRows
                && isFloat(gate)
                && isFloat(down)
                && topK(dispatch) <= MOST_SLOTS
                && FewRowsKernels.fitsDown(down.operand(2), topK(dispatch), 0);
        if (few || (!fewRows && MatrixExperts.takes(matrices, unit))) {
            claim(unit);
        }
    }

    private static long topK(Node dispatch) {
        return dispatch.operand(1).type().shape().dim(-1).size();
    }

    /** Joins experts with the shared expert whose product is added to their sum first. */
    private void matchSharedExperts(Node linear) {
        if (!(fused.get(linear) instanceof Unit.LinearAdd down)
                || !down.linear().equals(linear)
                || linear.operands().size() != 2
                || !(linear.op() instanceof Op.Linear op)
                || op.activation() != ActivationFormat.FLOAT
                || !(unitMaking(linear.operand(0)) instanceof Unit.Gated gated)
                || !isReadBy(linear.operand(0), 1)
                || !(unitMaking(down.addend()) instanceof Unit.Experts experts)
                || experts.add() != null
                || !isReadBy(down.addend(), 1)) {
            return;
        }
        boolean alike = gated.gate().operand(0).equals(experts.dispatch().operand(0))
                && storedAlike(gated.gate().operand(1), experts.gate().operand(2))
                && storedAlike(linear.operand(1), experts.down().operand(2))
                && !down.addend().equals(down.secondAddend());
        long columns = linear.operand(1).type().shape().dim(-1).size();
        if (alike && FewRowsKernels.fitsDown(experts.down().operand(2), topK(experts.dispatch()), columns)) {
            claim(new Unit.SharedExperts(experts, gated, down));
        }
    }

    private void matchRouter(Node route) {
        Node linear = route.op() instanceof Op.Route ? maker(route.operand(0)) : null;
        Node norm = linear == null ? null : normBefore(linear);
        if (linear == null
                || norm == null
                || !isReadBy(linear.result(), 1)
                || linear.result().type().dtype() != DType.F32
                || !FewRowsKernels.hasRouter(linear.operand(1))) {
            return;
        }
        claim(new Unit.Router(norm, linear, route));
    }

    private void matchProjections(Node norm) {
        if (!(norm.op() instanceof Op.RmsNorm) || fused.containsKey(norm)) {
            return;
        }
        List<Node> readers = consumers.getOrDefault(norm.result(), List.of());
        boolean all = !readers.isEmpty()
                && readers.size() <= 2
                && isReadBy(norm.result(), readers.size())
                && readers.stream().distinct().count() == readers.size()
                && readers.stream().allMatch(reader -> norm.equals(normBefore(reader)) && !fused.containsKey(reader))
                && readers.stream()
                        .allMatch(reader -> storedAlike(readers.getFirst().operand(1), reader.operand(1)));
        if (all) {
            claim(new Unit.Projections(norm, readers.getFirst(), readers.size() == 2 ? readers.getLast() : null));
        }
    }

    /** Returns the norm of whole rows, in no unit yet, that a plain product reads and can take upon itself. */
    private @Nullable Node normBefore(Node linear) {
        if (!(linear.op() instanceof Op.Linear op)
                || op.activation() != ActivationFormat.FLOAT
                || linear.operands().size() != 2) {
            return null;
        }
        Node norm = maker(linear.operand(0));
        return norm != null
                        && norm.op() instanceof Op.RmsNorm
                        && norm.operand(1)
                                .type()
                                .shape()
                                .dim(0)
                                .equals(norm.result().type().shape().dim(-1))
                        && FewRowsKernels.fitsNorm(linear.operand(1))
                ? norm
                : null;
    }

    private @Nullable Unit unitMaking(@Nullable Value value) {
        Node node = value == null ? null : graph.producer(value).orElse(null);
        return node == null ? null : fused.get(node);
    }

    /** Returns whether two weights are of one format, so that one stream can hold rows of both. */
    private static boolean storedAlike(Value one, Value other) {
        return one.type().dtype() == other.type().dtype()
                && one.type().quantization().equals(other.type().quantization());
    }

    private static boolean isFloat(Node node) {
        return node.op() instanceof Op.GroupedLinear grouped && grouped.activation() == ActivationFormat.FLOAT;
    }

    private void matchLatent(Node attention) {
        if (!(attention.op() instanceof Op.MlaAttention mla)) {
            return;
        }
        Node append = maker(attention.operand(1));
        Node query = maker(attention.operand(0));
        if (append == null
                || query == null
                || !(append.op() instanceof Op.KvAppend(int parts))
                || parts != 2
                || !(query.op() instanceof Op.Rope queryRope)
                || !isReadBy(query.result(), 1)) {
            return;
        }
        Node norm = maker(append.operand(1));
        Node key = maker(append.operand(2));
        if (norm == null
                || key == null
                || !(norm.op() instanceof Op.RmsNorm)
                || !(key.op() instanceof Op.Rope keyRope)
                || !isReadBy(norm.result(), 1)
                || !isReadBy(key.result(), 1)) {
            return;
        }
        int width = 2 * keyRope.frequencies().pairs();
        DType cached = append.operand(0).type().dtype();
        boolean plain = keyRope.frequencies().equals(queryRope.frequencies())
                && keyRope.pairing() == queryRope.pairing()
                && keyRope.headDim() == width
                && keyRope.offset() == 0
                && mla.ropeDim() == width
                && queryRope.headDim() == mla.nopeDim() + width
                && queryRope.offset() == mla.nopeDim()
                && key.operand(1).equals(append.operand(3))
                && query.operand(1).equals(append.operand(3))
                && key.result().type().shape().dim(-1).size() == width
                && norm.operand(1)
                        .type()
                        .shape()
                        .dim(0)
                        .equals(norm.result().type().shape().dim(-1))
                && norm.result().type().dtype() == cached
                && key.result().type().dtype() == cached
                && query.operand(0).type().dtype() == query.result().type().dtype()
                && attention.operand(3).equals(append.operand(3))
                && keyRope.frequencies().pairs() <= 256
                && append.operand(3).role() == Value.Role.INPUT
                && append.operand(4).role() == Value.Role.INPUT
                && append.operand(5).role() == Value.Role.INPUT
                && AttentionKernels.isFast(mla, attention.operand(2));
        if (plain) {
            claim(new Unit.Latent(norm, key, query, append, attention));
        }
    }

    private static boolean alike(Value one, Value other) {
        return one.type().equals(other.type());
    }

    private void claim(Unit unit) {
        unit.nodes().forEach(node -> fused.put(node, unit));
    }

    /** Returns the node that makes a value and belongs to no unit yet. */
    private @Nullable Node maker(Value value) {
        Node node = graph.producer(value).orElse(null);
        return node == null || fused.containsKey(node) ? null : node;
    }

    private boolean isReadBy(Value value, int times) {
        return !outputs.contains(value)
                && consumers.getOrDefault(value, List.of()).size() == times;
    }
}
