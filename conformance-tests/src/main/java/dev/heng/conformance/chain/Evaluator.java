package dev.heng.conformance.chain;

import dev.heng.conformance.accumulate.AccumulationProfile;
import dev.heng.conformance.bound.AccumulationError;
import dev.heng.conformance.bound.MatrixUnits;
import dev.heng.spi.NumericsProfile;
import dev.heng.spi.NumericsProfile.ScalarFunction;
import dev.heng.spi.graph.Graph;
import dev.heng.spi.graph.Node;
import dev.heng.spi.graph.Op;
import dev.heng.spi.graph.Value;
import dev.heng.spi.tensor.DType;
import dev.heng.spi.tensor.Shape;
import dev.heng.spi.tensor.TensorType;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

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
    private final Map<String, Paged> caches = new HashMap<>();

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
            case Op.KvAppend op -> append(node, op);
            case Op.MlaAttention op -> put(node, latent(node, op));
            case Op.GroupedQueryAttention op -> put(node, grouped(node, op));
            case Op.Route op -> route(node, op);
            case Op.Dispatch op -> dispatch(node, op);
            case Op.GroupedLinear op -> put(node, groupedLinear(node, op));
            case Op.Swiglu _ -> put(node, swiglu(node));
            case Op.Combine op -> put(node, combine(node, op));
            case Op.Argmax _ -> put(node, argmax(value(node, 0)));
            case Op.AllReduce _ -> put(node, value(node, 0));
            case Op.Sample _, Op.AllToAll _, Op.AllToAllReturn _ ->
                throw new IllegalArgumentException(
                        "chains hold no " + node.op().name() + ": node '" + node.name() + "' cannot be evaluated");
        }
    }

    private void put(Node node, Numbers result) {
        values.put(node.result().name(), result);
    }

    private Numbers value(Node node, int operand) {
        String name = node.operand(operand).name();
        Numbers found = values.get(name);
        if (found == null) {
            throw new IllegalStateException("'" + name + "' was not evaluated before node '" + node.name() + "'");
        }
        return found;
    }

    private double[] weight(Node node, int operand) {
        String name = node.operand(operand).name();
        double[] found = weights.get(name);
        if (found == null) {
            throw new IllegalStateException("weight '" + name + "' of node '" + node.name() + "' is not known");
        }
        return found;
    }

    private static DType out(Node node) {
        return node.result().type().dtype();
    }

    private static int size(Value value, int dim) {
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
        double[] results = products.exact(operands);
        if (arithmetic.isExact()) {
            double[] deviation = new double[results.length];
            double[] drift = new double[results.length];
            products.errors(operands, deviation, drift, 0);
            errors.put(node.name(), deviation, drift);
        }
        return err(node, Numbers.matrix(x.rows(), n, results));
    }

    /** Returns {@code exact} as this evaluator's arithmetic has it, under the errors known of the node. */
    private Numbers err(Node node, Numbers exact) {
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

    private Numbers groupedLinear(Node node, Op.GroupedLinear op) {
        Numbers rows = value(node, 0);
        Numbers offsets = value(node, 1);
        Value weight = node.operand(2);
        int experts = size(weight, 0);
        int n = size(weight, 1);
        int k = rows.width();
        double[] real = weight(node, 2);
        double[] results = new double[rows.rows() * n];
        Arrays.fill(results, Double.NaN);
        double[] deviation = new double[results.length];
        double[] drift = new double[results.length];
        TensorType matrix = new TensorType(
                weight.type().dtype(), Shape.of(n, k), weight.type().quantization());
        for (int expert = 0; expert < experts; expert++) {
            int from = offsets.integer(expert);
            int to = offsets.integer(expert + 1);
            if (from == to) {
                continue;
            }
            Products.Operands operands = new Products.Operands(
                    node.operand(0).type().dtype(),
                    matrix,
                    op.activation(),
                    Arrays.copyOfRange(rows.values(), from * k, to * k),
                    to - from,
                    k,
                    real,
                    expert * n * k,
                    n,
                    null);
            System.arraycopy(products.exact(operands), 0, results, from * n, (to - from) * n);
            if (arithmetic.isExact()) {
                products.errors(operands, deviation, drift, from * n);
            }
        }
        if (arithmetic.isExact()) {
            errors.put(node.name(), deviation, drift);
        }
        return err(node, Numbers.matrix(rows.rows(), n, results));
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

    private Paged cache(Value value) {
        Value state = graph.stateOf(value);
        return caches.computeIfAbsent(
                state.name(),
                _ -> new Paged(
                        Math.toIntExact(state.type().shape().dim(0).size(dims)), size(state, 1), size(state, 2)));
    }

    private void append(Node node, Op.KvAppend op) {
        Paged cache = cache(node.operand(0));
        Numbers positions = value(node, op.parts() + 1);
        Numbers sequences = value(node, op.parts() + 2);
        Numbers table = value(node, op.parts() + 3);
        for (int row = 0; row < positions.rows(); row++) {
            if (positions.integer(row) < 0) {
                continue;
            }
            int at = cache.row(table, sequences.integer(row), positions.integer(row));
            for (int part = 0; part < op.parts(); part++) {
                Numbers source = value(node, part + 1);
                System.arraycopy(source.values(), row * source.width(), cache.slots(), at, source.width());
                at += source.width();
            }
        }
    }

    /** Where the slots lie that a row attends to. */
    private static int[] slots(Paged cache, Numbers table, int sequence, int position) {
        int[] slots = new int[position + 1];
        for (int slot = 0; slot <= position; slot++) {
            slots[slot] = cache.row(table, sequence, slot);
        }
        return slots;
    }

    private Numbers latent(Node node, Op.MlaAttention op) {
        Numbers q = value(node, 0);
        Paged cache = cache(node.operand(1));
        double[] kvB = weight(node, 2);
        LatentAttention attention = new LatentAttention(op, cache.width() - op.ropeDim(), new Softmax(profile));
        Softmax softmax = new Softmax(profile);
        Heads heads = new Heads(node, q, op.heads(), op.valueDim(), 3);
        for (int row = 0; row < q.rows(); row++) {
            if (heads.positions.integer(row) < 0) {
                continue;
            }
            int[] slots = slots(cache, heads.table, heads.sequences.integer(row), heads.positions.integer(row));
            LatentAttention.Row one = new LatentAttention.Row(q.values(), row * q.width(), cache.slots(), slots, kvB);
            for (int head = 0; head < op.heads(); head++) {
                double[] scores = attention.scores(one, head);
                int at = heads.next(scores.length);
                if (arithmetic.isExact()) {
                    attention.scoreErrors(one, head, scores, heads.scoreDeviation, at);
                }
                double[] p = softmax.probabilities(heads.erring(scores, at), arithmetic);
                if (arithmetic.isExact()) {
                    attention.valueErrors(one, head, p, heads.deviation, heads.drift, heads.at(row, head));
                }
                heads.finish(row, head, attention.values(one, head, p));
            }
        }
        return heads.result();
    }

    private Numbers grouped(Node node, Op.GroupedQueryAttention op) {
        Numbers q = value(node, 0);
        Paged keys = cache(node.operand(1));
        Paged values = cache(node.operand(2));
        Softmax softmax = new Softmax(profile);
        GroupedAttention attention = new GroupedAttention(op, softmax);
        Heads heads = new Heads(node, q, op.heads(), op.valueDim(), 3);
        for (int row = 0; row < q.rows(); row++) {
            if (heads.positions.integer(row) < 0) {
                continue;
            }
            int sequence = heads.sequences.integer(row);
            int position = heads.positions.integer(row);
            GroupedAttention.Row one = new GroupedAttention.Row(
                    q.values(),
                    row * q.width(),
                    keys.slots(),
                    slots(keys, heads.table, sequence, position),
                    values.slots(),
                    slots(values, heads.table, sequence, position));
            for (int head = 0; head < op.heads(); head++) {
                double[] scores = attention.scores(one, head);
                int at = heads.next(scores.length);
                if (arithmetic.isExact()) {
                    attention.scoreErrors(one, head, scores, heads.scoreDeviation, at);
                }
                double[] p = softmax.probabilities(heads.erring(scores, at), arithmetic);
                if (arithmetic.isExact()) {
                    attention.valueErrors(one, head, p, heads.deviation, heads.drift, heads.at(row, head));
                }
                heads.finish(row, head, attention.values(one, head, p));
            }
        }
        return heads.result();
    }

    /** What both kinds of attention do with the heads of all rows. */
    private final class Heads {
        private final Node node;
        final Numbers positions;
        final Numbers sequences;
        final Numbers table;
        private final int heads;
        private final int width;
        private final double[] results;
        double[] deviation = new double[0];
        double[] drift = new double[0];
        double[] scoreDeviation = new double[0];
        private int scoresSoFar;

        Heads(Node node, Numbers q, int heads, int width, int firstPaging) {
            this.node = node;
            this.positions = value(node, firstPaging);
            this.sequences = value(node, firstPaging + 1);
            this.table = value(node, firstPaging + 2);
            this.heads = heads;
            this.width = width;
            this.results = new double[q.rows() * heads * width];
            if (arithmetic.isExact()) {
                int scores = 0;
                for (int row = 0; row < q.rows(); row++) {
                    scores += heads * Math.max(0, positions.integer(row) + 1);
                }
                deviation = new double[results.length];
                drift = new double[results.length];
                scoreDeviation = new double[scores];
                errors.put(node.name(), deviation, drift);
                errors.put(scores(), scoreDeviation, scoreDeviation);
            } else {
                deviation = errors.deviation(node.name());
                drift = errors.drift(node.name());
                scoreDeviation = errors.deviation(scores());
            }
        }

        private String scores() {
            return node.name() + "/scores";
        }

        /** Returns where the next {@code count} scores' errors begin. */
        int next(int count) {
            int at = scoresSoFar;
            scoresSoFar += count;
            return at;
        }

        int at(int row, int head) {
            return (row * heads + head) * width;
        }

        double[] erring(double[] scores, int at) {
            double[] erring = scores.clone();
            for (int slot = 0; slot < erring.length; slot++) {
                erring[slot] += scoreDeviation[at + slot] * arithmetic.normal();
            }
            return erring;
        }

        void finish(int row, int head, double[] exact) {
            int at = at(row, head);
            for (int element = 0; element < width; element++) {
                results[at + element] =
                        arithmetic.result(exact[element], deviation[at + element], drift[at + element], out(node));
            }
        }

        Numbers result() {
            return Numbers.matrix(positions.rows(), heads * width, results);
        }
    }

    private void route(Node node, Op.Route op) {
        Numbers logits = value(node, 0);
        double[] bias = node.operands().size() > 1 ? weight(node, 1) : new double[op.experts()];
        int[] forced = choices.get(node.name());
        double[] ids = new double[logits.rows() * op.topK()];
        double[] results = new double[ids.length];
        DType type = node.results().get(1).type().dtype();
        double relative = Router.weightUnits(op) * FLOAT_ROUNDOFF;
        for (int row = 0; row < logits.rows(); row++) {
            double[] own = Arrays.copyOfRange(logits.values(), row * op.experts(), (row + 1) * op.experts());
            double[] scores = Router.scores(op, own);
            int from = row * op.topK();
            int[] chosen = forced == null
                    ? Router.choose(op, scores, bias)
                    : Arrays.copyOfRange(forced, from, from + op.topK());
            double[] exact = Router.weights(op, scores, chosen);
            for (int place = 0; place < chosen.length; place++) {
                ids[from + place] = chosen[place];
                results[from + place] = arithmetic.result(exact[place], relative * Math.abs(exact[place]), 0, type);
            }
        }
        values.put(node.results().get(0).name(), Numbers.matrix(logits.rows(), op.topK(), ids));
        values.put(node.results().get(1).name(), Numbers.matrix(logits.rows(), op.topK(), results));
    }

    private void dispatch(Node node, Op.Dispatch op) {
        Numbers x = value(node, 0);
        Numbers ids = value(node, 1);
        int k = ids.width();
        int capacity = ids.values().length;
        int width = x.width();
        List<List<Integer>> rowsOfExpert = new ArrayList<>();
        for (int expert = 0; expert < op.localExperts(); expert++) {
            rowsOfExpert.add(new ArrayList<>());
        }
        for (int origin = 0; origin < capacity; origin++) {
            int local = ids.integer(origin) - op.firstExpert();
            if (local >= 0 && local < op.localExperts()) {
                rowsOfExpert.get(local).add(origin);
            }
        }
        double[] rows = new double[capacity * width];
        Arrays.fill(rows, Double.NaN);
        int[] offsets = new int[op.localExperts() + 1];
        int[] origins = new int[capacity];
        Arrays.fill(origins, -1);
        int used = 0;
        for (int expert = 0; expert < op.localExperts(); expert++) {
            for (int origin : rowsOfExpert.get(expert)) {
                System.arraycopy(x.values(), origin / k * width, rows, used * width, width);
                origins[used++] = origin;
            }
            offsets[expert + 1] = used;
        }
        values.put(node.results().get(0).name(), Numbers.matrix(capacity, width, rows));
        values.put(node.results().get(1).name(), Numbers.integers(offsets));
        values.put(node.results().get(2).name(), Numbers.integers(origins));
    }

    private Numbers swiglu(Node node) {
        Numbers gate = value(node, 0);
        double[] up = value(node, 1).values();
        double relative = MatrixUnits.scalar(profile, ScalarFunction.SILU) + FLOAT_ROUNDOFF;
        double[] results = new double[up.length];
        for (int index = 0; index < results.length; index++) {
            double x = gate.values()[index];
            double exact =
                    Double.isNaN(x) ? Double.NaN : dev.heng.conformance.bound.ScalarFunction.SILU.exact(x) * up[index];
            results[index] = arithmetic.result(exact, relative * Math.abs(exact), 0, out(node));
        }
        return new Numbers(gate.shape(), results);
    }

    private Numbers combine(Node node, Op.Combine op) {
        Numbers rows = value(node, 0);
        Numbers origins = value(node, 1);
        Numbers factors = value(node, 2);
        int k = factors.width();
        int width = rows.width();
        // COMBINE-001 itself asks for F32 or better, whatever a profile says.
        AccumulationError error = new AccumulationError(AccumulationProfile.FLOAT32_MULTIPLY_ADD, k);
        int[] rowOfOrigin = new int[origins.rows()];
        Arrays.fill(rowOfOrigin, -1);
        for (int row = 0; row < origins.rows(); row++) {
            if (origins.integer(row) >= 0) {
                rowOfOrigin[origins.integer(row)] = row;
            }
        }
        double[] results = new double[factors.rows() * width];
        for (int token = 0; token < factors.rows(); token++) {
            for (int column = 0; column < width; column++) {
                Products.Moments moments = new Products.Moments();
                for (int slot = 0; slot < k; slot++) {
                    int row = rowOfOrigin[token * k + slot];
                    if (row >= 0) {
                        moments.add(factors.values()[token * k + slot] * rows.values()[row * width + column]);
                    }
                }
                results[token * width + column] =
                        arithmetic.result(moments.sum, Math.sqrt(moments.variance(error)), 0, op.out());
            }
        }
        return Numbers.matrix(factors.rows(), width, results);
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
