package dev.heng.runtime.config;

import java.util.Set;
import java.util.stream.Collectors;

/**
 * The mixture of experts of a model's sparse layers.
 *
 * @param experts routed experts
 * @param topK experts that a token is sent to
 * @param groups groups of adjacent experts; 1 where the method knows none
 * @param keptGroups groups that experts are chosen from
 * @param score how router logits become scores
 * @param method how experts are chosen
 * @param normalize whether the chosen weights are divided by their sum
 * @param scale what weights are multiplied with at the end; 1 where the family does not scale, so it can always be applied
 * @param sharedExperts experts that every token passes, stored as one MLP of their common width; 0 for none
 * @param intermediateSize width of one routed expert, in elements
 * @param layers the layers that are sparse; all others are dense
 */
public record Moe(
        int experts,
        int topK,
        int groups,
        int keptGroups,
        Score score,
        Method method,
        boolean normalize,
        double scale,
        int sharedExperts,
        int intermediateSize,
        Set<Integer> layers) {

    /** How a router logit becomes a score. */
    public enum Score {
        /** Each on its own. */
        SIGMOID,
        /** Over all experts, before anything is masked. */
        SOFTMAX
    }

    /** How experts are chosen, by the names of {@code topk_method}. */
    public enum Method {
        /** The k highest scores. */
        GREEDY,
        /** Groups ranked by their highest score, other groups' scores set to 0 (V2). */
        GROUP_LIMITED_GREEDY,
        /** Scores plus e_score_correction_bias, groups ranked by the sum of their two highest, other groups never chosen (V3). */
        NOAUX_TC
    }

    public Moe {
        layers = Set.copyOf(layers);
        if (experts % groups != 0) {
            throw new IllegalArgumentException(
                    experts + " routed experts do not divide into n_group = " + groups + " groups");
        }
        if (keptGroups > groups) {
            throw new IllegalArgumentException("topk_group = " + keptGroups + " exceeds n_group = " + groups);
        }
        if (topK > experts / groups * keptGroups) {
            throw new IllegalArgumentException("num_experts_per_tok = " + topK + " exceeds the "
                    + experts / groups * keptGroups + " experts of the " + keptGroups + " groups that are kept");
        }
        if (method == Method.NOAUX_TC && groups > 1 && experts / groups < 2) {
            throw new IllegalArgumentException("noaux_tc ranks groups by two experts, but with " + experts
                    + " experts in " + groups + " groups a group has one");
        }
        Limits.product("moe_intermediate_size x n_shared_experts", intermediateSize, Math.max(1, sharedExperts));
    }

    /** Returns the experts of a model that has the first {@code count} layers only. */
    Moe withLayers(int count) {
        return new Moe(
                experts,
                topK,
                groups,
                keptGroups,
                score,
                method,
                normalize,
                scale,
                sharedExperts,
                intermediateSize,
                layers.stream().filter(layer -> layer < count).collect(Collectors.toUnmodifiableSet()));
    }

    /** Returns whether the router adds e_score_correction_bias for the choice. */
    public boolean choiceBias() {
        return method == Method.NOAUX_TC;
    }

    /** Returns the width of the one MLP that holds all shared experts, 0 for none. */
    public int sharedIntermediateSize() {
        return intermediateSize * sharedExperts;
    }
}
