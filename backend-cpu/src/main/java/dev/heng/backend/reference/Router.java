package dev.heng.backend.reference;

import dev.heng.spi.graph.Op;
import dev.heng.spi.tensor.DType;
import java.util.Arrays;

/**
 * The choice of experts (ROUTE). Source: DeepSeek-V3 report, section 2.1.2; DeepSeek-V2 report, section 2.2.
 */
public final class Router {

    private final Op.Route op;
    private final boolean isDouble;
    private final double[] bias;

    /**
     * Makes a router.
     *
     * @param op the node's operator
     * @param isDouble whether logits are F64, so that nothing is rounded in between
     * @param bias what is added to each score for the choice, zeros for none; kept, not copied
     */
    public Router(Op.Route op, boolean isDouble, double[] bias) {
        this.op = op;
        this.isDouble = isDouble;
        this.bias = bias;
    }

    /**
     * The experts of one row.
     *
     * @param ids in descending order of choice score
     * @param weights beside them, not rounded
     */
    @SuppressWarnings("ArrayRecordComponent") // handed over once, never compared
    public record Choice(int[] ids, double[] weights) {}

    /** Chooses the experts of one row of logits. */
    public Choice choose(double[] logits) {
        double[] scores = scores(logits);
        int[] chosen = chosen(scores);
        return new Choice(chosen, weights(scores, chosen));
    }

    /** ROUTE-001: ids in descending order of choice score, weights beside them. */
    static void route(Invocation in, Op.Route op) {
        Tensor logits = in.operand(0);
        Tensor ids = in.result(0);
        Tensor weights = in.result(1);
        double[] bias = in.node().operands().size() == 2 ? in.weight(1).vector() : new double[op.experts()];
        Router router = new Router(op, logits.dtype() == DType.F64, bias);
        in.workers().forEachRange(in.rows(0), op.experts() * 60L, (from, to) -> {
            for (int t = from; t < to; t++) {
                Choice choice = router.choose(logits.row(t));
                for (int slot = 0; slot < op.topK(); slot++) {
                    ids.setInteger((long) t * op.topK() + slot, choice.ids()[slot]);
                }
                weights.setRow(t, choice.weights(), in.rounding());
            }
        });
    }

    /** ROUTE-002: one score for each expert, computed in double and rounded to the logits' type. */
    private double[] scores(double[] logits) {
        double[] scores = logits.clone();
        switch (op.score()) {
            case SIGMOID -> {
                for (int e = 0; e < scores.length; e++) {
                    scores[e] = 1 / (1 + StrictMath.exp(-logits[e]));
                }
            }
            case SOFTMAX -> Attention.softmax(scores);
            case SQRT_SOFTPLUS -> {
                for (int e = 0; e < scores.length; e++) {
                    // log(1 + exp(x)), written so that exp cannot overflow.
                    double softplus = Math.max(logits[e], 0) + StrictMath.log1p(StrictMath.exp(-Math.abs(logits[e])));
                    scores[e] = Math.sqrt(softplus);
                }
            }
        }
        for (int e = 0; e < scores.length; e++) {
            scores[e] = rounded(scores[e]);
        }
        return scores;
    }

    /** ROUTE-003 to ROUTE-008: the k experts with the highest choice scores, highest first. */
    private int[] chosen(double[] scores) {
        double[] choice = new double[op.experts()];
        for (int e = 0; e < choice.length; e++) {
            choice[e] = rounded(scores[e] + bias[e]); // ROUTE-003
        }
        boolean[] candidate = new boolean[op.experts()];
        boolean[] kept = keptGroups(choice);
        for (int e = 0; e < choice.length; e++) {
            boolean inKeptGroup = kept[e / (op.experts() / op.groups())];
            // ROUTE-007: experts of other groups are out (V3), or stay with a choice score of 0 (V2).
            candidate[e] = inKeptGroup || op.masked() == Op.Route.Masked.ZERO;
            if (!inKeptGroup) {
                choice[e] = 0;
            }
        }
        return largest(choice, candidate, op.topK()); // ROUTE-008
    }

    /** ROUTE-005, ROUTE-006: which groups experts may be chosen from. */
    private boolean[] keptGroups(double[] choice) {
        boolean[] kept = new boolean[op.groups()];
        if (op.keptGroups() == op.groups()) {
            Arrays.fill(kept, true);
            return kept;
        }
        int size = op.experts() / op.groups();
        double[] groupScores = new double[op.groups()];
        boolean[] candidate = new boolean[op.groups()];
        Arrays.fill(candidate, true);
        for (int group = 0; group < op.groups(); group++) {
            double[] its = Arrays.copyOfRange(choice, group * size, (group + 1) * size);
            boolean[] all = new boolean[size];
            Arrays.fill(all, true);
            groupScores[group] = switch (op.groupScore()) {
                case TOP_TWO_SUM -> {
                    int[] two = largest(its, all, 2);
                    yield rounded(its[two[0]] + its[two[1]]);
                }
                case MAXIMUM -> its[largest(its, all, 1)[0]];
            };
        }
        for (int group : largest(groupScores, candidate, op.keptGroups())) {
            kept[group] = true;
        }
        return kept;
    }

    /**
     * Returns the indices of the {@code count} largest values among candidates, largest first, ties to the lower index. A NaN ranks below every number
     * (ROUTE-011).
     *
     * <p>Selection by repeated search: the definition itself.
     */
    private static int[] largest(double[] values, boolean[] candidate, int count) {
        boolean[] left = candidate.clone();
        int[] chosen = new int[count];
        for (int i = 0; i < count; i++) {
            int best = -1;
            for (int index = 0; index < values.length; index++) {
                if (left[index] && (best < 0 || ranksAbove(values[index], values[best]))) {
                    best = index;
                }
            }
            chosen[i] = best;
            left[best] = false;
        }
        return chosen;
    }

    private static boolean ranksAbove(double value, double other) {
        return value > other || (Double.isNaN(other) && !Double.isNaN(value));
    }

    /** ROUTE-004, ROUTE-009, ROUTE-010: from the unbiased scores; the bias chooses and never weighs. */
    private double[] weights(double[] scores, int[] chosen) {
        double sum = 0;
        for (int id : chosen) {
            sum += scores[id];
        }
        double[] weights = new double[chosen.length];
        for (int slot = 0; slot < chosen.length; slot++) {
            double weight = scores[chosen[slot]];
            if (op.normalize()) {
                weight /= sum + 1e-20;
            }
            weights[slot] = weight * op.scale();
        }
        return weights;
    }

    private double rounded(double value) {
        return isDouble ? value : (float) value;
    }
}
