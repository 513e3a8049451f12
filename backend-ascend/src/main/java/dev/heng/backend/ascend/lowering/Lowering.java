package dev.heng.backend.ascend.lowering;

import dev.heng.backend.ascend.device.Operators;
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
 * Finds the nodes of a graph that CANN does together, where the chip has the operators for it, and leaves the others alone.
 *
 * <p>A unit stands where its last node stands, but an addition with the norm of its sum where the addition stands, since others read the sum before.
 */
public final class Lowering {

    /** Which attention may be one operator, which rounds probabilities and absorbed queries to 16 bits. */
    public enum Attention {
        /** None. */
        UNFUSED,
        /** Latent attention in BF16, of which the numerics profile speaks apart. */
        LATENT_BF16,
        /** All in a 16-bit type. */
        FUSED;

        boolean takes(Node node) {
            return switch (node.op()) {
                case Op.MlaAttention op ->
                    FusedAttention.takesLatent(node)
                            && (this == FUSED || (this == LATENT_BF16 && op.out() == DType.BF16));
                case Op.GroupedQueryAttention _ -> this == FUSED && FusedAttention.takesGrouped(node);
                default -> false;
            };
        }
    }

    private final Graph graph;
    private final ChipTable chips;
    private final Attention wish;
    private final @Nullable FusedAttention attention;
    private final Set<Value> apart;
    private final Map<Value, List<Node>> readers = new HashMap<>();
    private final Set<Value> outputs;
    private final Map<Node, Unit> claimed = new HashMap<>();

    private Lowering(Graph graph, ChipTable chips, @Nullable FusedAttention attention, Attention wish) {
        this.graph = graph;
        this.chips = chips;
        this.attention = attention;
        this.wish = attention == null ? Attention.UNFUSED : wish;
        this.apart = Set.copyOf(FusedAttention.cachesApart(graph, this.wish));
        this.outputs = new HashSet<>(graph.outputs().values());
        for (Node node : graph.nodes()) {
            for (Value operand : node.operands()) {
                readers.computeIfAbsent(operand, _ -> new ArrayList<>()).add(node);
            }
        }
    }

    /**
     * Returns a graph as units, in an order in which they can run.
     *
     * @param wish which attention may be one operator
     */
    public static List<Unit> units(Graph graph, ChipTable chips, Operators operators, Attention wish) {
        return new Lowering(graph, chips, FusedAttention.of(chips, operators), wish).units();
    }

    /** Answers whether attention in a 16-bit type is one operator on this chip, where the operator's limits allow it. */
    public static boolean fusesAttention(ChipTable chips, Operators operators) {
        return FusedAttention.of(chips, operators) != null;
    }

    private List<Unit> units() {
        for (Node node : graph.nodes()) {
            switch (node.op()) {
                case Op.RmsNorm _ -> norm(node);
                case Op.Rope _ -> rope(node);
                case Op.Swiglu _ -> gated(node);
                case Op.Add _ -> sum(node);
                case Op.KvAppend _ -> claim(new CacheAppend(node, apart.contains(graph.stateOf(node.operand(0)))));
                case Op.MlaAttention _ -> latent(node);
                case Op.GroupedQueryAttention _ -> grouped(node);
                case Op.Dispatch _ -> claim(new SingleNode(node, isLean(node)));
                case Op.Embed _,
                        Op.Cast _,
                        Op.Slice _,
                        Op.SelectRows _,
                        Op.Linear _,
                        Op.Route _,
                        Op.GroupedLinear _,
                        Op.Combine _,
                        Op.Argmax _,
                        Op.Sample _,
                        Op.AllReduce _,
                        Op.AllToAll _,
                        Op.AllToAllReturn _ -> {}
            }
        }
        List<Unit> units = new ArrayList<>();
        for (Node node : graph.nodes()) {
            Unit unit = claimed.get(node);
            if (unit == null) {
                units.add(new SingleNode(node, false));
            } else if (node.equals(place(unit))) {
                units.add(unit);
            }
        }
        return units;
    }

    private static Node place(Unit unit) {
        return unit instanceof AddedNorm
                ? unit.nodes().getFirst()
                : unit.nodes().getLast();
    }

    private void claim(Unit unit) {
        unit.nodes().forEach(node -> claimed.put(node, unit));
    }

    private boolean isFree(@Nullable Node node) {
        return node != null && !claimed.containsKey(node);
    }

    private @Nullable Node maker(Value value) {
        return graph.producer(value).orElse(null);
    }

    /** Whether nobody but {@code reader} reads a value. */
    private boolean isInner(Value value, Node reader) {
        List<Node> all = readers.getOrDefault(value, List.of());
        return !outputs.contains(value) && all.size() == 1 && all.getFirst().equals(reader);
    }

    /** Returns the slice that makes an operand and serves nobody else. */
    private @Nullable Node slice(Node reader) {
        Node maker = maker(reader.operand(0));
        return isFree(maker) && maker != null && maker.op() instanceof Op.Slice && isInner(maker.result(), reader)
                ? maker
                : null;
    }

