package dev.heng.conformance.chain;

import dev.heng.conformance.bound.MatrixUnits;
import dev.heng.spi.NumericsProfile;
import dev.heng.spi.NumericsProfile.ScalarFunction;
import dev.heng.spi.graph.Graph;
import dev.heng.spi.graph.Node;
import dev.heng.spi.graph.Op;
import dev.heng.spi.graph.Value;
import dev.heng.spi.tensor.DType;
import java.util.Arrays;
import java.util.HashMap;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * Evaluates a graph step by step, caches included. One evaluator is the truth, rounds nothing, and says how far each result may be off;
 * others are members of an ensemble, which err and round at random by what the truth said.
 *
 * <p>Not thread-safe: caches and random streams belong to one evaluation.
 */
final class Evaluator {

    private static final double FLOAT_ROUNDOFF = 0x1p-24;

    private final Graph graph;
    private final Map<String, double[]> weights;
    private final NumericsProfile profile;
    private final Arithmetic arithmetic;
    private final Products products;
    private final AttentionSteps attention = new AttentionSteps(this);
    private final ExpertSteps experts = new ExpertSteps(this);

    /** Results of the current step. */
    private Map<String, Numbers> values = Map.of();

    private Map<String, int[]> choices = Map.of();
    private Map<String, Long> dims = Map.of();
    private Errors errors = new Errors();

    Evaluator(Graph graph, Map<String, double[]> weights, NumericsProfile profile, Arithmetic arithmetic) {
        this.graph = graph;
        this.weights = weights;
        this.profile = profile;
        this.arithmetic = arithmetic;
        this.products = new Products(profile);
    }

    /**
     * Evaluates one step.
     *
     * @param sizes the size of each symbol
     * @param inputs every input by name
     * @param forced the experts that a router chose, by the router's name, row-major [tokens, k]; others are chosen here
     * @param known filled by the truth, read by members
     * @return every result by the value's name, without caches
     */
    Map<String, Numbers> step(
            Map<String, Long> sizes, Map<String, Numbers> inputs, Map<String, int[]> forced, Errors known) {
        values = new HashMap<>(inputs);
        choices = forced;
        errors = known;
        dims = sizes;
        for (Node node : graph.nodes()) {
            evaluate(node);
        }
        return values;
    }

    private void evaluate(Node node) {
        switch (node.op()) {
            case Op.Embed op -> put(node, embed(node, op));
            case Op.Add _ -> put(node, add(node));
            case Op.Cast op -> put(node, rounded(value(node, 0), op.to()));
            case Op.Slice op -> put(node, slice(value(node, 0), op));
            case Op.SelectRows _ -> put(node, select(value(node, 0), value(node, 1)));
            case Op.RmsNorm op -> put(node, norm(node, op));
            case Op.Linear op -> put(node, linear(node, op));
            case Op.Rope op -> put(node, rope(node, op));
            case Op.KvAppend op -> attention.append(node, op);
            case Op.MlaAttention op -> put(node, attention.latent(node, op));
            case Op.GroupedQueryAttention op -> put(node, attention.grouped(node, op));
            case Op.Route op -> experts.route(node, op);
            case Op.Dispatch op -> experts.dispatch(node, op);
            case Op.GroupedLinear op -> put(node, experts.groupedLinear(node, op));
            case Op.Swiglu _ -> put(node, experts.swiglu(node));
            case Op.Combine op -> put(node, experts.combine(node, op));
            case Op.Argmax _ -> put(node, argmax(value(node, 0)));
            case Op.AllReduce _ -> put(node, value(node, 0));
            case Op.Sample _, Op.AllToAll _, Op.AllToAllReturn _ ->
                throw new IllegalArgumentException(
                        "chains hold no " + node.op().name() + ": node '" + node.name() + "' cannot be evaluated");
        }
    }

    Graph graph() {
        return graph;
    }

    NumericsProfile profile() {
        return profile;
    }

    Arithmetic arithmetic() {
        return arithmetic;
    }

