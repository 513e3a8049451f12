package dev.heng.conformance.bound;

import dev.heng.conformance.accumulate.AccumulationProfile;
import dev.heng.conformance.format.FloatFormat;

/**
 * The bound of every element of a matrix product: F6 for signed, exchangeable data, F8 for any.
 *
 * <p>Immutable and thread-safe.
 */
public final class ProductBound implements ErrorBound {

    /** Standard deviations that F6 allows: at sigma's own threefold slack in variance, 8 stand for nearly 14 true ones. */
    static final double LAMBDA = 8;

    /** Rounding acts on the value with its error: second-order slack of F6. */
    static final double SECOND_ORDER = 1.01;

    private final ProductMoments moments;
    private final AccumulationError model;
    private final FloatFormat output;
    private final boolean exchangeable;

    /**
     * Creates the bound.
     *
     * @param moments the product and its moments, from exactly the inputs that the device multiplies
     * @param profile the profile of the unit under test, as measured or as declared and not refuted
     * @param output the format of the result
     * @param exchangeable whether data are signed and K positions exchangeable, see {@code MatrixFill.isSignedIndependent()}; if
     *     not, the worst case F8 applies
     */
    public ProductBound(ProductMoments moments, AccumulationProfile profile, FloatFormat output, boolean exchangeable) {
        this.moments = moments;
        this.model = new AccumulationError(profile, moments.k());
        this.output = output;
        this.exchangeable = exchangeable;
    }

    /** Returns the moments that the bound is computed from. */
    public ProductMoments moments() {
        return moments;
    }

    /** Returns the model that the bound is computed from. */
    public AccumulationError model() {
        return model;
    }

    /** Returns the format of the result. */
    public FloatFormat output() {
        return output;
    }

    /** Returns whether data are signed and exchangeable, so that F6 and F7 apply. */
    public boolean isExchangeable() {
        return exchangeable;
    }

    @Override
    public int size() {
        return moments.size();
    }

    @Override
    public Formula formula() {
        return exchangeable ? Formula.F6 : Formula.F8;
    }

    @Override
    public double lowest(int index) {
        return moments.exact()[index] < 0 ? -away(index) : -toward(index);
    }

    @Override
    public double highest(int index) {
        return moments.exact()[index] < 0 ? toward(index) : away(index);
    }

    private double toward(int index) {
        return tolerance(index) + (exchangeable ? driftTowardZero(index) : 0);
    }

    private double away(int index) {
        return tolerance(index) + (exchangeable ? driftAwayFromZero(index) : 0);
    }

    /** Returns d- of F6 for element {@code index}. */
    public double driftTowardZero(int index) {
        return model.driftTowardZero(
                moments.exact()[index], moments.magnitudes()[index], moments.squares()[index], moments.signs()[index]);
    }

    /** Returns d+ of F6 for element {@code index}. */
    public double driftAwayFromZero(int index) {
        return model.driftAwayFromZero(
                moments.exact()[index], moments.magnitudes()[index], moments.squares()[index], moments.signs()[index]);
    }

    /** Returns sigma^2 of element {@code index}: the accumulator's share, without the output's rounding. */
    public double variance(int index) {
        return model.variance(
                moments.exact()[index], moments.magnitudes()[index], moments.squares()[index], moments.signs()[index]);
    }

    /** Returns the variance that elements share through their common order, see {@link AccumulationError#pathVariance}. */
    public double sharedVariance(int index) {
        return model.pathVariance(
                moments.exact()[index], moments.magnitudes()[index], moments.squares()[index], moments.signs()[index]);
    }

    private double tolerance(int index) {
        double exact = moments.exact()[index];
        double magnitudes = moments.magnitudes()[index];
        // The last place of the output's subnormals, and one lost float32 subnormal for each product.
        double floor = output.minSubnormal() / 2 + moments.k() * 0x1p-149;
        // The reference itself: K roundings of double.
        double reference = moments.k() * 0x1p-53 * magnitudes;
        double rounding = SECOND_ORDER * output.unitRoundoff() * Math.abs(exact) + floor + reference;
        return rounding + (exchangeable ? LAMBDA * Math.sqrt(variance(index)) : model.worstCase(magnitudes));
    }
}
