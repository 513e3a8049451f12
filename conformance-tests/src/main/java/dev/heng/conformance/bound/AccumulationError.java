package dev.heng.conformance.bound;

import dev.heng.conformance.accumulate.AccumulationProfile;
import dev.heng.conformance.format.Rounding;
import dev.heng.conformance.format.Significand;

/**
 * What a matrix unit of a given profile may do to a sum of K products: a random part and a one-sided drift.
 *
 * <p>Derivation, in brief (docs/numerics.md has it whole). Products are drawn independently, so any fixed order is a random order;
 * given the final value c, the running sum after the fraction t of its terms has mean t*c and variance t(1-t)*S2. Summing its
 * square over the n rounding steps of each of Q promoted segments gives R (F3). Each rounding of a running sum s errs by at most
 * u|s| to nearest and loses between 0 and 2u|s| by truncation; both have a variance of at most u^2 s^2 / 3, for which u^2 s^2 is
 * taken. Each of L products and the running sum itself, when aligned in a block to the largest magnitude m, errs likewise with
 * u_b m, where E[m^2] summed over all steps is at most R + S2. Truncation's mean loss, u|s| at most, adds up in one direction: it
 * is the drift of F4 and F5, which is never folded into sigma. Rounding to nearest drifts too where terms become small against
 * the last place of what they are added to, since they vanish; the factor g of F4 and F5 grows to one as they do.
 *
 * <p>The model holds for signed data whose K positions are exchangeable. It is an upper model: a unit that errs less is legal.
 *
 * <p>Immutable and thread-safe. All methods take the moments of one element, see {@link ProductMoments}.
 */
public final class AccumulationError {

    private final AccumulationProfile profile;
    private final int length;
    /** Blocks, hence roundings of the running sum, in one promoted segment. */
    private final double steps;
    /** Promoted segments. */
    private final double segments;

    private final double sumRoundoff;
    private final double alignRoundoff;
    private final double outerRoundoff;

    /**
     * Creates the model.
     *
     * @param profile the unit's profile
     * @param k the number of products in one sum, not negative
     */
    public AccumulationError(AccumulationProfile profile, int k) {
        if (k < 0) {
            throw new IllegalArgumentException("a sum of " + k + " products does not exist");
        }
        this.profile = profile;
        this.length = k;
        int interval = profile.promotionInterval() == AccumulationProfile.NEVER
                ? Math.max(1, k)
                : Math.clamp(k, 1, profile.promotionInterval());
        this.segments = Math.max(1, Math.ceilDiv(k, interval));
        this.steps = Math.ceilDiv(interval, profile.blockLength());
        this.sumRoundoff = Significand.unitRoundoff(profile.sumBits());
        this.alignRoundoff =
                profile.alignBits() == AccumulationProfile.EXACT ? 0 : Significand.unitRoundoff(profile.alignBits());
        this.outerRoundoff = Significand.unitRoundoff(Math.max(AccumulationProfile.FLOAT_BITS, profile.sumBits()));
    }

    /** Returns the profile that the model follows. */
    public AccumulationProfile profile() {
        return profile;
    }

    /** Returns the formula of the standard deviation: F2 for scalar units, F3 for blocks. */
    public Formula formula() {
        return profile.isScalar() ? Formula.F2 : Formula.F3;
    }

    /** Returns R of F3: the expected sum of squares of the running sum over all roundings. */
    private double runningSquares(double exact, double squares) {
        double segmentSquares = exact * exact / segments + squares * (1 - 1 / segments);
        return squaredSteps(steps) * segmentSquares + bridgeSteps(steps) * squares;
    }

    /** Returns the sum over j = 1..n of (j/n)^2. */
    private static double squaredSteps(double n) {
        return (n + 1) * (2 * n + 1) / (6 * n);
    }

    /** Returns the sum over j = 1..n of (j/n)(1 - j/n). */
    private static double bridgeSteps(double n) {
        return (n * n - 1) / (6 * n);
    }

