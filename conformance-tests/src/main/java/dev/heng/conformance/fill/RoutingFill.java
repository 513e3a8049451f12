package dev.heng.conformance.fill;

import dev.heng.conformance.random.RandomStream;
import java.util.Arrays;
import java.util.List;

/**
 * The fills of the routing operation. No single one shows all routing faults: the union does, and some faults show under exactly
 * one of them (docs/conformance/routing-faults.md has the matrix).
 */
public enum RoutingFill {
    /** Standard normal logits, no bias: what most suites test with. */
    NORMAL_NO_BIAS,
    /** Standard normal logits, bias of standard deviation 0.01. */
    NORMAL_SMALL_BIAS,
    /** Standard normal logits, standard normal bias. */
    NORMAL_LARGE_BIAS,
    /** Bias in (-4, -3]: every choice score is negative, so that a masked group scored 0 would win. */
    NEGATIVE_BIAS,
    /** Bias about +12 and logits about -17: in float32 the sum score + bias forgets the score. */
    DOMINATING_BIAS,
    /** Logits about -100: scores are float32 subnormals, and the 1e-20 of the normaliser decides the weights. */
    VANISHING_SCORES,
    /** Logits rounded to integers, no bias: exact ties among experts and among groups. */
    EXACT_TIES,
    /** Logits 2 + i / 512 with i in -3..3: steps that bfloat16 logits cannot hold, and exact ties. */
    NEAR_TIES,
    /** Weights not normalised; bias of standard deviation 0.1. */
    NOT_NORMALIZED,
    /** One token only; bias of standard deviation 0.1. */
    ONE_TOKEN,
    /** One row of logits repeated for every token, no bias. */
    IDENTICAL_ROWS;

    /**
     * Fills the inputs.
     *
     * @param stream where randomness comes from
     * @param tokens the number of tokens; {@link #ONE_TOKEN} uses one, whatever is asked for, unless it is 0
     * @param experts the number of experts, positive
     */
    public RoutingInputs fill(RandomStream stream, int tokens, int experts) {
        int rows = this == ONE_TOKEN ? Math.min(1, tokens) : tokens;
        float[] logits = new float[Math.multiplyExact(rows, experts)];
        RandomStream values = stream.split("logits");
        for (int index = 0; index < logits.length; index++) {
            logits[index] = (float) logit(values);
        }
        if (this == IDENTICAL_ROWS) {
            for (int row = 1; row < rows; row++) {
                System.arraycopy(logits, 0, logits, row * experts, experts);
            }
        }
        float[] bias = new float[experts];
        RandomStream biases = stream.split("bias");
        for (int expert = 0; expert < experts; expert++) {
            bias[expert] = (float) bias(biases);
        }
        return new RoutingInputs(
                rows, experts, logits, bias, this != NOT_NORMALIZED, degeneracy(rows, experts, logits, bias));
    }

    private double logit(RandomStream stream) {
        return switch (this) {
            case DOMINATING_BIAS -> stream.normal() - 17;
            case VANISHING_SCORES -> stream.normal() - 100;
            case EXACT_TIES -> Math.rint(stream.normal());
            case NEAR_TIES -> 2 + stream.between(-3, 3) * 0x1p-9;
            case NORMAL_NO_BIAS,
                    NORMAL_SMALL_BIAS,
                    NORMAL_LARGE_BIAS,
                    NEGATIVE_BIAS,
                    NOT_NORMALIZED,
                    ONE_TOKEN,
                    IDENTICAL_ROWS -> stream.normal();
        };
    }

    private double bias(RandomStream stream) {
        return switch (this) {
            case NORMAL_NO_BIAS, EXACT_TIES, NEAR_TIES, IDENTICAL_ROWS -> 0;
            case NORMAL_SMALL_BIAS, VANISHING_SCORES -> stream.normal() * 0.01;
            case NORMAL_LARGE_BIAS -> stream.normal();
            case NEGATIVE_BIAS -> -3 - stream.uniform();
            case DOMINATING_BIAS -> 12 + stream.normal() * 0.01;
            case NOT_NORMALIZED, ONE_TOKEN -> stream.normal() * 0.1;
        };
    }

    private Degeneracy degeneracy(int rows, int experts, float[] logits, float[] bias) {
        if (rows == 0) {
            return Degeneracy.of();
        }
        long distinctRows = countRows(rows, experts, logits, RoutingFill::differsFromRowBefore);
        long rowsWithTies = countRows(rows, experts, logits, RoutingFill::hasEqualLogits);
        boolean biased = false;
        for (float value : bias) {
            biased |= value != 0;
        }
        Trigger different = new Trigger("neighbouring tokens that differ", distinctRows, experts > 1 ? rows - 1L : 0);
        Trigger ties = new Trigger("tokens with equal logits", rowsWithTies, experts > 7 ? rows : 0);
        Trigger choiceBias = new Trigger("a bias that is not zero", biased ? 1 : 0, 1);
        List<Trigger> triggers = switch (this) {
            case NORMAL_NO_BIAS -> List.of(different);
            case EXACT_TIES, NEAR_TIES -> List.of(ties);
            case IDENTICAL_ROWS ->
                List.of(new Trigger("tokens equal to the one before", rows - 1L - distinctRows, rows - 1L));
            case NORMAL_SMALL_BIAS,
                    NORMAL_LARGE_BIAS,
                    NEGATIVE_BIAS,
                    DOMINATING_BIAS,
                    VANISHING_SCORES,
                    NOT_NORMALIZED,
                    ONE_TOKEN -> List.of(different, choiceBias);
        };
        return new Degeneracy(triggers);
    }

    /** A property of one row of logits. */
    @FunctionalInterface
    private interface RowProperty {
        boolean holds(int row, int experts, float[] logits);
    }

    private static long countRows(int rows, int experts, float[] logits, RowProperty property) {
        long count = 0;
        for (int row = 0; row < rows; row++) {
            count += property.holds(row, experts, logits) ? 1 : 0;
        }
        return count;
    }

    private static boolean differsFromRowBefore(int row, int experts, float[] logits) {
        return row > 0
                && !Arrays.equals(
                        logits, row * experts, (row + 1) * experts, logits, (row - 1) * experts, row * experts);
    }

    private static boolean hasEqualLogits(int row, int experts, float[] logits) {
        float[] sorted = Arrays.copyOfRange(logits, row * experts, (row + 1) * experts);
        Arrays.sort(sorted);
        for (int index = 1; index < experts; index++) {
            if (sorted[index] == sorted[index - 1]) {
                return true;
            }
        }
        return false;
    }
}
