package dev.heng.conformance.bound;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.heng.conformance.accumulate.AccumulationProfile;
import dev.heng.conformance.accumulate.MatrixUnit;
import dev.heng.conformance.accumulate.SummationOrder;
import dev.heng.conformance.format.Rounding;
import java.util.Arrays;
import org.junit.jupiter.api.Test;

/** The model of a unit's errors against values worked out by hand from F2 to F5 and F8, and against emulated units. */
final class AccumulationErrorTest {

    private static final double U = 0x1p-24;

    @Test
    void scalarUnitsHaveTheOrderFreeSigma() {
        // conformance.md 2.1: u * sqrt(K * (S2 / 6 + c^2 / 3) + 2 * S2), here with its sums over steps exact.
        int k = 7168;
        double exact = 30;
        double squares = 900;
        AccumulationError model = new AccumulationError(AccumulationProfile.FLOAT32_MULTIPLY_ADD, k);
        double expected = U * U * (k * (squares / 6 + exact * exact / 3) + 2 * squares);
        double slack = U * U * (exact * exact / 2 + exact * exact / (6.0 * k) - squares / (6.0 * k));
        assertEquals(expected + slack, model.variance(exact, 2000, squares, 10), expected * 1e-12);
        assertEquals(Formula.F2, model.formula());
        assertEquals(0, model.pathVariance(exact, 2000, squares, 10));
        AccumulationError fused = new AccumulationError(AccumulationProfile.FLOAT32_FMA, k);
        assertEquals(expected + slack - U * U * squares, fused.variance(exact, 2000, squares, 10), expected * 1e-12);
    }

    @Test
    void blocksHaveTheVarianceOfTheirFormula() {
        int k = 1024;
        double exact = -7;
        double magnitudes = 640;
        double squares = 1024;
        double signs = -20;
        AccumulationProfile profile = AccumulationProfile.matrixUnit(16, 14, Rounding.TOWARD_ZERO)
                .withRunningSum(12, Rounding.TOWARD_ZERO)
                .withPromotion(128);
        AccumulationError model = new AccumulationError(profile, k);
        double n = 8;
        double q = 8;
        double t2 = (n + 1) * (2 * n + 1) / (6 * n);
        double t1 = (n * n - 1) / (6 * n);
        double r = t2 * (exact * exact / q + squares * (1 - 1 / q)) + t1 * squares;
        double ua = 0x1p-12;
        double ub = 0x1p-14;
        double m = Math.sqrt((r + squares) / (n * q));
        double db = ub * 20 * m;
        double path = ua * ua * (n * n - 1) / 12 * squares + db * db * squares / (squares + exact * exact);
        double promoted =
                0x1p-48 * ((q + 1) * (2 * q + 1) / (6 * q) * exact * exact + (q * q - 1) / (6 * q) * squares + squares);
        double expected = (ua * ua + 2 * ub * ub * 17) * (r + squares) + promoted + path;
        // The promoted sums' share is a millionth: nothing less than the last digits will tell.
        assertEquals(expected, model.variance(exact, magnitudes, squares, signs), promoted * 1e-4);
        assertEquals(path, model.pathVariance(exact, magnitudes, squares, signs), path * 1e-12);
        double da = ua * 7 * (n + 1) / 2;
        assertEquals(da + db, model.driftTowardZero(exact, magnitudes, squares, signs), 1e-15);
        assertEquals(0, model.driftAwayFromZero(exact, magnitudes, squares, signs));
        assertEquals(da, model.driftTowardZero(exact, magnitudes, squares, -signs), 1e-15);
        assertEquals(db, model.driftAwayFromZero(exact, magnitudes, squares, -signs), 1e-15);
        assertEquals(Formula.F3, model.formula());
        assertEquals(profile, model.profile());
        double first = 2 * ua * (n + q) + 2 * ub * 17 * n + 2 * U * q;
        assertEquals(first * magnitudes * (1 + first), model.worstCase(magnitudes), 1e-9);
    }

    @Test
    void roundingToNearestDriftsOnlyWhereTermsVanish() {
        AccumulationProfile coarse = AccumulationProfile.matrixUnit(4, 11, Rounding.NEAREST_EVEN);
        AccumulationProfile fine = AccumulationProfile.matrixUnit(4, 24, Rounding.NEAREST_EVEN);
        AccumulationProfile cut = AccumulationProfile.matrixUnit(4, 11, Rounding.TOWARD_ZERO);
        int k = 4096;
        double ofFine = new AccumulationError(fine, k).driftTowardZero(60, 2600, 4096, 40);
        double ofCoarse = new AccumulationError(coarse, k).driftTowardZero(60, 2600, 4096, 40);
        double ofCut = new AccumulationError(cut, k).driftTowardZero(60, 2600, 4096, 40);
        assertTrue(ofFine < 1e-7 * 60, "fine " + ofFine);
        assertTrue(ofCoarse < ofCut / 5, ofCoarse + " against " + ofCut);
        // Tiny terms beside a large sum vanish however they are rounded.
        double vanishing = new AccumulationError(coarse, k).driftTowardZero(4096, 4096 * 1e-9, 4096, 40);
        assertEquals(new AccumulationError(cut, k).driftTowardZero(4096, 4096 * 1e-9, 4096, 40), vanishing, 1e-9);
        AccumulationProfile truncatedProducts = new AccumulationProfile(
                24, Rounding.NEAREST_EVEN, 1, 12, Rounding.TOWARD_ZERO, false, 24, Rounding.NEAREST_EVEN, false, 0);
        assertEquals(0x1p-12 * 60, new AccumulationError(truncatedProducts, 1).driftTowardZero(60, 60, 3600, 1), 1e-4);
    }

