package dev.heng.conformance.bound;

/**
 * The routing operation's parameters (docs/ops.md, Route).
 *
 * @param experts the number of experts E
 * @param groups the number of groups of E / groups consecutive experts; 1 for none
 * @param keptGroups groups that survive, 1 to {@code groups}
 * @param chosen experts chosen per token, k
 * @param score how logits become scores
 * @param groupScore how a group is scored
 * @param maskedAs what choice scores of experts in dropped groups become
 * @param factor the scaling factor of weights
 */
public record RoutingRule(
        int experts,
        int groups,
        int keptGroups,
        int chosen,
        Score score,
        GroupScore groupScore,
        MaskedAs maskedAs,
        double factor) {

    /** How logits become scores. */
    public enum Score {
        /** 1 / (1 + e^-x) (V3). */
        SIGMOID,
        /** e^x over the sum of all experts' e^x (V2). */
        SOFTMAX,
        /** sqrt(log(1 + e^x)) (V4). */
        SQRT_SOFTPLUS
    }

    /** How a group is scored. */
    public enum GroupScore {
        /** The sum of its two largest choice scores (V3). */
        TOP_TWO_SUM,
        /** Its largest choice score (V2). */
        MAXIMUM
    }

    /** What choice scores of experts in dropped groups become. */
    public enum MaskedAs {
        /** Never chosen (V3). */
        NEGATIVE_INFINITY,
        /** Zero (V2). */
        ZERO
    }

    /** Subsets of groups that a judgement is willing to enumerate. */
    private static final long MOST_SUBSETS = 100_000;

    public RoutingRule {
        if (experts < 1 || groups < 1 || experts % groups != 0) {
            throw new IllegalArgumentException(experts + " experts do not divide into " + groups + " groups");
        }
        if (keptGroups < 1 || keptGroups > groups) {
            throw new IllegalArgumentException(keptGroups + " of " + groups + " groups cannot be kept");
        }
        int eligible = maskedAs == MaskedAs.ZERO ? experts : experts / groups * keptGroups;
        if (chosen < 1 || chosen > eligible) {
            throw new IllegalArgumentException(chosen + " experts cannot be chosen of " + eligible + " eligible");
        }
        if (groups > 63 || subsets(groups, keptGroups) > MOST_SUBSETS) {
            throw new IllegalArgumentException(keptGroups + " of " + groups + " groups make more than " + MOST_SUBSETS
                    + " choices of groups, too many to judge");
        }
        if (groups > 1 && groupScore == GroupScore.TOP_TWO_SUM && experts / groups < 2) {
            throw new IllegalArgumentException("groups of one expert have no two largest scores");
        }
    }

    /** DeepSeek-V3: 256 experts in 8 groups, 4 kept, 8 chosen, sigmoid, factor 2.5. */
    public static RoutingRule deepSeekV3() {
        return new RoutingRule(256, 8, 4, 8, Score.SIGMOID, GroupScore.TOP_TWO_SUM, MaskedAs.NEGATIVE_INFINITY, 2.5);
    }

    /** Returns the number of experts in a group. */
    public int groupSize() {
        return experts / groups;
    }

    /** Returns the number of ways to take {@code take} of at most 63: exact where it is small, and far from the limit where not. */
    private static double subsets(int of, int take) {
        double count = 1;
        for (int index = 1; index <= take; index++) {
            count = count * (of - take + index) / index;
        }
        return count;
    }
}