    Products products() {
        return products;
    }

    Errors errors() {
        return errors;
    }

    Map<String, Long> dims() {
        return dims;
    }

    /** Returns the experts that a router is made to choose, row by row, or null where it chooses itself. */
    int @Nullable [] forced(Node router) {
        return choices.get(router.name());
    }

    void put(String name, Numbers result) {
        values.put(name, result);
    }

    private void put(Node node, Numbers result) {
        values.put(node.result().name(), result);
    }

    Numbers value(Node node, int operand) {
        String name = node.operand(operand).name();
        Numbers found = values.get(name);
        if (found == null) {
            throw new IllegalStateException("'" + name + "' was not evaluated before node '" + node.name() + "'");
        }
        return found;
    }

    double[] weight(Node node, int operand) {
        String name = node.operand(operand).name();
        double[] found = weights.get(name);
        if (found == null) {
            throw new IllegalStateException("weight '" + name + "' of node '" + node.name() + "' is not known");
        }
        return found;
    }

    static DType out(Node node) {
        return node.result().type().dtype();
    }

    static int size(Value value, int dim) {
        return Math.toIntExact(value.type().shape().dim(dim).size());
    }

    private Numbers embed(Node node, Op.Embed op) {
        double[] table = weight(node, 0);
        Numbers ids = value(node, 1);
        int width = size(node.operand(0), 1);
        double[] results = new double[ids.rows() * width];
        for (int row = 0; row < ids.rows(); row++) {
            for (int column = 0; column < width; column++) {
                results[row * width + column] = arithmetic.nearest(table[ids.integer(row) * width + column], op.out());
            }
        }
        return Numbers.matrix(ids.rows(), width, results);
    }

    private Numbers add(Node node) {
        Numbers left = value(node, 0);
        double[] right = value(node, 1).values();
        double[] sums = left.values().clone();
        for (int index = 0; index < sums.length; index++) {
            sums[index] += right[index];
        }
        return rounded(new Numbers(left.shape(), sums), out(node));
    }

    private Numbers rounded(Numbers exact, DType type) {
        double[] results = new double[exact.values().length];
        for (int index = 0; index < results.length; index++) {
            results[index] = arithmetic.result(exact.values()[index], 0, 0, type);
        }
        return new Numbers(exact.shape(), results);
    }

    private static Numbers slice(Numbers x, Op.Slice op) {
        double[] results = new double[x.rows() * op.length()];
        for (int row = 0; row < x.rows(); row++) {
            System.arraycopy(x.values(), row * x.width() + op.from(), results, row * op.length(), op.length());
        }
        return Numbers.matrix(x.rows(), op.length(), results);
    }

    private static Numbers select(Numbers x, Numbers rows) {
        int width = x.width();
        double[] results = new double[rows.rows() * width];
        for (int row = 0; row < rows.rows(); row++) {
            System.arraycopy(x.values(), rows.integer(row) * width, results, row * width, width);
        }
        return Numbers.matrix(rows.rows(), width, results);
    }

    private Numbers norm(Node node, Op.RmsNorm op) {
        Numbers x = value(node, 0);
        double[] weight = weight(node, 1);
        int length = weight.length;
        // Squares summed in F32 in some order, their root, and the mean: one factor for the whole group.
        double ofSum = FLOAT_ROUNDOFF * Math.sqrt(length / 3.0 + 2) / 2;
        double ofFactor = ofSum + MatrixUnits.scalar(profile, ScalarFunction.RSQRT) + FLOAT_ROUNDOFF;
        double[] results = new double[x.values().length];
        for (int group = 0; group < results.length / length; group++) {
            double squares = 0;
            for (int index = 0; index < length; index++) {
                double one = x.values()[group * length + index];
                squares += one * one;
            }
            double factor = 1 / Math.sqrt(squares / length + op.epsilon()) * (1 + ofFactor * arithmetic.normal());
            for (int index = 0; index < length; index++) {
                double exact = x.values()[group * length + index] * factor * weight[index];
                results[group * length + index] =
                        arithmetic.result(exact, 2 * FLOAT_ROUNDOFF * Math.abs(exact), 0, out(node));
            }
        }
        return new Numbers(x.shape(), results);
    }

