package dev.heng.conformance.suite;

import dev.heng.conformance.bound.AccumulationError;
import dev.heng.conformance.bound.MatrixUnits;
import dev.heng.spi.NumericsProfile;
import dev.heng.spi.NumericsProfile.Accumulation;
import dev.heng.spi.NumericsProfile.Product;
import java.util.Arrays;

/**
 * What a profile allows attention to do: the worst case of each stage, carried through softmax to first order (F8).
 */
final class AttentionBound {

    private AttentionBound() {}

    /** What a profile allows attention to do. */
    record Arithmetic(Accumulation declared, double cut, double exponential, double probability, HostTensor got) {

        static Arithmetic of(NumericsProfile profile, HostTensor got, boolean latent) {
            Product product = MatrixUnits.attention(profile, latent, got.dtype());
            Accumulation declared = MatrixUnits.declared(profile, product);
            double cut = MatrixUnits.cut(24, declared.activationBits());
            double exponential = MatrixUnits.scalar(profile, NumericsProfile.ScalarFunction.EXP);
            // Probabilities of F32 and wider count among the sum's own roundings.
            int bits = MatrixUnits.probabilityBits(profile, product);
            double probability = bits >= 24 ? 0x1p-24 : Math.scalb(1.0, -bits);
            return new Arithmetic(declared, cut, exponential, probability, got);
        }

        double worst(int length, double magnitudes) {
            return new AccumulationError(MatrixUnits.unit(declared), length).worstCase(magnitudes);
        }
    }

    /** Softmax and weighted sum of one head in one row: first-order propagation of every stage's worst case. */
    static final class Head {
        private final int slots;
        private final int width;
        final double[] score;
        final double[] scoreError;
        final double[] value;
        final double[] valueError;

        Head(int slots, int width) {
            this.slots = slots;
            this.width = width;
            this.score = new double[slots];
            this.scoreError = new double[slots];
            this.value = new double[slots * width];
            this.valueError = new double[slots * width];
        }

        void finish(Arithmetic arithmetic, double[] exact, double[] limits, int at) {
            double largest = Arrays.stream(score).max().orElse(0);
            double[] p = new double[slots];
            double total = 0;
            for (int slot = 0; slot < slots; slot++) {
                p[slot] = StrictMath.exp(score[slot] - largest);
                total += p[slot];
            }
            for (int v = 0; v < width; v++) {
                double sum = 0;
                for (int slot = 0; slot < slots; slot++) {
                    p[slot] = v == 0 ? p[slot] / total : p[slot];
                    sum += p[slot] * value[slot * width + v];
                }
                double limit = Checks.outputRounding(arithmetic.got(), sum);
                double magnitudes = 0;
                for (int slot = 0; slot < slots; slot++) {
                    double argument = scoreError[slot] + 4 * 0x1p-24 * (Math.abs(score[slot]) + Math.abs(largest));
                    double relative = Math.expm1(argument) + arithmetic.exponential() + arithmetic.probability();
                    limit += 1.05 * p[slot] * relative * Math.abs(value[slot * width + v] - sum);
                    limit += 1.05 * p[slot] * valueError[slot * width + v];
                    magnitudes += p[slot] * Math.abs(value[slot * width + v]);
                }
                limit += arithmetic.worst(slots, magnitudes) + arithmetic.worst(slots, Math.abs(sum));
                // The division, and probabilities too small for F32.
                limit += 4 * 0x1p-24 * Math.abs(sum) + slots * 0x1p-126;
                exact[at + v] = sum;
                limits[at + v] = limit;
            }
        }
    }
}
