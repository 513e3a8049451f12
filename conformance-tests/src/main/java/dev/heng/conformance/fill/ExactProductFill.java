package dev.heng.conformance.fill;

import dev.heng.conformance.format.FloatFormat;
import dev.heng.conformance.random.RandomStream;

/**
 * Integer operands whose products can be summed without any rounding, in any order, by any unit that keeps the given bits.
 *
 * <p>For every row i of A and j of B, {@code sum_k |a_ik * b_jk| <= 2^sumBits}. Every partial sum is then an integer of at most
 * sumBits bits, so that the one right answer is known exactly and no tolerance is needed. Row sums are driven close to 2^sumBits,
 * so that a unit with fewer bits must err; each of the last K positions named is non-zero in every row.
 */
public final class ExactProductFill {

    /** Positions at the end of K that are non-zero in every row and column, so that a dropped tail shows. */
    public static final int TAIL = 8;

    /**
     * The operands.
     *
     * @param activations A[M,K]
     * @param weights B[N,K]
     * @param sumBits bits of the largest partial sum in magnitude
     */
    public record Operands(FilledMatrix activations, FilledMatrix weights, int sumBits) {}

    private ExactProductFill() {}

    /**
     * Fills both operands.
     *
     * @param stream where randomness comes from
     * @param format the format of both operands
     * @param sumBits bits that the unit under test claims to keep, 4 to 53
     * @param m rows of A
     * @param n rows of B
     * @param k length along K
     */
    public static Operands fill(RandomStream stream, FloatFormat format, int sumBits, int m, int n, int k) {
        if (sumBits < 4 || sumBits > 53) {
            throw new IllegalArgumentException(sumBits + " bits of partial sum: exact fills need 4 to 53");
        }
        long budget = 1L << sumBits;
        // One sign pattern along K is common to A and B: products then agree in sign but for those that a row of B
        // flips, and
        // partial sums climb to the top of the budget instead of staying near zero.
        double[] sign = new double[k];
        RandomStream signs = stream.split("signs");
        for (int column = 0; column < k; column++) {
            sign[column] = signs.sign();
        }
        double[] a = new double[Math.multiplyExact(m, k)];
        long rowsNearTop = 0;
        long tails = 0;
        int tail = Math.min(TAIL, k);
        for (int row = 0; row < m; row++) {
            // Budgets of both parities: an even sum would never be the tie that rounding twice gets wrong.
            RandomStream ofRow = stream.split("a" + row);
            long sum = activationRow(ofRow, format, budget - ofRow.nextInt(2), a, row * k, k, tail);
            rowsNearTop += 2 * sum > budget ? 1 : 0;
            boolean tailCounts = true;
            for (int column = 0; column < k; column++) {
                tailCounts &= column < k - tail || a[row * k + column] != 0;
                a[row * k + column] *= sign[column];
            }
            tails += tailCounts ? 1 : 0;
        }
        double[] b = new double[Math.multiplyExact(n, k)];
        for (int row = 0; row < n; row++) {
            RandomStream flips = stream.split("b" + row);
            double whole = flips.sign();
            for (int column = 0; column < k; column++) {
                b[row * k + column] = whole * sign[column] * (flips.nextInt(16) == 0 ? -1 : 1);
            }
        }
        Degeneracy degeneracy = Degeneracy.of(
                new Trigger(
                        "rows whose products sum to more than half of 2^" + sumBits,
                        rowsNearTop,
                        reachable(format, sumBits, k) ? m : 0),
                new Trigger("rows with a non-zero tail", tails, m));
        return new Operands(
                new FilledMatrix(format, m, k, a, degeneracy),
                new FilledMatrix(format, n, k, b, Degeneracy.of()),
                sumBits);
    }

    /** Returns whether K numbers of this format can sum past half of 2^sumBits: not so for short rows of narrow formats. */
    private static boolean reachable(FloatFormat format, int sumBits, int k) {
        return k > 0 && Math.min(format.maxFinite(), Math.scalb(1.0, sumBits)) * k > Math.scalb(1.0, sumBits);
    }

    /** Writes positive integers that sum to at most {@code budget}, shuffled but for the tail; returns their sum. */
    private static long activationRow(
            RandomStream stream, FloatFormat format, long budget, double[] out, int offset, int k, int tail) {
        if (k == 0) {
            return 0;
        }
        if (budget < tail) {
            throw new IllegalArgumentException("a budget of " + budget + " leaves no room for a tail of " + tail);
        }
        long left = budget - tail;
        for (int column = k - tail; column < k; column++) {
            out[offset + column] = 1;
        }
        int[] order = stream.permutation(k);
        int units = (int) Math.min(k, Math.max(1, left));
        for (int index = 0; index < units && left > 0; index++) {
            // Spread what is left over the positions that remain, each rounded down to a number of the format.
            long share = Math.max(1, left / (units - index));
            int column = order[index];
            double before = out[offset + column];
            long wanted = Math.max(1, (long) (share * (index == units - 1 ? 1 : 0.5 + stream.uniform())));
            double value = largestAtMost(format, before + Math.min(wanted, left));
            out[offset + column] = value;
            left -= (long) (value - before);
        }
        return budget - left;
    }

    private static double largestAtMost(FloatFormat format, double value) {
        return format.round(value, dev.heng.conformance.format.Rounding.TOWARD_ZERO);
    }
}
