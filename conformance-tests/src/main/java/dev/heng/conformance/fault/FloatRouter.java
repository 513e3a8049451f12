package dev.heng.conformance.fault;

import dev.heng.conformance.bound.RoutingRule;
import dev.heng.conformance.bound.ScalarFunction;
import dev.heng.conformance.compare.FloatTensor;
import dev.heng.conformance.compare.IntTensor;
import dev.heng.conformance.fill.RoutingInputs;
import dev.heng.conformance.format.FloatFormat;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.Comparator;
import java.util.List;
import java.util.Optional;

/**
 * Routes in float32 as a device would, with at most one fault planted. Scores are evaluated in double and rounded once.
 *
 * <p>Stateless and thread-safe.
 */
public final class FloatRouter {

    private static final float NORMALIZER = 1e-20f;
    private static final float HALF_MIN_NORMAL = 6.1e-5f;

    /**
     * A routing result.
     *
     * @param ids chosen experts [T,k], in descending order of choice score
     * @param weights their weights [T,k]
     */
    public record Routing(IntTensor ids, FloatTensor weights) {}

    private FloatRouter() {}

    /**
     * Routes.
     *
     * @param rule the rule
     * @param inputs the inputs
     * @param fault the fault to plant, or empty for none
     */
    public static Routing route(RoutingRule rule, RoutingInputs inputs, Optional<RoutingFault> fault) {
        int tokens = inputs.tokens();
        int chosen = rule.chosen();
        long[] ids = new long[tokens * chosen];
        double[] weights = new double[tokens * chosen];
        for (int token = 0; token < tokens; token++) {
            float[] logits = Arrays.copyOfRange(inputs.logits(), token * rule.experts(), (token + 1) * rule.experts());
            int[] tokenIds = choose(rule, logits, inputs.bias(), fault);
            if (is(fault, RoutingFault.FIRST_TOKENS_CHOICE) && token > 0) {
                for (int place = 0; place < chosen; place++) {
                    tokenIds[place] = (int) ids[place];
                }
            }
            float[] tokenWeights = weigh(rule, logits, inputs, tokenIds, fault);
            for (int place = 0; place < chosen; place++) {
                ids[token * chosen + place] = tokenIds[place];
                int source = is(fault, RoutingFault.REVERSED_WEIGHTS) ? chosen - 1 - place : place;
                weights[token * chosen + place] = tokenWeights[source];
            }
        }
        if (is(fault, RoutingFault.ROTATED_TOKENS)) {
            rotate(ids, weights, chosen);
        }
        int[] shape = {tokens, chosen};
        return new Routing(new IntTensor(32, shape, ids), new FloatTensor(FloatFormat.F32, shape, weights));
    }

    private static boolean is(Optional<RoutingFault> fault, RoutingFault asked) {
        return fault.isPresent() && fault.get() == asked;
    }

    private static float[] scores(RoutingRule rule, float[] logits, Optional<RoutingFault> fault) {
        float[] scores = new float[logits.length];
        double sum = 0;
        double largest = Double.NEGATIVE_INFINITY;
        for (float logit : logits) {
            largest = Math.max(largest, logit);
        }
        for (float logit : logits) {
            sum += StrictMath.exp(logit - largest);
        }
        for (int expert = 0; expert < logits.length; expert++) {
            double logit =
                    is(fault, RoutingFault.BFLOAT16_LOGITS) ? FloatFormat.BF16.round(logits[expert]) : logits[expert];
            RoutingRule.Score score = is(fault, RoutingFault.SOFTMAX) ? RoutingRule.Score.SOFTMAX : rule.score();
            scores[expert] = (float)
                    switch (score) {
                        case SIGMOID -> ScalarFunction.SIGMOID.exact(logit);
                        case SOFTMAX -> StrictMath.exp(logit - largest) / sum;
                        case SQRT_SOFTPLUS -> ScalarFunction.SQRT_SOFTPLUS.exact(logit);
                    };
        }
        return scores;
    }

    private static float[] choiceScores(float[] scores, float[] bias, Optional<RoutingFault> fault) {
        float[] choice = scores.clone();
        if (is(fault, RoutingFault.NO_BIAS)) {
            return choice;
        }
        for (int expert = 0; expert < choice.length; expert++) {
            choice[expert] +=
                    is(fault, RoutingFault.BFLOAT16_BIAS) ? (float) FloatFormat.BF16.round(bias[expert]) : bias[expert];
        }
        return choice;
    }

