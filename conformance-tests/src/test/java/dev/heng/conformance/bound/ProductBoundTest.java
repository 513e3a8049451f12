package dev.heng.conformance.bound;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.heng.conformance.accumulate.AccumulationProfile;
import dev.heng.conformance.fill.MatrixFill;
import dev.heng.conformance.fill.Operand;
import dev.heng.conformance.format.FloatFormat;
import dev.heng.conformance.format.Rounding;
import dev.heng.conformance.random.RandomStream;
import org.junit.jupiter.api.Test;

final class ProductBoundTest {

    private static final double U = 0x1p-24;

    @Test
    void momentsAreTheSumsTheyAreNamedAfter() {
        ProductMoments moments = ProductMoments.of(new double[] {1, -2, 3, 0, 5, 6}, new double[] {4, 5, -6}, 2, 1, 3);
        assertEquals(-24, moments.exact()[0]);
        assertEquals(32, moments.magnitudes()[0]);
        assertEquals(16 + 100 + 324, moments.squares()[0]);
        assertEquals(-1, moments.signs()[0]);
        assertEquals(-11, moments.exact()[1]);
        assertEquals(61, moments.magnitudes()[1]);
        assertEquals(0, moments.signs()[1]);
        assertEquals(2, moments.size());
        assertThrows(IllegalArgumentException.class, () -> ProductMoments.of(new double[1], new double[1], 1, 1, 2));
        assertThrows(IllegalArgumentException.class, () -> ProductMoments.of(new double[2], new double[1], 1, 1, 2));
    }

    private static ProductBound bound(AccumulationProfile profile, FloatFormat output, MatrixFill fill, int k) {
        double[] a = fill.fill(RandomStream.of("bound", 1, "a"), FloatFormat.BF16, Operand.ACTIVATIONS, 8, k)
                .values();
        double[] b = fill.fill(RandomStream.of("bound", 1, "b"), FloatFormat.BF16, Operand.WEIGHTS, 8, k)
                .values();
        return new ProductBound(ProductMoments.of(a, b, 8, 8, k), profile, output, fill.isSignedIndependent());
    }

    /** Returns the bound of one element of the given moments. */
    private static ProductBound one(
            AccumulationProfile profile,
            FloatFormat output,
            int k,
            double exact,
            double magnitudes,
            double squares,
            double signs) {
        ProductMoments moments = new ProductMoments(
                1, 1, k, new double[] {exact}, new double[] {magnitudes}, new double[] {squares}, new double[] {signs});
        return new ProductBound(moments, profile, output, true);
    }

    @Test
    void elementIntervalsAreTheToleranceAndTheDriftOnItsSide() {
        AccumulationProfile profile = AccumulationProfile.matrixUnit(16, 14, Rounding.TOWARD_ZERO);
        ProductBound bound = bound(profile, FloatFormat.BF16, MatrixFill.UNIFORM, 512);
        assertEquals(64, bound.size());
        assertEquals(Formula.F6, bound.formula());
        assertTrue(bound.isExchangeable());
        assertEquals(FloatFormat.BF16, bound.output());
        assertSame(profile, bound.model().profile());
        boolean positive = false;
        boolean negative = false;
        for (int index = 0; index < 64; index++) {
            double exact = bound.moments().exact()[index];
            double floor = FloatFormat.BF16.minSubnormal() / 2 + 512 * 0x1p-149;
            double tolerance = 1.01 * 0x1p-8 * Math.abs(exact)
                    + 8 * Math.sqrt(bound.variance(index))
                    + 512 * 0x1p-53 * bound.moments().magnitudes()[index]
                    + floor;
            double toward = tolerance + bound.driftTowardZero(index);
            double away = tolerance + bound.driftAwayFromZero(index);
            assertEquals(exact < 0 ? -away : -toward, bound.lowest(index), tolerance * 1e-12);
            assertEquals(exact < 0 ? toward : away, bound.highest(index), tolerance * 1e-12);
            assertTrue(bound.driftTowardZero(index) > 0);
            assertTrue(bound.sharedVariance(index) > 0 && bound.sharedVariance(index) < bound.variance(index));
            positive |= exact > 0;
            negative |= exact < 0;
        }
        assertTrue(positive && negative);
    }

    @Test
    void driftLiesOnTheSideThatMostTermsLoseTo() {
        AccumulationProfile cut = AccumulationProfile.matrixUnit(16, 14, Rounding.TOWARD_ZERO);
        // A positive sum of mostly negative terms: their truncation lifts it.
        ProductBound lifted = one(cut, FloatFormat.F32, 64, 3, 40, 64, -8);
        assertTrue(lifted.driftAwayFromZero(0) > 0);
        assertEquals(
                lifted.driftAwayFromZero(0) - lifted.driftTowardZero(0), lifted.highest(0) + lifted.lowest(0), 1e-9);
        // A sum of zero has no side of its own.
        ProductBound up = one(cut, FloatFormat.F32, 64, 0, 40, 64, -8);
        ProductBound down = one(cut, FloatFormat.F32, 64, 0, 40, 64, 8);
        double drift = up.driftAwayFromZero(0);
        assertTrue(drift > 0);
        assertEquals(0, up.driftTowardZero(0));
        assertEquals(drift, down.driftTowardZero(0));
        assertEquals(0, down.driftAwayFromZero(0));
        assertEquals(drift, up.highest(0) + up.lowest(0), drift * 1e-9);
        assertEquals(-drift, down.highest(0) + down.lowest(0), drift * 1e-9);
    }

    @Test
    void smallestStepsAndTheReferencesOwnErrorAreAllowed() {
        // Nothing but subnormals: half of the output's smallest, one of float32's for each product.
        ProductBound nothing = one(AccumulationProfile.FLOAT32_FMA, FloatFormat.F16, 6, 0, 0, 0, 0);
        assertEquals(0x1p-25 + 6 * 0x1p-149, nothing.highest(0));
        assertEquals(-nothing.highest(0), nothing.lowest(0));
        ProductBound tiny = one(AccumulationProfile.FLOAT32_FMA, FloatFormat.F32, 6, 0, 0, 0, 0);
        assertEquals(0x1p-150 + 6 * 0x1p-149, tiny.highest(0));
        // K roundings of double beside magnitudes that cancel.
        ProductBound cancelling = one(AccumulationProfile.FLOAT32_FMA, FloatFormat.F32, 6, 0, 0x1p53, 0, 0);
        assertEquals(6, cancelling.highest(0));
        ProductBound output = one(AccumulationProfile.FLOAT64, FloatFormat.BF16, 1, -3, 0, 0, 0);
        assertEquals(3 * 1.01 * 0x1p-8, output.highest(0), 1e-12);
    }

    @Test
    void dataThatAreNotExchangeableGetTheWorstCase() {
        AccumulationProfile profile = AccumulationProfile.matrixUnit(16, 14, Rounding.TOWARD_ZERO);
        ProductBound worst = bound(profile, FloatFormat.F32, MatrixFill.POSITIVE, 512);
        assertEquals(Formula.F8, worst.formula());
        assertFalse(worst.isExchangeable());
        double magnitudes = worst.moments().magnitudes()[3];
        double expected = 1.01 * U * worst.moments().exact()[3]
                + worst.model().worstCase(magnitudes)
                + 512 * 0x1p-53 * magnitudes;
        assertEquals(expected, worst.highest(3), expected * 1e-12);
        assertEquals(-expected, worst.lowest(3), expected * 1e-12);
    }
}
