package dev.heng.runtime.config;

import dev.heng.spi.tensor.RopeFrequencies;
import org.jspecify.annotations.Nullable;

/**
 * The rotary position embedding of a model.
 *
 * @param theta the base
 * @param dims rotated dimensions of a head, even
 * @param interleaved whether elements 2i and 2i+1 form a pair; else elements i and i + dims/2 do
 * @param scaling how positions beyond the trained context are reached
 */
public record RopeConfig(double theta, int dims, boolean interleaved, Scaling scaling) {

    /** How positions beyond the trained context are reached. */
    public sealed interface Scaling {}

    /** Not at all. */
    public record Unscaled() implements Scaling {}

    /**
     * Every frequency divided by a factor.
     *
     * @param factor at least 1
     */
    public record Linear(double factor) implements Scaling {}

    /**
     * YaRN: high frequencies stay, low ones are divided by a factor, with a ramp between. Source: arXiv 2309.00071; DeepSeek-V3
     * inference/model.py, precompute_freqs_cis.
     *
     * @param factor at least 1
     * @param originalMaxPositions the context that the model was trained on before, in positions
     * @param betaFast rotations over that context above which a frequency stays
     * @param betaSlow rotations below which it is divided
     * @param mscale with {@code mscaleAllDim}, what cosine and sine are scaled by; null if not given
     * @param mscaleAllDim what the softmax scale of latent attention is scaled by, squared; null if not given
     * @param attentionFactor what cosine and sine are multiplied with where the config says it outright, else null
     * @param truncate whether the ends of the ramp are rounded to whole dimensions
     */
    public record Yarn(
            double factor,
            int originalMaxPositions,
            double betaFast,
            double betaSlow,
            @Nullable Double mscale,
            @Nullable Double mscaleAllDim,
            @Nullable Double attentionFactor,
            boolean truncate)
            implements Scaling {

        public Yarn {
            if (betaFast < betaSlow) {
                throw new IllegalArgumentException("YaRN's beta_fast " + betaFast + " is below beta_slow " + betaSlow);
            }
            // The published codes disagree on what one without the other means.
            if ((mscale == null) != (mscaleAllDim == null)) {
                throw new IllegalArgumentException("YaRN has only one of mscale and mscale_all_dim");
            }
        }
    }

    public RopeConfig {
        if (dims <= 0 || dims % 2 != 0) {
            throw new IllegalArgumentException(dims + " rotated dimensions are not an even positive number");
        }
        if (!(theta > 1) || !Double.isFinite(theta)) {
            throw new IllegalArgumentException("rope_theta " + theta + " is not a finite number above 1");
        }
    }

    /** Returns one inverse frequency for each of {@code dims / 2} pairs, in double, and the factor of cosine and sine. */
    public RopeFrequencies frequencies() {
        double[] inverse = new double[dims / 2];
        for (int pair = 0; pair < inverse.length; pair++) {
            double plain = Math.pow(theta, -2.0 * pair / dims);
            inverse[pair] = switch (scaling) {
                case Unscaled _ -> plain;
                case Linear linear -> plain / linear.factor();
                case Yarn yarn -> {
                    double ramp = ramp(yarn, pair);
                    yield plain / yarn.factor() * ramp + plain * (1 - ramp);
                }
            };
        }
        return new RopeFrequencies(inverse, attentionFactor());
    }

    /**
     * Returns what the softmax scale of latent attention is multiplied with: YaRN's mscale for all dimensions, squared, else 1. Grouped-query
     * families do not apply it.
     */
    public double softmaxFactor() {
        return switch (scaling) {
            case Unscaled _, Linear _ -> 1;
            case Yarn yarn -> {
                double mscale = yarn.mscaleAllDim() == null ? 1 : mscale(yarn.factor(), yarn.mscaleAllDim());
                yield mscale * mscale;
            }
        };
    }

    private double attentionFactor() {
        return switch (scaling) {
            case Unscaled _, Linear _ -> 1;
            case Yarn yarn -> {
                if (yarn.attentionFactor() != null) {
                    yield yarn.attentionFactor();
                }
                if (yarn.mscale() != null && yarn.mscaleAllDim() != null) {
                    yield mscale(yarn.factor(), yarn.mscale()) / mscale(yarn.factor(), yarn.mscaleAllDim());
                }
                yield mscale(yarn.factor(), 1);
            }
        };
    }

    /** Returns how far pair {@code pair} is interpolated: 0 for a frequency that stays, 1 for one that is divided. */
    private double ramp(Yarn yarn, int pair) {
        double low = correctionDim(yarn, yarn.betaFast());
        double high = correctionDim(yarn, yarn.betaSlow());
        if (yarn.truncate()) {
            low = Math.floor(low);
            high = Math.ceil(high);
        }
        low = Math.max(low, 0);
        // Not dims / 2 - 1: the published code clamps to the whole rotary width.
        high = Math.min(high, dims - 1);
        if (low == high) {
            high += 0.001;
        }
        return Math.clamp((pair - low) / (high - low), 0.0, 1.0);
    }

    /** Returns the pair whose frequency makes {@code rotations} turns over the original context. */
    private double correctionDim(Yarn yarn, double rotations) {
        return dims * Math.log(yarn.originalMaxPositions() / (rotations * 2 * Math.PI)) / (2 * Math.log(theta));
    }

    private static double mscale(double factor, double weight) {
        return factor <= 1 ? 1 : 0.1 * weight * Math.log(factor) + 1;
    }
}