    private static int[] choose(RoutingRule rule, float[] logits, float[] bias, Optional<RoutingFault> fault) {
        float[] scores = scores(rule, logits, fault);
        float[] choice = choiceScores(scores, bias, fault);
        float[] grouped = is(fault, RoutingFault.UNBIASED_GROUPS) ? scores : choice;
        float[] groupScores = new float[rule.groups()];
        for (int group = 0; group < rule.groups(); group++) {
            float[] members = Arrays.copyOfRange(grouped, group * rule.groupSize(), (group + 1) * rule.groupSize());
            for (int member = 0; member < members.length; member++) {
                // A NaN ranks below every number (ROUTE-011); a sort would put it on top.
                members[member] = Float.isNaN(members[member]) ? Float.NEGATIVE_INFINITY : members[member];
            }
            Arrays.sort(members);
            float best = members[members.length - 1];
            boolean largestOnly =
                    is(fault, RoutingFault.GROUP_MAXIMUM) || rule.groupScore() == RoutingRule.GroupScore.MAXIMUM;
            groupScores[group] = largestOnly ? best : best + members[members.length - 2];
        }
        int kept = is(fault, RoutingFault.NO_GROUPS) ? rule.groups() : rule.keptGroups();
        List<Integer> keptGroups = largest(groupScores, kept, fault);
        float[] masked = choice.clone();
        for (int expert = 0; expert < masked.length; expert++) {
            if (!keptGroups.contains(expert / rule.groupSize())) {
                boolean zero = is(fault, RoutingFault.MASKED_AS_ZERO) || rule.maskedAs() == RoutingRule.MaskedAs.ZERO;
                masked[expert] = zero ? 0 : Float.NEGATIVE_INFINITY;
            }
        }
        if (is(fault, RoutingFault.LAST_EXPERT_UNREACHABLE)) {
            masked[masked.length - 1] = Float.NEGATIVE_INFINITY;
        }
        return largest(masked, rule.chosen(), fault).stream()
                .mapToInt(Integer::intValue)
                .toArray();
    }

    private static List<Integer> largest(float[] values, int count, Optional<RoutingFault> fault) {
        List<Integer> order = new ArrayList<>();
        for (int index = 0; index < values.length; index++) {
            order.add(index);
        }
        if (is(fault, RoutingFault.TIES_TO_HIGHEST)) {
            Collections.reverse(order);
        }
        // The sort is stable, so that ties keep the order of indices.
        order.sort(Comparator.comparingDouble(index -> -values[index]));
        return order.subList(0, count);
    }

    private static float[] weigh(
            RoutingRule rule, float[] logits, RoutingInputs inputs, int[] ids, Optional<RoutingFault> fault) {
        float[] scores = scores(rule, logits, fault);
        float[] choice = choiceScores(scores, inputs.bias(), fault);
        float[] weights = new float[ids.length];
        float sum = 0;
        for (int place = 0; place < ids.length; place++) {
            int id = ids[place];
            weights[place] = scores[id];
            if (is(fault, RoutingFault.BIASED_WEIGHTS)) {
                weights[place] = choice[id];
            } else if (is(fault, RoutingFault.RECOVERED_BY_SUBTRACTION)) {
                weights[place] = choice[id] - inputs.bias()[id];
            }
            sum += weights[place];
        }
        if (is(fault, RoutingFault.NORMALIZED_OVER_ALL)) {
            sum = 0;
            for (float score : scores) {
                sum += score;
            }
        }
        boolean normalize = inputs.normalize() && !is(fault, RoutingFault.NOT_NORMALIZED);
        float factor = (float) rule.factor();
        for (int place = 0; place < ids.length; place++) {
            if (normalize) {
                weights[place] /= normalizer(sum, fault);
            }
            boolean unscaled = is(fault, RoutingFault.NO_FACTOR)
                    || (is(fault, RoutingFault.FACTOR_ONLY_IF_NORMALIZED) && !inputs.normalize());
            if (!unscaled) {
                weights[place] *= factor;
            }
            if (is(fault, RoutingFault.FACTOR_TWICE)) {
                weights[place] *= factor;
            }
        }
        return weights;
    }

    private static float normalizer(float sum, Optional<RoutingFault> fault) {
        if (is(fault, RoutingFault.NO_EPSILON)) {
            return sum;
        }
        return is(fault, RoutingFault.CLAMPED_NORMALIZER) ? Math.max(sum, HALF_MIN_NORMAL) : sum + NORMALIZER;
    }

    private static void rotate(long[] ids, double[] weights, int chosen) {
        if (ids.length == 0) {
            return;
        }
        long[] movedIds = new long[ids.length];
        double[] movedWeights = new double[weights.length];
        for (int index = 0; index < ids.length; index++) {
            int target = (index + chosen) % ids.length;
            movedIds[target] = ids[index];
            movedWeights[target] = weights[index];
        }
        System.arraycopy(movedIds, 0, ids, 0, ids.length);
        System.arraycopy(movedWeights, 0, weights, 0, weights.length);
    }
}
