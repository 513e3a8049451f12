package dev.heng.conformance.fault;

import dev.heng.conformance.format.FloatFormat;
import java.util.Arrays;
import java.util.Optional;

/** Softmax and weighted sum of one head in one row, split by split as a device does it, with at most one fault planted. */
public final class FloatAttention {

    private static final int SPLIT = 4;
    private static final int WINDOW = 8;
    private static final double SOFT_CAP = 30;

    private FloatAttention() {}

    /**
     * Returns the weighted sum of values.
     *
     * @param scores one for each slot, scaled
     * @param values one row for each slot, all of one width
     * @param fault the fault to plant, or empty for none; those that choose slots or heads are the caller's
     */
    public static double[] attend(double[] scores, double[][] values, Optional<AttentionFault> fault) {
        int from = first(scores.length, fault);
        int to = scores.length;
        if (is(fault, AttentionFault.LAST_PARTIAL_SPLIT_LOST) && to > SPLIT) {
            to -= to % SPLIT;
        }
        double[] changed = new double[scores.length];
        for (int slot = 0; slot < scores.length; slot++) {
            changed[slot] = score(scores[slot], fault);
        }
        if (is(fault, AttentionFault.SPLITS_AVERAGED)) {
            return averaged(changed, values, from, to);
        }
        if (is(fault, AttentionFault.NOT_RESCALED)) {
            return notRescaled(changed, values, from, to);
        }
        return whole(changed, values, from, to, fault);
    }

    private static boolean is(Optional<AttentionFault> fault, AttentionFault asked) {
        return fault.isPresent() && fault.get() == asked;
    }

    private static int first(int slots, Optional<AttentionFault> fault) {
        if (is(fault, AttentionFault.FIRST_SLOT_LOST)) {
            return slots > 1 ? 1 : 0;
        }
        return is(fault, AttentionFault.WINDOW_OF_EIGHT) ? Math.max(0, slots - WINDOW) : 0;
    }

    private static double score(double score, Optional<AttentionFault> fault) {
        if (is(fault, AttentionFault.HALF_SCORES)) {
            return FloatFormat.F16.round(score);
        }
        return is(fault, AttentionFault.SOFT_CAP) ? SOFT_CAP * Math.tanh(score / SOFT_CAP) : score;
    }

    private static double[] whole(
            double[] scores, double[][] values, int from, int to, Optional<AttentionFault> fault) {
        boolean plain = is(fault, AttentionFault.WITHOUT_MAXIMUM);
        double largest = plain ? 0 : Arrays.stream(scores, from, to).max().orElse(0);
        double[] powers = new double[scores.length];
        double total = is(fault, AttentionFault.DENOMINATOR_PLUS_ONE) ? 1 : 0;
        for (int slot = from; slot < to; slot++) {
            double power = is(fault, AttentionFault.BASE_TWO)
                    ? Math.pow(2, scores[slot] - largest)
                    : Math.exp(scores[slot] - largest);
            powers[slot] = plain ? (float) power : power;
            boolean left = is(fault, AttentionFault.DENOMINATOR_WITHOUT_LAST) && slot == to - 1 && to > from + 1;
            total += left ? 0 : powers[slot];
        }
        total = plain ? (float) total : total;
        double[] sum = new double[values[0].length];
        for (int slot = from; slot < to; slot++) {
            double share = is(fault, AttentionFault.NOT_NORMALIZED) ? powers[slot] : powers[slot] / total;
            if (is(fault, AttentionFault.BFLOAT16_PROBABILITIES)) {
                share = FloatFormat.BF16.round(share);
            }
            for (int column = 0; column < sum.length; column++) {
                sum[column] += share * values[slot][column];
            }
        }
        return sum;
    }

    private static double[] averaged(double[] scores, double[][] values, int from, int to) {
        double[] sum = new double[values[0].length];
        int splits = Math.ceilDiv(to - from, SPLIT);
        for (int start = from; start < to; start += SPLIT) {
            double[] part = whole(scores, values, start, Math.min(to, start + SPLIT), Optional.empty());
            for (int column = 0; column < sum.length; column++) {
                sum[column] += part[column] / splits;
            }
        }
        return sum;
    }

    private static double[] notRescaled(double[] scores, double[][] values, int from, int to) {
        double largest = Double.NEGATIVE_INFINITY;
        double total = 0;
        double[] sum = new double[values[0].length];
        for (int start = from; start < to; start += SPLIT) {
            int end = Math.min(to, start + SPLIT);
            largest = Math.max(largest, Arrays.stream(scores, start, end).max().orElse(0));
            for (int slot = start; slot < end; slot++) {
                double power = Math.exp(scores[slot] - largest);
                total += power;
                for (int column = 0; column < sum.length; column++) {
                    sum[column] += power * values[slot][column];
                }
            }
        }
        for (int column = 0; column < sum.length; column++) {
            sum[column] /= total;
        }
        return sum;
    }
}
