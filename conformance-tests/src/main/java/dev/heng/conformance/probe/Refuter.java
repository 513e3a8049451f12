package dev.heng.conformance.probe;

import dev.heng.conformance.random.RandomStream;
import dev.heng.spi.NumericsProfile.Accumulation;
import dev.heng.spi.NumericsProfile.Rounding;
import java.util.ArrayList;
import java.util.List;

/**
 * Tries to refute a declared accumulation, whatever the order in which a device adds. {@link UnitProbe} reveals a unit's structure and
 * gives up on orders that fit none it knows; the questions here have few terms that are not zero, so that every order of a unit that
 * keeps its promise answers the same, and a wrong answer is proof.
 *
 * <p>Each question is asked at many places along K, since a short sum may pass by the accumulator that a long one goes through: every
 * column of a product asks at places of its own, where the other columns have zeros, and every row asks the same.
 */
public final class Refuter {

    /** Columns of every product, each of which asks elsewhere along K. */
    public static final int COLUMNS = 64;

    /** Terms of a question that are not zero, at most. */
    private static final int TERMS = 3;

    private static final int LONGEST = 48;

    private final MatrixProduct product;
    private final Questions questions;
    private final int rows;
    private final int k;
    private final RandomStream places;

    private Refuter(MatrixProduct product, int rows, int k, RandomStream places) {
        this.product = product;
        this.questions = new Questions(product, rows);
        this.rows = rows;
        this.k = k;
        this.places = places;
    }

    /**
     * What was found.
     *
     * @param keptBits bits that sums kept at every place asked, at most 48
     * @param activationBits bits of the left operand that reached the sum, at most what its format has and sums keep
     * @param weightBits bits of the right one
     * @param refutations one sentence for each promise that was broken; copied
     */
    public record Found(int keptBits, int activationBits, int weightBits, List<String> refutations) {
        public Found {
            refutations = List.copyOf(refutations);
        }
    }

    /**
     * Asks.
     *
     * @param product the device
     * @param declared what it declares
     * @param rows rows of every product asked for, positive: devices choose their kernels by it; it has {@link #COLUMNS} columns
     * @param k the length of every sum, at least three times {@link #COLUMNS}
     * @param places where the terms' places are drawn from
     */
    public static Found refute(MatrixProduct product, Accumulation declared, int rows, int k, RandomStream places) {
        if (k < TERMS * COLUMNS) {
            throw new IllegalArgumentException(
                    "sums of " + k + " products have no room for the terms of " + COLUMNS + " questions");
        }
        return new Refuter(product, rows, k, places).refute(declared);
    }

    private Found refute(Accumulation declared) {
        List<String> refutations = new ArrayList<>();
        int kept = keptBits();
        int promised = Math.min(declared.sumBits(), declared.blockLength() == 1 ? LONGEST : declared.alignBits());
        int reach = reach();
        if (kept < Math.min(promised, reach)) {
            refutations.add("sums keep " + kept + " bits, declared " + promised);
        }
        int promisedOfActivations =
                Math.min(declared.activationBits(), product.inputFormat().significandBits());
        int promisedOfWeights =
                Math.min(declared.weightBits(), product.weights().significandBits());
        int activation = operandBits(true, Math.min(product.inputFormat().significandBits(), kept));
        int weight = operandBits(false, Math.min(product.weights().significandBits(), kept));
        if (activation < Math.min(promisedOfActivations, kept)) {
            refutations.add("activations are cut to " + activation + " bits, declared " + promisedOfActivations);
        }
        if (weight < Math.min(promisedOfWeights, kept)) {
            refutations.add("weights are cut to " + weight + " bits, declared " + promisedOfWeights);
        }
        if (declared.sumRounding() == Rounding.NEAREST_EVEN
                && (declared.blockLength() == 1 || declared.alignRounding() == Rounding.NEAREST_EVEN)
                && truncates(declared.sumBits())) {
            refutations.add("sums are truncated, declared rounded to nearest");
        }
        if (declared.sumBits() > 11 && overflowsAsHalf()) {
            refutations.add("running sums overflow beyond float16's 65504, not declared");
        }
        return new Found(kept, activation, weight, refutations);
    }

    /** Places the terms of a question. */
    @FunctionalInterface
    private interface Terms {
        void put(Questions.Question question, int first, int second, int third);
    }

    /** Returns the answers to one question at many places, of every row. */
    private double[] ask(Terms terms) {
        int[] order = places.permutation(k);
        double[] a = new double[rows * k];
        double[] b = new double[COLUMNS * k];
        for (int column = 0; column < COLUMNS; column++) {
            Questions.Question question = questions.question(k);
            int first = TERMS * column;
            terms.put(question, order[first], order[first + 1], order[first + 2]);
            System.arraycopy(question.b, 0, b, column * k, k);
            for (int term = first; term < first + TERMS; term++) {
                for (int row = 0; row < rows; row++) {
                    a[row * k + order[term]] = question.a[order[term]];
                }
            }
        }
        return product.multiply(a, b, rows, COLUMNS, k);
    }

    /** The exponent of the large term: such that terms far below it are products of the format's numbers. */
    private int base() {
        return Math.min(questions.maxExponent() - 3, 13);
    }

    /** Returns how many bits a term may lie below the large one and still be a product. */
    private int reach() {
        return Math.min(LONGEST, base() - questions.minExponent());
    }

    /** Returns the bits kept at every place: one more than the largest q for which 1 + 2^-q - 1 gives 2^-q everywhere. */
    private int keptBits() {
        int bits = 1;
        for (int q = 1; q < reach(); q++) {
            double large = Math.scalb(1.0, base());
            double small = Math.scalb(1.0, base() - q);
            double[] answers = ask((question, first, second, third) -> {
                questions.put(question, first, large);
                questions.put(question, second, small);
                questions.put(question, third, -large);
            });
            for (double answer : answers) {
                if (answer != small) {
                    return bits;
                }
            }
            bits = q + 1;
        }
        return bits;
    }

    /** Returns the bits of an operand that reach the sum: (1 + 2^-q) * 1 - 1 gives 2^-q up to them. */
    private int operandBits(boolean left, int most) {
        int bits = 1;
        for (int q = 1; q < most; q++) {
            double operand = 1 + Math.scalb(1.0, -q);
            double[] answers = ask((question, first, second, _) -> {
                question.product(first, left ? operand : 1, left ? 1 : operand);
                question.product(second, -1, 1);
            });
            for (double answer : answers) {
                if (answer != Math.scalb(1.0, -q)) {
                    return bits;
                }
            }
            bits = q + 1;
        }
        return bits;
    }

    /** Returns whether 1 and three quarters of a place lose all three quarters: to nearest they gain a quarter. */
    private boolean truncates(int sumBits) {
        if (sumBits + 2 > reach()) {
            return false;
        }
        double large = Math.scalb(1.0, base());
        double rest = 1.5 * Math.scalb(1.0, base() - sumBits);
        double[] answers = ask((question, first, second, third) -> {
            questions.put(question, first, large);
            questions.put(question, second, rest);
            questions.put(question, third, -large);
        });
        for (double answer : answers) {
            if (answer == 0) {
                return true;
            }
        }
        return false;
    }

    private boolean overflowsAsHalf() {
        double[] answers = ask((question, first, second, third) -> {
            questions.put(question, first, 0x1p15);
            questions.put(question, second, 0x1p15);
            questions.put(question, third, -0x1p15);
        });
        for (double answer : answers) {
            if (answer != 0x1p15) {
                return true;
            }
        }
        return false;
    }
}