    @Test
    void theShareThatVanishesIsTheLastPlaceOverWhatIsAdded() {
        // n = 4 blocks of 4 in one segment; u = 2^-11; c = 3, S1 = 24, S2 = 12, S0 = -5. By hand:
        // R = 45/24 * 9 + 15/24 * 12 = 24.375; m^2 = (R + S2) / 4 = 9.09375; a term is 24 / 16 = 1.5, a block's sum 2 *
        // 1.5.
        AccumulationProfile unit = AccumulationProfile.matrixUnit(4, 11, Rounding.NEAREST_EVEN);
        AccumulationError model = new AccumulationError(unit, 16);
        double terms = 0x1p-21 * 5 * 9.09375 / 1.5;
        double sums = 0x1p-21 * Math.sqrt(24.375 / 4) / 3 * 3 * 2.5;
        assertEquals(terms, model.driftAwayFromZero(3, 24, 12, -5), terms * 1e-12);
        assertEquals(sums, model.driftTowardZero(3, 24, 12, -5), sums * 1e-12);
        assertEquals(sums + terms, model.driftTowardZero(3, 24, 12, 5), sums * 1e-12);
        // Twice as long in two promoted segments: R = 45/24 * (9 + 12) / 2 + 7.5 = 27.1875, m^2 = (R + S2) / 8.
        AccumulationError promoted = new AccumulationError(unit.withPromotion(16), 32);
        terms = 0x1p-21 * 5 * (39.1875 / 8) / 0.75;
        sums = 0x1p-21 * Math.sqrt(27.1875 / 8) / 1.5 * 3 * 2.5;
        assertEquals(terms, promoted.driftAwayFromZero(3, 24, 12, -5), terms * 1e-12);
        assertEquals(sums, promoted.driftTowardZero(3, 24, 12, -5), sums * 1e-12);
    }

    @Test
    void sumsOfNothingNeitherVaryNorDrift() {
        for (Rounding rounding : Rounding.values()) {
            for (int k : new int[] {0, 1, 16}) {
                AccumulationError model = new AccumulationError(AccumulationProfile.matrixUnit(4, 11, rounding), k);
                assertEquals(0, model.driftTowardZero(0, 0, 0, 0));
                assertEquals(0, model.driftAwayFromZero(0, 0, 0, 0));
                assertEquals(0, model.pathVariance(0, 0, 0, 0));
                assertEquals(0, model.variance(0, 0, 0, 0));
                assertEquals(0, model.worstCase(0));
            }
        }
        assertThrows(IllegalArgumentException.class, () -> new AccumulationError(AccumulationProfile.FLOAT32_FMA, -1));
    }

    @Test
    void aSumShorterThanTheIntervalIsNeverPromoted() {
        AccumulationProfile plain = AccumulationProfile.matrixUnit(4, 14, Rounding.TOWARD_ZERO);
        for (int k : new int[] {1, 8, 16}) {
            AccumulationError expected = new AccumulationError(plain, k);
            AccumulationError promoted = new AccumulationError(plain.withPromotion(16), k);
            assertEquals(expected.variance(3, 24, 12, -5), promoted.variance(3, 24, 12, -5));
            assertEquals(expected.worstCase(24), promoted.worstCase(24));
        }
        // One product more makes a second segment, of as many steps: (4 + 2) of sums, 4 * 5 of terms, 2 of float32.
        double first = 2 * 0x1p-14 * 6 + 2 * 0x1p-14 * 20 + 2 * U * 2;
        AccumulationError two = new AccumulationError(plain.withPromotion(16), 17);
        assertEquals(24 * first * (1 + first), two.worstCase(24), first * 1e-9);
    }

    @Test
    void theWorstCaseCountsEveryRounding() {
        // Sixteen blocks of 16 without promotion: (16 + 1) of the sum, 16 * 17 of the terms.
        double first = 2 * 0x1p-20 * 17 + 2 * 0x1p-22 * 16 * 17;
        AccumulationProfile blocks =
                AccumulationProfile.matrixUnit(16, 22, Rounding.TOWARD_ZERO).withRunningSum(20, Rounding.NEAREST_EVEN);
        assertEquals(3 * first * (1 + first), new AccumulationError(blocks, 256).worstCase(3), first * 1e-12);
        // A scalar unit rounds each product by itself.
        first = 2 * 0x1p-24 * 11 + 2 * 0x1p-12;
        AccumulationProfile scalar = new AccumulationProfile(
                24, Rounding.NEAREST_EVEN, 1, 12, Rounding.NEAREST_EVEN, false, 24, Rounding.NEAREST_EVEN, false, 0);
        assertEquals(3 * first * (1 + first), new AccumulationError(scalar, 10).worstCase(3), first * 1e-12);
    }

    @Test
    void unitsThatLoseAllTheyCanStayWithinTheWorstCase() {
        for (int bits = 11; bits <= 18; bits += 7) {
            AccumulationProfile profile = AccumulationProfile.matrixUnit(16, bits, Rounding.TOWARD_ZERO);
            // Every term but the first is cut, and every running sum.
            double[] a = new double[64];
            Arrays.fill(a, 1 - 0x1p-24);
            double[] c = new MatrixUnit(profile).multiply(a, a, 1, 1, 64, new SummationOrder.Sequential());
            double exact = 64 * (1 - 0x1p-24) * (1 - 0x1p-24);
            double bound = new AccumulationError(profile, 64).worstCase(exact);
            assertTrue(Math.abs(c[0] - exact) <= bound, bits + " bits");
            assertTrue(Math.abs(c[0] - exact) > bound / 1000, bits + " bits: the bound is not vacuous");
        }
    }
}
