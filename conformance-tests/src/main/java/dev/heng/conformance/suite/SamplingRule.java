package dev.heng.conformance.suite;

import dev.heng.conformance.compare.IntComparator;
import dev.heng.conformance.compare.IntTensor;
import java.util.Arrays;
import java.util.Comparator;

/** The rules SAMPLE-001 to SAMPLE-008 in double, written from docs/ops.md and not from any backend. */
@SuppressWarnings("ArrayRecordComponent") // Inputs of one case; never compared.
record SamplingRule(
        int width, double[] logits, double[] temperature, int[] topK, double[] topP, long[] seed, int[] counter) {

    /** Sums closer than this may change places: the roundings of z and g in F32, some units in the last place each. */
    private static final double CLOSE = 8 * 0x1p-24;

    /** Returns the index of the largest number; NaN is none. */
    static int argmax(double[] values, int from, int width) {
        int best = -1;
        for (int index = 0; index < width; index++) {
            double value = values[from + index];
            if (!Double.isNaN(value) && (best < 0 || value > values[from + best])) {
                best = index;
            }
        }
        return Math.max(0, best);
    }

    Check judge(HostTensor got) {
        int rows = temperature.length;
        long[] expected = new long[rows];
        long[] tokens = got.bits();
        for (int row = 0; row < rows; row++) {
            expected[row] = expected(row, (int) tokens[row]);
        }
        return new Check(
                "token", IntComparator.exact(got.asBits(), new IntTensor(32, new int[] {rows}, expected)), rows == 0);
    }

    /** Returns the token of {@code row}, or the device's own where only declared errors of F32 tell them apart. */
    private int expected(int row, int got) {
        int from = row * width;
        double largest = logits[from + argmax(logits, from, width)];
        if (temperature[row] == 0 || !Double.isFinite(largest)) {
            return argmax(logits, from, width);
        }
        Integer[] order = new Integer[width];
        Arrays.setAll(order, index -> index);
        int candidates = 0;
        for (int index = 0; index < width; index++) {
            candidates += Double.isNaN(logits[from + index]) ? 0 : 1;
        }
        Arrays.sort(
                order,
                Comparator.<Integer>comparingDouble(index ->
                                Double.isNaN(logits[from + index]) ? Double.POSITIVE_INFINITY : -logits[from + index])
                        .thenComparing(Comparator.naturalOrder()));
        if (topK[row] > 0) {
            candidates = Math.min(candidates, topK[row]);
        }
        if (topP[row] < 1) {
            double total = 0;
            for (int rank = 0; rank < candidates; rank++) {
                total += StrictMath.exp((logits[from + order[rank]] - largest) / temperature[row]);
            }
            double before = 0;
            int kept = 0;
            while (kept < candidates && (kept == 0 || before < topP[row] * total)) {
                before += StrictMath.exp((logits[from + order[kept]] - largest) / temperature[row]);
                kept++;
            }
            candidates = kept;
        }
        int best = -1;
        double bestSum = Double.NEGATIVE_INFINITY;
        double gotSum = Double.NEGATIVE_INFINITY;
        for (int rank = 0; rank < candidates; rank++) {
            int index = order[rank];
            double z = (logits[from + index] - largest) / temperature[row];
            double sum = z + noise(row, index);
            if (sum > bestSum || (sum == bestSum && index < best)) {
                best = index;
                bestSum = sum;
            }
            gotSum = index == got ? sum : gotSum;
        }
        // What is no candidate has no sum: infinity over infinity must not come out as close.
        boolean close = gotSum > Double.NEGATIVE_INFINITY
                && bestSum - gotSum <= CLOSE * (Math.abs(bestSum) + Math.abs(gotSum) + 32);
        return close ? got : Math.max(0, best);
    }

    private double noise(int row, int index) {
        long word = word(index, counter[row], seed[row]);
        double complement = (0x1p32 - word - 0.5) / 0x1p32;
        return -StrictMath.log(-StrictMath.log1p(-complement));
    }

    /** Returns word {@code index mod 4} of Philox4x32-10's block for (index / 4, counter, 0, 0) under {@code key} (SAMPLE-004). */
    static long word(int index, int counter, long key) {
        int[] c = {index / 4, counter, 0, 0};
        int low = (int) key;
        int high = (int) (key >>> 32);
        for (int round = 0; round < 10; round++) {
            long first = 0xD2511F53L * Integer.toUnsignedLong(c[0]);
            long second = 0xCD9E8D57L * Integer.toUnsignedLong(c[2]);
            c = new int[] {
                (int) (second >>> 32) ^ c[1] ^ low, (int) second, (int) (first >>> 32) ^ c[3] ^ high, (int) first
            };
            low += 0x9E3779B9;
            high += 0xBB67AE85;
        }
        return Integer.toUnsignedLong(c[index % 4]);
    }
}
