package dev.heng.conformance.chain;

import dev.heng.conformance.bound.AccumulationError;
import dev.heng.conformance.bound.MatrixUnits;
import dev.heng.spi.NumericsProfile;
import dev.heng.spi.NumericsProfile.Accumulation;
import dev.heng.spi.NumericsProfile.Product;
import dev.heng.spi.NumericsProfile.ScalarFunction;
import dev.heng.spi.tensor.DType;

/** What both kinds of attention share: the products' error model, and softmax with its own errors. The softmax is computed, not linearised. */
final class Softmax {

    private static final double FLOAT_ROUNDOFF = 0x1p-24;

    private final double exponential;
    private final double probability;
    private final Accumulation declared;
    private final double cut;

    /** Takes what the profile says of attention, and of latent attention on a cache of {@code type} if that is declared apart. */
    Softmax(NumericsProfile profile, boolean latent, DType type) {
        Product product = MatrixUnits.attention(profile, latent, type);
        this.declared = MatrixUnits.declared(profile, product);
        this.exponential = MatrixUnits.scalar(profile, ScalarFunction.EXP);
        this.probability = Math.scalb(1.0, -MatrixUnits.probabilityBits(profile, product));
        this.cut = MatrixUnits.cut(24, declared.activationBits());
    }

    /** Returns the error model of a sum of {@code length} products. */
    AccumulationError error(int length) {
        return new AccumulationError(MatrixUnits.unit(declared), length);
    }

    /** Returns the variance that one cut factor adds to a sum whose squared products add up to {@code squares}. */
    double cutVariance(double squares) {
        return cut * cut * squares;
    }

    /** Returns the deviation of a scaled score whose sum has {@code variance}: the scale and the largest score are taken in F32. */
    static double scoreDeviation(double scale, double variance, double score) {
        return Math.abs(scale) * Math.sqrt(variance) + 4 * FLOAT_ROUNDOFF * Math.abs(score);
    }

    /** Returns the deviation of a weighted value whose sum has {@code variance}: the division by the sum of exponentials. */
    static double valueDeviation(double variance, double value) {
        return Math.sqrt(variance) + 5 * FLOAT_ROUNDOFF * Math.abs(value);
    }

    /** Returns softmax of {@code scores}, each exponential and each probability off by what the profile says times a normal number. */
    double[] probabilities(double[] scores, Arithmetic arithmetic) {
        double largest = Double.NEGATIVE_INFINITY;
        for (double score : scores) {
            largest = Math.max(largest, score);
        }
        double[] p = new double[scores.length];
        double total = 0;
        for (int slot = 0; slot < p.length; slot++) {
            p[slot] = StrictMath.exp(scores[slot] - largest) * (1 + exponential * arithmetic.normal());
            total += p[slot];
        }
        for (int slot = 0; slot < p.length; slot++) {
            p[slot] = p[slot] / total * (1 + probability * arithmetic.normal());
        }
        return p;
    }
}
