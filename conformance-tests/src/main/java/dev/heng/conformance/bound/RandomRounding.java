package dev.heng.conformance.bound;

import dev.heng.conformance.format.FloatFormat;
import dev.heng.conformance.random.RandomStream;

/**
 * Rounds as one member of an ensemble: the accumulator's error drawn from its model, the output rounded up or down at random with
 * probabilities that leave the mean where it was.
 *
 * <p>Not thread-safe, as its stream is not.
 */
public final class RandomRounding {

    private final RandomStream stream;
    /** The share of the model's largest drift that this member's unit has: one draw for all, since drift is a unit's habit. */
    private final double driftShare;

    /** Creates the rounding of one ensemble member, drawing from {@code stream}. */
    public RandomRounding(RandomStream stream) {
        this.stream = stream;
        this.driftShare = stream.uniform();
    }

    /**
     * Returns {@code value} with random rounding to {@code format}.
     *
     * @param value an op's exact result
     * @param sigma the standard deviation of the accumulator's error
     * @param drift the largest mean error toward zero
     * @param format the op's output format
     */
    public double round(double value, double sigma, double drift, FloatFormat format) {
        double accumulated = value + sigma * stream.normal() - Math.copySign(driftShare * drift, value);
        double below = format.round(accumulated, dev.heng.conformance.format.Rounding.TOWARD_ZERO);
        double rest = Math.abs(accumulated) - Math.abs(below);
        if (!(rest > 0)) {
            return below;
        }
        double place = format.ulp(accumulated);
        return stream.uniform() * place < rest ? format.round(below + Math.copySign(place, accumulated)) : below;
    }
}
