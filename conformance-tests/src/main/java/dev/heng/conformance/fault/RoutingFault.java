package dev.heng.conformance.fault;

/** Ways in which implementations of routing have been wrong, after DeepSeek-V3's rule. */
public enum RoutingFault {
    /** Weights are the biased choice scores. */
    BIASED_WEIGHTS("ROUTE-004", "Weights are the biased choice scores."),
    /** Weights are recovered as choice score minus bias, in float32. */
    RECOVERED_BY_SUBTRACTION("ROUTE-004", "Weights are recovered as choice score minus bias, in float32."),
    /** The bias is ignored. */
    NO_BIAS("ROUTE-003", "The bias is ignored."),
    /** The bias is rounded to bfloat16. */
    BFLOAT16_BIAS("ROUTE-003", "The bias is rounded to bfloat16."),
    /** Logits are rounded to bfloat16. */
    BFLOAT16_LOGITS("ROUTE-001", "Logits are rounded to bfloat16."),
    /** Experts of dropped groups score 0, not -infinity. */
    MASKED_AS_ZERO("ROUTE-007", "Experts of dropped groups score 0, not -infinity."),
    /** Groups are scored by their largest choice score, not by the sum of two. */
    GROUP_MAXIMUM("ROUTE-005", "Groups are scored by their largest choice score, not by the sum of two."),
    /** Groups are scored without the bias. */
    UNBIASED_GROUPS("ROUTE-005", "Groups are scored without the bias."),
    /** No group is dropped. */
    NO_GROUPS("ROUTE-006", "No group is dropped."),
    /** The normaliser lacks its 1e-20. */
    NO_EPSILON("ROUTE-009", "The normaliser lacks its 1e-20."),
    /** The normaliser is clamped to at least 6.1e-5, float16's smallest normal number. */
    CLAMPED_NORMALIZER("ROUTE-009", "The normaliser is clamped to at least 6.1e-5, float16's smallest normal number."),
    /** Weights are not normalised. */
    NOT_NORMALIZED("ROUTE-009", "Weights are not normalised."),
    /** Weights are normalised over all experts. */
    NORMALIZED_OVER_ALL("ROUTE-009", "Weights are normalised over all experts."),
    /** The scaling factor is not applied. */
    NO_FACTOR("ROUTE-010", "The scaling factor is not applied."),
    /** The scaling factor is applied twice. */
    FACTOR_TWICE("ROUTE-010", "The scaling factor is applied twice."),
    /** The scaling factor is applied only to normalised weights. */
    FACTOR_ONLY_IF_NORMALIZED("ROUTE-010", "The scaling factor is applied only to normalised weights."),
    /** Ties go to the highest index. */
    TIES_TO_HIGHEST("ROUTE-008", "Ties go to the highest index."),
    /** The weights of each token are in reverse order of its ids. */
    REVERSED_WEIGHTS("ROUTE-008", "The weights of each token are in reverse order of its ids."),
    /** Each token gets the routing of the one before it. */
    ROTATED_TOKENS("ROUTE-001", "Each token gets the routing of the one before it."),
    /** Every token gets the first token's choice. */
    FIRST_TOKENS_CHOICE("ROUTE-001", "Every token gets the first token's choice."),
    /** The last expert is never chosen. */
    LAST_EXPERT_UNREACHABLE("ROUTE-008", "The last expert is never chosen."),
    /** Scores are a softmax. */
    SOFTMAX("ROUTE-002", "Scores are a softmax.");

    private final String rule;
    private final String description;

    RoutingFault(String rule, String description) {
        this.rule = rule;
        this.description = description;
    }

    /** Returns the rule of docs/ops.md that this breaks. */
    public String rule() {
        return rule;
    }

    /** Returns one sentence: what is done instead. */
    public String description() {
        return description;
    }
}