    /**
     * Returns sigma^2, the variance that F2 or F3 allows for.
     *
     * @param exact c
     * @param magnitudes S1
     * @param squares S2
     * @param signs S0
     */
    public double variance(double exact, double magnitudes, double squares, double signs) {
        double running = runningSquares(exact, squares) + squares;
        double variance = sumRoundoff * sumRoundoff * running;
        if (profile.isScalar()) {
            variance += alignRoundoff * alignRoundoff * squares;
        } else {
            double direction = profile.alignRounding() == Rounding.TOWARD_ZERO ? 2 : 1;
            variance += direction * alignRoundoff * alignRoundoff * (profile.blockLength() + 1) * running;
        }
        if (segments > 1) {
            double promoted = squaredSteps(segments) * exact * exact + bridgeSteps(segments) * squares + squares;
            variance += outerRoundoff * outerRoundoff * promoted;
        }
        return variance + pathVariance(exact, magnitudes, squares, signs);
    }

    /**
     * Returns B of F3, the part of {@link #variance} that comes from drift differing with the path of the running sum. It is the
     * one part that elements of a row or column share, since they share their order (F7's r).
     */
    public double pathVariance(double exact, double magnitudes, double squares, double signs) {
        double path = 0;
        if (profile.sumRounding() == Rounding.TOWARD_ZERO) {
            // The area under a Brownian bridge of n steps has variance (n^2 - 1) / 12 times that of the whole walk.
            path += sumRoundoff * sumRoundoff * (steps * steps - 1) / 12 * squares;
        }
        double terms = termDrift(exact, magnitudes, squares, signs);
        double spread = squares + exact * exact;
        return path + (spread > 0 ? terms * terms * (squares / spread) : 0);
    }

    /** Returns d- of F6: the largest mean error toward zero that the model allows, not negative. */
    public double driftTowardZero(double exact, double magnitudes, double squares, double signs) {
        double terms = termDrift(exact, magnitudes, squares, signs);
        return sumDrift(exact, magnitudes, squares) + (termsLeanTowardZero(exact, signs) ? terms : 0);
    }

    /** Returns d+ of F6: the largest mean error away from zero that the model allows, not negative. */
    public double driftAwayFromZero(double exact, double magnitudes, double squares, double signs) {
        return termsLeanTowardZero(exact, signs) ? 0 : termDrift(exact, magnitudes, squares, signs);
    }

    /** Returns whether most terms have the sign of c, so that what truncation takes from them takes from c; toward zero is down at 0. */
    private static boolean termsLeanTowardZero(double exact, double signs) {
        return (exact < 0) == (signs < 0);
    }

    /** F4. */
    private double sumDrift(double exact, double magnitudes, double squares) {
        double typical = Math.sqrt(runningSquares(exact, squares) / (steps * segments));
        double increment = Math.sqrt(profile.blockLength()) * magnitudes / Math.max(1, length);
        double share = vanishing(profile.sumRounding(), sumRoundoff * typical, increment);
        return share * sumRoundoff * Math.abs(exact) * (steps + 1) / 2;
    }

    /** F5, as a magnitude. */
    private double termDrift(double exact, double magnitudes, double squares, double signs) {
        if (profile.isScalar()) {
            // Each product is cut by itself, in proportion to itself.
            return profile.alignRounding() == Rounding.TOWARD_ZERO ? alignRoundoff * Math.abs(exact) : 0;
        }
        double largest = Math.sqrt((runningSquares(exact, squares) + squares) / (steps * segments));
        double share = vanishing(profile.alignRounding(), alignRoundoff * largest, magnitudes / Math.max(1, length));
        return share * alignRoundoff * Math.abs(signs) * largest;
    }

    /**
     * Returns g of F4 and F5: the share of truncation's mean loss that a rounding commits.
     *
     * @param halfPlace half the last place of what is added to
     * @param term the typical magnitude of what is added
     */
    private static double vanishing(Rounding rounding, double halfPlace, double term) {
        return switch (rounding) {
            case TOWARD_ZERO -> 1;
            case NEAREST_EVEN -> term > 0 ? Math.min(1, 2 * halfPlace / term) : 0;
        };
    }

    /**
     * Returns the largest error over all data and orders, F8 without its output rounding: what a sum of products of magnitudes
     * {@code magnitudes} in total can be off by when nothing is known about signs and order.
     */
    public double worstCase(double magnitudes) {
        double perSum = 2 * sumRoundoff * (steps + segments);
        double perTerm =
                profile.isScalar() ? 2 * alignRoundoff : 2 * alignRoundoff * (profile.blockLength() + 1) * steps;
        double outer = segments > 1 ? 2 * outerRoundoff * segments : 0;
        double first = perSum + perTerm + outer;
        // (1 + first)^2 - 1 over first, written as a factor: second-order terms of the roundings compound at most so.
        return first * magnitudes * (1 + first);
    }
}