    private Numbers linear(Node node, Op.Linear op) {
        Numbers x = value(node, 0);
        Value weight = node.operand(1);
        int n = size(weight, 0);
        Products.Operands operands = new Products.Operands(
                node.operand(0).type().dtype(),
                weight.type(),
                op.activation(),
                x.values(),
                x.rows(),
                x.width(),
                weight(node, 1),
                0,
                n,
                node.operands().size() > 2 ? weight(node, 2) : null);
        double[] results = products.exact(operands, arithmetic);
        if (arithmetic.isExact()) {
            double[] deviation = new double[results.length];
            double[] drift = new double[results.length];
            products.errors(operands, deviation, drift, 0);
            errors.put(node.name(), deviation, drift);
        }
        return err(node, Numbers.matrix(x.rows(), n, results));
    }

    /** Returns {@code exact} as this evaluator's arithmetic has it, under the errors known of the node. */
    Numbers err(Node node, Numbers exact) {
        if (arithmetic.isExact()) {
            return exact;
        }
        double[] deviation = errors.deviation(node.name());
        double[] drift = errors.drift(node.name());
        double[] results = new double[exact.values().length];
        for (int index = 0; index < results.length; index++) {
            results[index] = arithmetic.result(exact.values()[index], deviation[index], drift[index], out(node));
        }
        return new Numbers(exact.shape(), results);
    }

    private Numbers rope(Node node, Op.Rope op) {
        Numbers x = value(node, 0);
        Numbers positions = value(node, 1);
        int width = x.width();
        int pairs = op.frequencies().pairs();
        double factor = op.frequencies().attentionFactor();
        double relative = MatrixUnits.scalar(profile, ScalarFunction.SINCOS) + 2 * FLOAT_ROUNDOFF;
        double[] results = x.values().clone();
        for (int row = 0; row < x.rows(); row++) {
            if (positions.integer(row) < 0) {
                Arrays.fill(results, row * width, (row + 1) * width, Double.NaN);
                continue;
            }
            for (int pair = 0; pair < pairs; pair++) {
                // The exact product of position and frequency as a sum of two doubles.
                double frequency = op.frequencies().inverse(pair);
                double high = positions.values()[row] * frequency;
                double low = Math.fma(positions.values()[row], frequency, -high);
                double cosine = factor * (StrictMath.cos(high) - low * StrictMath.sin(high));
                double sine = factor * (StrictMath.sin(high) + low * StrictMath.cos(high));
                for (int head = 0; head < width / op.headDim(); head++) {
                    int start = row * width + head * op.headDim() + op.offset();
                    boolean interleaved = op.pairing() == Op.Pairing.INTERLEAVED;
                    int first = interleaved ? start + 2 * pair : start + pair;
                    int second = interleaved ? first + 1 : first + pairs;
                    double a = x.values()[first];
                    double b = x.values()[second];
                    double magnitude = Math.abs(a) + Math.abs(b);
                    results[first] = arithmetic.result(a * cosine - b * sine, relative * magnitude, 0, out(node));
                    results[second] = arithmetic.result(a * sine + b * cosine, relative * magnitude, 0, out(node));
                }
            }
        }
        return new Numbers(x.shape(), results);
    }

    private static Numbers argmax(Numbers logits) {
        int[] picked = new int[logits.rows()];
        for (int row = 0; row < picked.length; row++) {
            double largest = Double.NEGATIVE_INFINITY;
            for (int index = 0; index < logits.width(); index++) {
                if (logits.values()[row * logits.width() + index] > largest) {
                    largest = logits.values()[row * logits.width() + index];
                    picked[row] = index;
                }
            }
        }
        return Numbers.integers(picked);
    }
}
