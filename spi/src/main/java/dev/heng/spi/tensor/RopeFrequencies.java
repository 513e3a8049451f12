package dev.heng.spi.tensor;

import java.util.Arrays;

/**
 * Inverse frequencies of a rotary position embedding, computed on the host in double.
 *
 * <p>Pair i of position p is rotated by the angle {@code p * inverse[i]}, and both results are multiplied with the factor.
 *
 * @since 1.0
 */
public final class RopeFrequencies {

    private final double[] inverse;
    private final double attentionFactor;

    /**
     * Makes frequencies.
     *
     * @param inverse one inverse frequency for each rotated pair, in radians per position; copied
     * @param attentionFactor what cosine and sine are multiplied with: 1 unless YaRN's two mscale values differ
     */
    public RopeFrequencies(double[] inverse, double attentionFactor) {
        if (inverse.length == 0) {
            throw new IllegalArgumentException("a rotary embedding without a rotated pair");
        }
        for (double frequency : inverse) {
            if (!Double.isFinite(frequency) || frequency < 0) {
                throw new IllegalArgumentException("inverse frequency " + frequency + " is not a finite angle");
            }
        }
        if (!Double.isFinite(attentionFactor) || attentionFactor <= 0) {
            throw new IllegalArgumentException("attention factor " + attentionFactor + " is not positive");
        }
        this.inverse = inverse.clone();
        this.attentionFactor = attentionFactor;
    }

    /** Returns the number of rotated pairs, half the rotary dimensions. */
    public int pairs() {
        return inverse.length;
    }

    /** Returns the inverse frequency of one pair, in radians per position. */
    public double inverse(int pair) {
        return inverse[pair];
    }

    /** Returns what cosine and sine are multiplied with. */
    public double attentionFactor() {
        return attentionFactor;
    }

    @Override
    public boolean equals(Object other) {
        return other instanceof RopeFrequencies that
                && Arrays.equals(inverse, that.inverse)
                && attentionFactor == that.attentionFactor;
    }

    @Override
    public int hashCode() {
        return Arrays.hashCode(inverse) * 31 + Double.hashCode(attentionFactor);
    }

    @Override
    public String toString() {
        return pairs() + " pairs, 1.." + inverse[inverse.length - 1]
                + (attentionFactor == 1 ? "" : ", x" + attentionFactor);
    }
}
