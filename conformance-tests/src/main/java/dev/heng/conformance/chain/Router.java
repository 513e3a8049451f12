package dev.heng.conformance.chain;

import dev.heng.conformance.bound.ScalarFunction;
import dev.heng.spi.graph.Op;
import java.util.Arrays;
import java.util.Comparator;
import java.util.stream.IntStream;

/** Scores, choices and weights of one token (ROUTE), in double. */
final class Router {

    private static final double NORMALIZER = 1e-20;

    private Router() {}

    /** Returns the scores of one row of logits (ROUTE-002). */
    static double[] scores(Op.Route route, double[] logits) {
        double[] scores = new double[logits.length];
        double largest = Arrays.stream(logits).max().orElse(0);
        double total = 0;
        for (int expert = 0; expert < logits.length; expert++) {
            scores[expert] = switch (route.score()) {
                case SIGMOID -> ScalarFunction.SIGMOID.exact(logits[expert]);
                case SOFTMAX -> StrictMath.exp(logits[expert] - largest);
                case SQRT_SOFTPLUS -> ScalarFunction.SQRT_SOFTPLUS.exact(logits[expert]);
            };
            total += scores[expert];
        }
        if (route.score() == Op.Route.Score.SOFTMAX) {
            for (int expert = 0; expert < logits.length; expert++) {
                scores[expert] /= total;
            }
        }
        return scores;
    }

    /** Returns the error of a score and of the weight made of it, in units of 2^-24 (F13). */
    static double weightUnits(Op.Route route) {
        double ofScore = switch (route.score()) {
            case SIGMOID -> ScalarFunction.SIGMOID.units() + 1;
            case SQRT_SOFTPLUS -> ScalarFunction.SQRT_SOFTPLUS.units() + 1;
            case SOFTMAX -> 2 * ScalarFunction.EXP.units() + route.experts() + ScalarFunction.RECIPROCAL.units();
        };
        return 2 * ofScore + route.topK() + 1 + ScalarFunction.RECIPROCAL.units() + 2;
    }

    /** Returns the ids that the rule chooses (ROUTE-005 to ROUTE-008), {@code bias} being zeros where there is none. */
    static int[] choose(Op.Route route, double[] scores, double[] bias) {
        int experts = route.experts();
        double[] choice = new double[experts];
        for (int expert = 0; expert < experts; expert++) {
            choice[expert] = scores[expert] + bias[expert];
        }
        if (route.keptGroups() < route.groups()) {
            mask(route, choice);
        }
        return IntStream.range(0, experts)
                .boxed()
                .sorted(Comparator.<Integer>comparingDouble(expert -> -choice[expert])
                        .thenComparingInt(expert -> expert))
                .limit(route.topK())
                .mapToInt(Integer::intValue)
                .toArray();
    }

    private static void mask(Op.Route route, double[] choice) {
        int size = route.experts() / route.groups();
        double[] groupScores = new double[route.groups()];
        for (int group = 0; group < route.groups(); group++) {
            double[] members = Arrays.copyOfRange(choice, group * size, (group + 1) * size);
            Arrays.sort(members);
            groupScores[group] = switch (route.groupScore()) {
                case MAXIMUM -> members[size - 1];
                case TOP_TWO_SUM -> members[size - 1] + members[size - 2];
            };
        }
        boolean[] kept = new boolean[route.groups()];
        IntStream.range(0, route.groups())
                .boxed()
                .sorted(Comparator.<Integer>comparingDouble(group -> -groupScores[group])
                        .thenComparingInt(group -> group))
                .limit(route.keptGroups())
                .forEach(group -> kept[group] = true);
        double masked = switch (route.masked()) {
            case NEGATIVE_INFINITY -> Double.NEGATIVE_INFINITY;
            case ZERO -> 0;
        };
        for (int expert = 0; expert < choice.length; expert++) {
            if (!kept[expert / size]) {
                choice[expert] = masked;
            }
        }
    }

    /** Returns the weights of {@code ids} (ROUTE-009, ROUTE-010). */
    static double[] weights(Op.Route route, double[] scores, int[] ids) {
        double[] weights = new double[ids.length];
        double sum = NORMALIZER;
        for (int id : ids) {
            sum += scores[id];
        }
        for (int place = 0; place < ids.length; place++) {
            double score = scores[ids[place]];
            weights[place] = (route.normalize() ? score / sum : score) * route.scale();
        }
        return weights;
    }
}