    private void norm(Node norm) {
        Node slice = slice(norm);
        boolean oneGroup = columns(norm.operand(0)) == columns(norm.operand(1));
        if (slice != null && oneGroup) {
            claim(new SlicedNorm(slice, norm));
            return;
        }
        Node add = maker(norm.operand(0));
        if (isFree(add) && add != null && add.op() instanceof Op.Add && oneGroup && takesAddedNorm(norm)) {
            claim(new AddedNorm(add, norm));
        }
    }

    private static long columns(Value value) {
        return value.type().shape().dim(value.type().shape().rank() - 1).size();
    }

    private boolean takesAddedNorm(Node norm) {
        DType type = norm.result().type().dtype();
        return switch (type) {
            case F32 -> chips.has("aclnnAddRmsNorm");
            // The kernel of 950 is another one, which was not read.
            case BF16 ->
                chips.has("aclnnAddRmsNormCast")
                        && !chips.is950()
                        && norm.operand(1).type().dtype() == DType.BF16;
            default -> false;
        };
    }

    private void rope(Node rope) {
        claim(new RotatedPart(slice(rope), rope));
    }

    /** A rotation that only this attention reads, taken back from its own unit. */
    private @Nullable Node rotation(Node attention, int ropeDim, int nopeDim) {
        Node maker = maker(attention.operand(0));
        if (maker == null
                || !(maker.op() instanceof Op.Rope op)
                || !isInner(maker.result(), attention)
                || op.offset() != nopeDim
                || 2 * op.frequencies().pairs() != ropeDim
                || !(claimed.get(maker) instanceof RotatedPart part)
                || part.slice() != null) {
            return null;
        }
        return maker;
    }

    private void latent(Node node) {
        Op.MlaAttention op = (Op.MlaAttention) node.op();
        Node rope = rotation(node, op.ropeDim(), op.nopeDim());
        claim(
                attention != null && apart.contains(graph.stateOf(node.operand(1)))
                        ? new FusedLatentAttention(rope, node, attention)
                        : new UnfusedLatentAttention(rope, node));
    }

    private void grouped(Node node) {
        claim(
                attention != null && wish.takes(node)
                        ? new FusedGroupedAttention(node, attention)
                        : new UnfusedGroupedAttention(node));
    }

    private void gated(Node swiglu) {
        Node gate = maker(swiglu.operand(0));
        Node up = maker(swiglu.operand(1));
        if (gate == null
                || up == null
                || gate.equals(up)
                || !isFree(gate)
                || !isFree(up)
                || !isInner(gate.result(), swiglu)
                || !isInner(up.result(), swiglu)
                || !gate.op().equals(up.op())
                || !gate.operand(0).equals(up.operand(0))) {
            return;
        }
        if (gate.op() instanceof Op.Linear linear
                && linear.activation() == ActivationFormat.FLOAT
                && gate.operands().size() == 2
                && up.operands().size() == 2
                && isPlainPair(gate.operand(1), up.operand(1))) {
            claim(new GatedProduct(gate, up, swiglu));
        } else if (gate.op() instanceof Op.GroupedLinear linear
                && linear.activation() == ActivationFormat.FLOAT
                && gate.operand(1).role() != Value.Role.INPUT
                && gate.operand(1).equals(up.operand(1))
                && isPlainPair(gate.operand(2), up.operand(2))) {
            claim(new GatedExperts(gate, up, swiglu));
        }
    }

    /** Weights that can lie side by side: alike, and each of one product only. */
    private boolean isPlainPair(Value a, Value b) {
        return a.role() == Value.Role.WEIGHT
                && b.role() == Value.Role.WEIGHT
                && !a.equals(b)
                && a.type().isPlain()
                && a.type().equals(b.type())
                && readers.getOrDefault(a, List.of()).size() == 1
                && readers.getOrDefault(b, List.of()).size() == 1;
    }

    private void sum(Node add) {
        for (Value operand : add.operands()) {
            Node combine = maker(operand);
            boolean other = !add.operand(0).equals(add.operand(1));
            if (other
                    && isFree(add)
                    && isFree(combine)
                    && combine != null
                    && combine.op() instanceof Op.Combine
                    && combine.operand(1).role() != Value.Role.INPUT
                    && isInner(operand, add)
                    && !chips.isInference()) {
                claim(new CombinedSum(combine, add));
            }
        }
    }

    /** Whether a dispatch's integers go only to operators that take counts and the gathering index. */
    private boolean isLean(Node dispatch) {
        Value offsets = dispatch.results().get(1);
        Value origins = dispatch.results().get(2);
        return !outputs.contains(offsets)
                && !outputs.contains(origins)
                && readers.getOrDefault(offsets, List.of()).stream()
                        .allMatch(node -> node.op() instanceof Op.GroupedLinear)
                && readers.getOrDefault(origins, List.of()).stream().allMatch(node -> node.op() instanceof Op.Combine);
    }
}
