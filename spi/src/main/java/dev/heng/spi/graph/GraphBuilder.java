package dev.heng.spi.graph;

import dev.heng.spi.tensor.DType;
import dev.heng.spi.tensor.Dim;
import dev.heng.spi.tensor.Quantization;
import dev.heng.spi.tensor.RopeFrequencies;
import dev.heng.spi.tensor.TensorType;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;

/**
 * Builds a {@link Graph} node by node; every node is checked when it is added, so that a mistake is reported where it is made.
 *
 * <p>A family's graph is a short program over these methods. Each takes the node's name first; results are named after the node, a second
 * result by its own suffix. Not for use by several threads.
 *
 * @since 1.0
 */
public final class GraphBuilder {

    private final String name;
    private final List<Value> values = new ArrayList<>();
    private final List<Node> nodes = new ArrayList<>();
    private final Map<String, Value> outputs = new LinkedHashMap<>();
    private final Set<String> valueNames = new HashSet<>();
    private final Set<String> nodeNames = new HashSet<>();

    /** Starts a graph called {@code name}. */
    public GraphBuilder(String name) {
        this.name = name;
    }

    /** Declares a value that every run binds. */
    public Value input(String name, TensorType type) {
        if (!type.isPlain()) {
            throw new GraphException("input '" + name + "' is quantised: only weights may be");
        }
        return declare(name, Value.Role.INPUT, type);
    }

    /** Declares a weight, plain or quantised, of a fixed shape. */
    public Value weight(String name, TensorType type) {
        if (!type.shape().isFixed()) {
            throw new GraphException("weight '" + name + "' has a dimension that varies: " + type);
        }
        return declare(name, Value.Role.WEIGHT, type);
    }

    /** Declares a paged cache [pages, pageSize, width] that lives across runs. */
    public Value cache(String name, DType dtype, int pageSize, int width) {
        if (pageSize <= 0 || width <= 0) {
            throw new GraphException(
                    "cache '" + name + "' has pages of " + pageSize + " slots of " + width + " elements");
        }
        return declare(
                name, Value.Role.STATE, TensorType.of(dtype, Dim.of(Dim.PAGES), Dim.of(pageSize), Dim.of(width)));
    }

    /** Declares that a run leaves {@code value} for the caller under the name {@code output}. */
    public void output(String output, Value value) {
        owned("output " + output, value);
        if (outputs.putIfAbsent(output, value) != null) {
            throw new GraphException("graph '" + name + "' has two outputs '" + output + "'");
        }
    }

    /** Adds {@link Op.Embed}. */
    public Value embed(String node, Value table, Value ids, DType out) {
        return add(node, new Op.Embed(out), table, ids).result();
    }

    /** Adds {@link Op.Add}. */
    public Value plus(String node, Value left, Value right) {
        return add(node, new Op.Add(), left, right).result();
    }

    /** Adds {@link Op.Cast}, or returns the operand where it has the type already. */
    public Value cast(String node, Value x, DType to) {
        return x.type().dtype() == to ? x : add(node, new Op.Cast(to), x).result();
    }

    /** Adds {@link Op.Slice}. */
    public Value slice(String node, Value x, int from, int length) {
        return add(node, new Op.Slice(from, length), x).result();
    }

    /** Adds {@link Op.SelectRows}. */
    public Value selectRows(String node, Value x, Value rows) {
        return add(node, new Op.SelectRows(), x, rows).result();
    }

    /** Adds {@link Op.RmsNorm}. */
    public Value rmsNorm(String node, Value x, Value weight, double epsilon) {
        return add(node, new Op.RmsNorm(epsilon), x, weight).result();
    }

    /** Adds {@link Op.Linear} without a bias. */
    public Value linear(String node, Value x, Value weight, ActivationFormat activation, DType out) {
        return add(node, new Op.Linear(activation, out), x, weight).result();
    }

    /** Adds {@link Op.Linear} with a bias. */
    public Value linear(String node, Value x, Value weight, Value bias, ActivationFormat activation, DType out) {
        return add(node, new Op.Linear(activation, out), x, weight, bias).result();
    }

    /** Adds {@link Op.Rope}. */
    public Value rope(
            String node,
            Value x,
            Value positions,
            int headDim,
            int offset,
            Op.Pairing pairing,
            RopeFrequencies frequencies) {
        return add(node, new Op.Rope(headDim, offset, pairing, frequencies), x, positions)
                .result();
    }

    /** Adds {@link Op.KvAppend} of one or more parts laid side by side. */
    public Value kvAppend(String node, Value cache, List<Value> parts, Paging paging) {
        List<Value> operands = new ArrayList<>();
        operands.add(cache);
        operands.addAll(parts);
        operands.addAll(List.of(paging.positions(), paging.sequences(), paging.pageTable()));
        return add(node, new Op.KvAppend(parts.size()), operands.toArray(Value[]::new))
                .result();
    }

    /** Adds {@link Op.MlaAttention}. */
    public Value mlaAttention(String node, Op.MlaAttention attention, Value q, Value cache, Value kvB, Paging paging) {
        return add(node, attention, q, cache, kvB, paging.positions(), paging.sequences(), paging.pageTable())
                .result();
    }

    /** Adds {@link Op.GroupedQueryAttention}. */
    public Value groupedQueryAttention(
            String node, Op.GroupedQueryAttention attention, Value q, Value keys, Value values, Paging paging) {
        return add(node, attention, q, keys, values, paging.positions(), paging.sequences(), paging.pageTable())
                .result();
    }

