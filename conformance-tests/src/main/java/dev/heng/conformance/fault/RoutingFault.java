package dev.heng.conformance.fault;

/** Ways in which implementations of routing have been wrong, after DeepSeek-V3's rule. */
public enum RoutingFault {
    /** Weights are the biased choice scores. */
    BIASED_WEIGHTS,
    /** Weights are recovered as choice score minus bias, in float32. */
    RECOVERED_BY_SUBTRACTION,
    /** The bias is ignored. */
    NO_BIAS,
    /** The bias is rounded to bfloat16. */
    BFLOAT16_BIAS,
    /** Logits are rounded to bfloat16. */
    BFLOAT16_LOGITS,
    /** Experts of dropped groups score 0, not -infinity. */
    MASKED_AS_ZERO,
    /** Groups are scored by their largest choice score, not by the sum of two. */
    GROUP_MAXIMUM,
    /** Groups are scored without the bias. */
    UNBIASED_GROUPS,
    /** No group is dropped. */
    NO_GROUPS,
    /** The normaliser lacks its 1e-20. */
    NO_EPSILON,
    /** The normaliser is clamped to at least 6.1e-5, float16's smallest normal number. */
    CLAMPED_NORMALIZER,
    /** Weights are not normalised. */
    NOT_NORMALIZED,
    /** Weights are normalised over all experts. */
    NORMALIZED_OVER_ALL,
    /** The scaling factor is not applied. */
    NO_FACTOR,
    /** The scaling factor is applied twice. */
    FACTOR_TWICE,
    /** The scaling factor is applied only to normalised weights. */
    FACTOR_ONLY_IF_NORMALIZED,
    /** Ties go to the highest index. */
    TIES_TO_HIGHEST,
    /** The weights of each token are in reverse order of its ids. */
    REVERSED_WEIGHTS,
    /** Each token gets the routing of the one before it. */
    ROTATED_TOKENS,
    /** Every token gets the first token's choice. */
    FIRST_TOKENS_CHOICE,
    /** The last expert is never chosen. */
    LAST_EXPERT_UNREACHABLE,
    /** Scores are a softmax. */
    SOFTMAX
}
