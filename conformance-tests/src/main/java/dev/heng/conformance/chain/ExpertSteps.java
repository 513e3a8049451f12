package dev.heng.conformance.chain;

import dev.heng.conformance.accumulate.AccumulationProfile;
import dev.heng.conformance.bound.AccumulationError;
import dev.heng.conformance.bound.MatrixUnits;
import dev.heng.spi.NumericsProfile.ScalarFunction;
import dev.heng.spi.graph.Node;
import dev.heng.spi.graph.Op;
import dev.heng.spi.graph.Value;
import dev.heng.spi.tensor.DType;
import dev.heng.spi.tensor.Shape;
import dev.heng.spi.tensor.TensorType;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.jspecify.annotations.Nullable;

/** Routers, dispatch, experts and combining of one evaluation (ROUTE, DISPATCH, GROUPED, SWIGLU, COMBINE). */
final class ExpertSteps {

    private static final double FLOAT_ROUNDOFF = 0x1p-24;

    private final Evaluator step;

    ExpertSteps(Evaluator step) {
        this.step = step;
    }

    void route(Node node, Op.Route op) {
        Numbers logits = step.value(node, 0);
        double[] bias = node.operands().size() > 1 ? step.weight(node, 1) : new double[op.experts()];
        int @Nullable [] forced = step.forced(node);
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
                results[from + place] =
                        step.arithmetic().result(exact[place], relative * Math.abs(exact[place]), 0, type);
            }
        }
        step.put(node.results().get(0).name(), Numbers.matrix(logits.rows(), op.topK(), ids));
        step.put(node.results().get(1).name(), Numbers.matrix(logits.rows(), op.topK(), results));
    }

    void dispatch(Node node, Op.Dispatch op) {
        Numbers x = step.value(node, 0);
        Numbers ids = step.value(node, 1);
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
        step.put(node.results().get(0).name(), Numbers.matrix(capacity, width, rows));
        step.put(node.results().get(1).name(), Numbers.integers(offsets));
        step.put(node.results().get(2).name(), Numbers.integers(origins));
    }

    Numbers swiglu(Node node) {
        Numbers gate = step.value(node, 0);
        double[] up = step.value(node, 1).values();
        double relative = MatrixUnits.scalar(step.profile(), ScalarFunction.SILU) + FLOAT_ROUNDOFF;
        double[] results = new double[up.length];
        for (int index = 0; index < results.length; index++) {
            double x = gate.values()[index];
            double exact =
                    Double.isNaN(x) ? Double.NaN : dev.heng.conformance.bound.ScalarFunction.SILU.exact(x) * up[index];
            results[index] = step.arithmetic().result(exact, relative * Math.abs(exact), 0, Evaluator.out(node));
        }
        return new Numbers(gate.shape(), results);
    }

    Numbers combine(Node node, Op.Combine op) {
        Numbers rows = step.value(node, 0);
        Numbers origins = step.value(node, 1);
        Numbers factors = step.value(node, 2);
        int k = factors.width();
        int width = rows.width();
        // COMBINE-001 itself asks for F32 or better, whatever a step.profile() says.
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
                        step.arithmetic().result(moments.sum, Math.sqrt(moments.variance(error)), 0, op.out());
            }
        }
        return Numbers.matrix(factors.rows(), width, results);
    }

    Numbers groupedLinear(Node node, Op.GroupedLinear op) {
        Numbers rows = step.value(node, 0);
        Numbers offsets = step.value(node, 1);
        Value weight = node.operand(2);
        int experts = Evaluator.size(weight, 0);
        int n = Evaluator.size(weight, 1);
        int k = rows.width();
        double[] real = step.weight(node, 2);
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
            System.arraycopy(step.products().exact(operands, step.arithmetic()), 0, results, from * n, (to - from) * n);
            if (step.arithmetic().isExact()) {
                step.products().errors(operands, deviation, drift, from * n);
            }
        }
        if (step.arithmetic().isExact()) {
            step.errors().put(node.name(), deviation, drift);
        }
        return step.err(node, Numbers.matrix(rows.rows(), n, results));
    }
}