    /** Adds {@link Op.Route}; the operands are logits and, for a router with one, the choice bias. */
    public Routed route(String node, Op.Route route, Value... logitsAndBias) {
        Node added = add(node, route, logitsAndBias);
        return new Routed(added.results().get(0), added.results().get(1));
    }

    /** Adds {@link Op.Dispatch}. */
    public Dispatched dispatch(String node, Op.Dispatch dispatch, Value x, Value ids) {
        Node added = add(node, dispatch, x, ids);
        return new Dispatched(
                added.results().get(0), added.results().get(1), added.results().get(2));
    }

    /** Adds {@link Op.GroupedLinear}. */
    public Value groupedLinear(
            String node, Value rows, Value offsets, Value weight, ActivationFormat activation, DType out) {
        return add(node, new Op.GroupedLinear(activation, out), rows, offsets, weight)
                .result();
    }

    /** Adds {@link Op.Swiglu}. */
    public Value swiglu(String node, Value gate, Value up) {
        return add(node, new Op.Swiglu(), gate, up).result();
    }

    /** Adds {@link Op.Combine}. */
    public Value combine(String node, Value rows, Value origins, Value weights, DType out) {
        return add(node, new Op.Combine(out), rows, origins, weights).result();
    }

    /** Adds {@link Op.Argmax}. */
    public Value argmax(String node, Value logits) {
        return add(node, new Op.Argmax(), logits).result();
    }

    /** Adds {@link Op.Sample}. */
    public Value sample(
            String node, Value logits, Value temperature, Value topK, Value topP, Value seed, Value counter) {
        return add(node, new Op.Sample(), logits, temperature, topK, topP, seed, counter)
                .result();
    }

    /** Adds {@link Op.AllReduce}. */
    public Value allReduce(String node, Value x, int ranks) {
        return add(node, new Op.AllReduce(ranks), x).result();
    }

    /**
     * Adds any operator: what the named methods call, and what tools that rewrite graphs use.
     *
     * @throws GraphException if the operands do not fit
     */
    public Node add(String node, Op op, Value... operands) {
        String where = "graph '" + name + "', node '" + node + "'";
        for (Value operand : operands) {
            owned(where, operand);
        }
        if (!nodeNames.add(node)) {
            throw new GraphException(where + ": the name is taken");
        }
        List<TensorType> types = ResultTypes.infer(where, op, Arrays.asList(operands));
        List<Value> results = new ArrayList<>();
        for (int index = 0; index < types.size(); index++) {
            Value.Role role = op instanceof Op.KvAppend ? Value.Role.STATE : Value.Role.RESULT;
            results.add(declare(resultName(node, op, index), role, types.get(index)));
        }
        Node added = new Node(nodes.size(), node, op, Arrays.asList(operands), results);
        nodes.add(added);
        return added;
    }

    /** Returns the finished graph; the builder may go on being used. */
    public Graph build() {
        if (outputs.isEmpty()) {
            throw new GraphException("graph '" + name + "' has no output");
        }
        return new Graph(name, values, nodes, outputs);
    }

    /**
     * The three inputs that place the rows of a run in a paged cache.
     *
     * @param positions I32 [tokens]: each row's position in its sequence, from 0; negative for a row of padding
     * @param sequences I32 [tokens]: each row's sequence, a row of the page table
     * @param pageTable I32 [sequences, pages per sequence]: the page that holds each run of page-size positions
     */
    public record Paging(Value positions, Value sequences, Value pageTable) {}

    /**
     * What {@link Op.Route} makes.
     *
     * @param ids I32 [tokens, k]
     * @param weights [tokens, k]
     */
    public record Routed(Value ids, Value weights) {}

    /**
     * What {@link Op.Dispatch} makes.
     *
     * @param rows [tokens*k, H]
     * @param offsets I32 [experts + 1]
     * @param origins I32 [tokens*k]
     */
    public record Dispatched(Value rows, Value offsets, Value origins) {}

    private static String resultName(String node, Op op, int index) {
        if (index == 0) {
            return node;
        }
        String suffix = switch (op) {
            case Op.Route _ -> "weights";
            case Op.Dispatch _ -> index == 1 ? "offsets" : "origins";
            case Op.AllToAll _ -> index == 1 ? "offsets" : "receipt";
            case Op.Embed _,
                    Op.Add _,
                    Op.Cast _,
                    Op.Slice _,
                    Op.SelectRows _,
                    Op.RmsNorm _,
                    Op.Linear _,
                    Op.Rope _,
                    Op.KvAppend _,
                    Op.MlaAttention _,
                    Op.GroupedQueryAttention _,
                    Op.GroupedLinear _,
                    Op.Swiglu _,
                    Op.Combine _,
                    Op.Argmax _,
                    Op.Sample _,
                    Op.AllReduce _,
                    Op.AllToAllReturn _ -> Integer.toString(index);
        };
        return node + "." + suffix;
    }

    private Value declare(String valueName, Value.Role role, TensorType type) {
        if (!valueNames.add(valueName)) {
            throw new GraphException("graph '" + name + "' has two values '" + valueName + "'");
        }
        if (type.quantization() instanceof Quantization.None && type.dtype() == DType.F8_E8M0) {
            throw new GraphException("graph '" + name + "': value '" + valueName + "' holds bare scales");
        }
        Value value = new Value(values.size(), valueName, role, type);
        values.add(value);
        return value;
    }

    @SuppressWarnings("ReferenceEquality") // An equal value of another graph is still a stranger.
    private void owned(String where, Value value) {
        if (value.id() >= values.size() || values.get(value.id()) != value) {
            throw new GraphException(where + ": value '" + value.name() + "' is not of graph '" + name + "'");
        }
    }
}
