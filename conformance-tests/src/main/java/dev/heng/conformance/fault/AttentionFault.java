package dev.heng.conformance.fault;

/** Ways in which attention kernels have been wrong. A split is four slots. */
public enum AttentionFault {
    /** The largest score is not taken off before the exponential, which overflows in float32. */
    WITHOUT_MAXIMUM(
            "MLA-005", "The largest score is not taken off before the exponential, which overflows in float32."),
    /** Sums are not rescaled when a later split brings a larger score. */
    NOT_RESCALED("MLA-005", "Sums are not rescaled when a later split brings a larger score."),
    /** The results of splits are averaged, whatever their share of probability. */
    SPLITS_AVERAGED("MLA-005", "The results of splits are averaged, whatever their share of probability."),
    /** The last split is left out where it is partial. */
    LAST_PARTIAL_SPLIT_LOST("MLA-001", "The last split is left out where it is partial."),
    /** The denominator leaves out the last slot. */
    DENOMINATOR_WITHOUT_LAST("MLA-005", "The denominator leaves out the last slot."),
    /** The denominator has one more, as an attention sink adds. */
    DENOMINATOR_PLUS_ONE("MLA-005", "The denominator has one more, as an attention sink adds."),
    /** The sum is not divided by the denominator. */
    NOT_NORMALIZED("MLA-005", "The sum is not divided by the denominator."),
    /** Probabilities are rounded to bfloat16, and the profile does not say so. */
    BFLOAT16_PROBABILITIES("MLA-005", "Probabilities are rounded to bfloat16, and the profile does not say so."),
    /** Scores are rounded to float16. */
    HALF_SCORES("MLA-001", "Scores are rounded to float16."),
    /** The exponential is a power of two. */
    BASE_TWO("MLA-005", "The exponential is a power of two."),
    /** The first slot is left out. */
    FIRST_SLOT_LOST("MLA-001", "The first slot is left out."),
    /** Only the last eight slots are read, as by a sliding window. */
    WINDOW_OF_EIGHT("MLA-001", "Only the last eight slots are read, as by a sliding window."),
    /** Scores are bent by a soft cap of 30, as another family has it. */
    SOFT_CAP("MLA-001", "Scores are bent by a soft cap of 30, as another family has it."),
    /** All slots of the run are read, later ones too. */
    NOT_CAUSAL("MLA-004", "All slots that the run appends to the sequence are read, later ones too."),
    /** Only slots of this run are read. */
    EARLIER_RUNS_FORGOTTEN("MLA-004", "Only slots that this run appended are read."),
    /** A slot past the row's position is read and multiplied with zero, so that a NaN there shows. */
    UNREAD_SLOT_TIMES_ZERO(
            "MLA-004", "The slot past the row's position is read and multiplied with zero, so that a NaN there shows."),
    /** Every head reads the first head's keys and values. */
    FIRST_HEADS_KEYS("GQA-002", "Every query head reads the first head's keys and values."),
    /** Query head h reads key head h modulo their number. */
    HEADS_INTERLEAVED("GQA-002", "Query head h reads key head h modulo their number."),
    /** The rotated part of scores is left out. */
    ROPE_PART_LOST("MLA-002", "The rotated part of a query and key adds nothing to scores."),
    /** The latent projection's value rows come before its key rows. */
    VALUES_BEFORE_KEYS(
            "MLA-002", "A head's value rows of the latent projection are taken for its key rows, and the reverse."),
    /** Rows of padding are left as memory had them. */
    PADDING_LEFT("MLA-007", "Rows of padding are left as memory had them.");

    private final String rule;
    private final String description;

    AttentionFault(String rule, String description) {
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
