package dev.heng.backend.reference;

import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;

/** The choice of the next token (ARGMAX, SAMPLE). */
public final class Sampling {

    private Sampling() {}

    /** ARGMAX-001: the index of the largest logit. */
    static void argmax(Invocation in) {
        Tensor logits = in.operand(0);
        for (int o = 0; o < logits.rows(); o++) {
            in.result(0).setInteger(o, argmax(logits.row(o)));
        }
    }

    /** ARGMAX-001 to ARGMAX-003: ties to the lower index; a NaN is never picked; nothing but NaN gives 0. */
    static int argmax(double[] logits) {
        int best = -1;
        for (int i = 0; i < logits.length; i++) {
            if (!Double.isNaN(logits[i]) && (best < 0 || logits[i] > logits[best])) {
                best = i;
            }
        }
        return Math.max(best, 0);
    }

    /** SAMPLE-001: one token for each row. */
    static void sample(Invocation in) {
        Tensor logits = in.operand(0);
        int rows = in.rows(0);
        int[] tokens = new int[rows];
        for (int o = 0; o < rows; o++) {
            double temperature = checked(in, 1, o, in.operand(1).get(0, o), Double.MAX_VALUE);
            int topK = in.operand(2).integer(o);
            if (topK < 0) {
                throw in.invalidData(2, Integer.toString(o), topK, "top-k is 0 for no limit, or positive");
            }
            double topP = checked(in, 3, o, in.operand(3).get(0, o), 1);
            long seed = in.operand(4).longInteger(o);
            int counter = in.operand(5).integer(o);
            tokens[o] = sample(logits.row(o), temperature, topK, topP, seed, counter);
        }
        for (int o = 0; o < rows; o++) {
            in.result(0).setInteger(o, tokens[o]);
        }
    }

    /**
     * Returns the token that SAMPLE-002 to SAMPLE-008 define.
     *
     * @param logits of one row
     * @param temperature finite and not negative, 0 for the largest logit
     * @param topK how many of the largest logits stay, 0 for all
     * @param topP the share of probability that stays, within 0..1
     * @param seed key of the random numbers
     * @param counter the draw's number under that key
     */
    public static int sample(double[] logits, double temperature, int topK, double topP, long seed, int counter) {
        int best = argmax(logits);
        if (temperature == 0 || !Double.isFinite(logits[best])) {
            return best; // SAMPLE-002, SAMPLE-008
        }
        double[] scaled = new double[logits.length];
        for (int i = 0; i < scaled.length; i++) {
            scaled[i] = (logits[i] - logits[best]) / temperature;
        }
        int chosen = best;
        double highest = Double.NEGATIVE_INFINITY;
        for (int candidate : candidates(scaled, topK, topP)) {
            // SAMPLE-003: scaled logit plus Gumbel noise; the largest wins, ties to the lower index.
            double noisy = scaled[candidate] + gumbel(seed, counter, candidate);
            if (noisy > highest || (noisy == highest && candidate < chosen)) {
                highest = noisy;
                chosen = candidate;
            }
        }
        return chosen;
    }

    /** SAMPLE-004, SAMPLE-005: the noise of one candidate, addressed by seed, counter and index. */
    static double gumbel(long seed, int counter, int candidate) {
        int word = Philox.block(candidate >>> 2, counter, 0, 0, seed)[candidate & 3];
        return -StrictMath.log(-StrictMath.log(Philox.unit(word)));
    }

    /** SAMPLE-006, SAMPLE-007: the candidates that top-k and then top-p leave. */
    private static List<Integer> candidates(double[] scaled, int topK, double topP) {
        List<Integer> ranked = new ArrayList<>();
        for (int i = 0; i < scaled.length; i++) {
            if (!Double.isNaN(scaled[i])) {
                ranked.add(i);
            }
        }
        boolean limitK = topK > 0 && topK < ranked.size();
        if (!limitK && topP == 1) {
            return ranked;
        }
        ranked.sort(Comparator.comparingDouble((Integer i) -> -scaled[i]).thenComparingInt(i -> i));
        if (limitK) {
            ranked = ranked.subList(0, topK);
        }
        if (topP == 1) {
            return ranked;
        }
        double total = 0;
        for (int i : ranked) {
            total += StrictMath.exp(scaled[i]);
        }
        double better = 0;
        int left = 0;
        for (int i : ranked) {
            if (left > 0 && better >= topP * total) {
                break;
            }
            better += StrictMath.exp(scaled[i]);
            left++;
        }
        return ranked.subList(0, left);
    }

    private static double checked(Invocation in, int operand, int row, double value, double most) {
        if (!(value >= 0 && value <= most)) {
            throw in.invalidData(
                    operand,
                    Integer.toString(row),
                    value,
                    most == 1 ? "top-p is within 0..1, 1 for no limit" : "a temperature is finite and not negative");
        }
        return value;
    }
}
