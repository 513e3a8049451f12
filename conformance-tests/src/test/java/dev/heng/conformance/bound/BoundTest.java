package dev.heng.conformance.bound;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.heng.conformance.accumulate.AccumulationProfile;
import dev.heng.conformance.accumulate.MatrixUnit;
import dev.heng.conformance.accumulate.SummationOrder;
import dev.heng.conformance.compare.FloatComparator;
import dev.heng.conformance.compare.FloatTensor;
import dev.heng.conformance.compare.Outcome;
import dev.heng.conformance.fill.MatrixFill;
import dev.heng.conformance.fill.Operand;
import dev.heng.conformance.format.FloatFormat;
import dev.heng.conformance.format.Rounding;
import dev.heng.conformance.random.RandomStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

final class BoundTest {

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
    }

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
        assertEquals(expected, model.variance(exact, magnitudes, squares, signs), expected * 1e-12);
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
        assertEquals(0, new AccumulationError(coarse, 0).driftTowardZero(0, 0, 0, 0));
        assertThrows(IllegalArgumentException.class, () -> new AccumulationError(coarse, -1));
        AccumulationProfile truncatedProducts = new AccumulationProfile(
                24, Rounding.NEAREST_EVEN, 1, 12, Rounding.TOWARD_ZERO, false, 24, Rounding.NEAREST_EVEN, false, 0);
        assertEquals(0x1p-12 * 60, new AccumulationError(truncatedProducts, 1).driftTowardZero(60, 60, 3600, 1), 1e-4);
    }

    private static ProductBound bound(AccumulationProfile profile, FloatFormat output, MatrixFill fill, int k) {
        double[] a = fill.fill(RandomStream.of("bound", 1, "a"), FloatFormat.BF16, Operand.ACTIVATIONS, 8, k)
                .values();
        double[] b = fill.fill(RandomStream.of("bound", 1, "b"), FloatFormat.BF16, Operand.WEIGHTS, 8, k)
                .values();
        return new ProductBound(ProductMoments.of(a, b, 8, 8, k), profile, output, fill.isSignedIndependent());
    }

    @Test
    void elementIntervalsAreTheToleranceAndTheDriftOnItsSide() {
        AccumulationProfile profile = AccumulationProfile.matrixUnit(16, 14, Rounding.TOWARD_ZERO);
        ProductBound bound = bound(profile, FloatFormat.BF16, MatrixFill.UNIFORM, 512);
        assertEquals(64, bound.size());
        assertEquals(Formula.F6, bound.formula());
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
        double[] sorted = new double[64];
        java.util.Arrays.fill(sorted, 1);
        double[] c = new MatrixUnit(profile).multiply(sorted, sorted, 1, 1, 64, new SummationOrder.Sequential());
        assertTrue(Math.abs(c[0] - 64) <= new AccumulationError(profile, 64).worstCase(64));
    }

    @Test
    void studentsQuantilesAreThoseOfTables() {
        // Abramowitz and Stegun, table 26.10.
        assertEquals(6.314, StudentT.upperQuantile(1, 0.05), 0.0005);
        assertEquals(2.015, StudentT.upperQuantile(5, 0.05), 0.0005);
        assertEquals(3.169, StudentT.upperQuantile(10, 0.005), 0.0005);
        assertEquals(2.042, StudentT.upperQuantile(30, 0.025), 0.0005);
        assertEquals(636.619, StudentT.upperQuantile(1, 0.0005), 0.0005);
        assertEquals(3.646, StudentT.upperQuantile(30, 0.0005), 0.0005);
        assertEquals(1e-9, StudentT.upperTail(16, StudentT.upperQuantile(16, 1e-9)), 1e-15);
        assertEquals(0.5, StudentT.upperTail(7, 0), 1e-12);
        assertThrows(IllegalArgumentException.class, () -> StudentT.upperQuantile(0, 0.1));
        assertThrows(IllegalArgumentException.class, () -> StudentT.upperQuantile(3, 0.5));
        assertThrows(IllegalArgumentException.class, () -> StudentT.upperQuantile(3, 0));
    }

    @Test
    void ensemblesBoundWhatRoundingExplainsAndNoMore() {
        int elements = 500;
        RandomStream stream = RandomStream.of("ensemble", 1, "x");
        double[] truth = new double[elements];
        for (int index = 0; index < elements; index++) {
            truth[index] = stream.normal();
        }
        EnsembleBound bound = new EnsembleBound(truth, FloatFormat.F32);
        assertThrows(IllegalArgumentException.class, () -> bound.add(new double[3]));
        List<double[]> draws = new ArrayList<>();
        for (int run = 0; run < 33; run++) {
            double[] values = truth.clone();
            for (int index = 0; index < elements; index++) {
                values[index] += 1e-3 * (1 + index % 3) * stream.normal();
            }
            draws.add(values);
            if (run == 7) {
                assertThrows(IllegalStateException.class, () -> bound.highest(0));
            }
            if (run > 0) {
                bound.add(values);
            }
        }
        assertEquals(32, bound.runs());
        assertEquals(elements, bound.size());
        assertEquals(Formula.F10, bound.formula());
        double squares = 0;
        for (double[] draw : draws.subList(1, 33)) {
            squares += Math.pow(draw[4] - truth[4], 2);
        }
        double quantile = StudentT.upperQuantile(32, 1e-6 / 1000);
        double expected = 1.01 * U * Math.abs(truth[4]) + quantile * Math.sqrt(squares / 32);
        assertEquals(expected, bound.highest(4), 1e-9);
        assertEquals(-bound.highest(4), bound.lowest(4));
        double meanSquare = 0;
        for (double[] draw : draws.subList(1, 33)) {
            meanSquare += bound.rootMeanSquare(draw) / 32;
        }
        double spread = 0;
        for (double[] draw : draws.subList(1, 33)) {
            spread += Math.pow(bound.rootMeanSquare(draw) - meanSquare, 2) / 31;
        }
        double limit = meanSquare + StudentT.upperQuantile(31, 1e-6) * Math.sqrt(spread * (1 + 1 / 32.0));
        assertEquals(limit, bound.highest(bound::rootMeanSquare), 1e-12);
        assertTrue(bound.rootMeanSquare(draws.getFirst()) < limit);
        assertEquals(0, new EnsembleBound(new double[0], FloatFormat.F32).rootMeanSquare(new double[0]));
        bound.add(draws.getFirst());
        assertTrue(bound.highest(4) != expected, "another run changes the quantile and the spread");
    }

    @Test
    void randomRoundingLeavesTheMeanWhereItWas() {
        RandomRounding rounding = new RandomRounding(RandomStream.of("rounding", 1, "x"));
        double value = 1 + 0.3 * 0x1p-7;
        int up = 0;
        for (int draw = 0; draw < 10_000; draw++) {
            double rounded = rounding.round(value, 0, 0, FloatFormat.BF16);
            assertTrue(rounded == 1 || rounded == 1 + 0x1p-7);
            up += rounded > 1 ? 1 : 0;
        }
        assertEquals(3000, up, 5 * Math.sqrt(10_000 * 0.3 * 0.7));
        assertEquals(-1.5, rounding.round(-1.5, 0, 0, FloatFormat.BF16));
        double drifted = rounding.round(-100, 0, 50, FloatFormat.F32);
        assertTrue(drifted > -100 && drifted <= -50, "drift is toward zero: " + drifted);
        double sum = 0;
        double squares = 0;
        for (int draw = 0; draw < 10_000; draw++) {
            double noisy = rounding.round(5, 0.1, 0, FloatFormat.F32) - 5;
            sum += noisy;
            squares += noisy * noisy;
        }
        assertEquals(0, sum / 10_000, 5 * 0.1 / 100);
        assertEquals(0.01, squares / 10_000, 0.001);
    }

    @ParameterizedTest
    @EnumSource(ScalarFunction.class)
    void everySixteenBitArgumentOfACorrectFloatEvaluationIsWithinItsLimit(ScalarFunction function) {
        for (FloatFormat format : new FloatFormat[] {FloatFormat.F16, FloatFormat.BF16}) {
            double[] arguments = new double[1 << 16];
            double[] rounded = new double[1 << 16];
            double[] wrong = new double[1 << 16];
            for (int code = 0; code < 1 << 16; code++) {
                arguments[code] = format.decode(code);
                float evaluated = (float) function.exact(arguments[code]);
                // A float32 evaluation that errs by one place each time, then rounded to the format.
                rounded[code] = format.round(Float.isFinite(evaluated) ? Math.nextUp(evaluated) : evaluated);
                if (evaluated == 0) {
                    rounded[code] = evaluated;
                }
                wrong[code] = rounded[code];
            }
            int[] shape = {1 << 16};
            FloatTensor got = new FloatTensor(format, shape, rounded);
            assertEquals(
                    Outcome.PASS,
                    FloatComparator.scalar(got, format, shape, function, arguments, Subnormals.KEPT)
                            .outcome(),
                    () -> FloatComparator.scalar(got, format, shape, function, arguments, Subnormals.KEPT)
                            .toString());
            int one = (int) format.encode(1.5);
            wrong[one] = format.round(wrong[one] + 1.2 * format.ulp(wrong[one]));
            assertEquals(
                    Outcome.FAIL,
                    FloatComparator.scalar(
                                    new FloatTensor(format, shape, wrong),
                                    format,
                                    shape,
                                    function,
                                    arguments,
                                    Subnormals.KEPT)
                            .outcome());
        }
    }

    @Test
    void scalarLimitsAreHalfAPlaceAndTheFloatError() {
        assertEquals(
                0x1p-9 * 1 + 13 * U,
                ScalarFunction.SILU.largestError(1 - 0x1p-20, FloatFormat.BF16, Subnormals.KEPT),
                1e-9);
        assertEquals(0x1p-24 + 6 * U, ScalarFunction.EXP.largestError(1, FloatFormat.F32, Subnormals.KEPT));
        double subnormal = 0x1p-130;
        double kept = ScalarFunction.EXP.largestError(subnormal, FloatFormat.F32, Subnormals.KEPT);
        assertEquals(0x1p-150 + 6 * U * subnormal + 6 * 0x1p-150, kept, 0x1p-160);
        double flushed = ScalarFunction.EXP.largestError(subnormal, FloatFormat.F32, Subnormals.FLUSHED);
        assertTrue(flushed >= subnormal && flushed < 1.01 * subnormal);
        assertEquals(0x1p-149, Subnormals.KEPT.floor());
        assertEquals(0x1p-126, Subnormals.FLUSHED.floor());
        assertEquals(6, ScalarFunction.EXP.units());
        assertEquals(0, ScalarFunction.SIGMOID.exact(Double.NEGATIVE_INFINITY));
        assertTrue(Double.isNaN(ScalarFunction.SILU.exact(Double.NEGATIVE_INFINITY)));
        assertEquals(1000, ScalarFunction.SOFTPLUS.exact(1000));
        assertEquals(StrictMath.log(2), ScalarFunction.SOFTPLUS.exact(0), 1e-16);
    }

    @Test
    void everyFormulaIsDerivedInTheDocument() throws Exception {
        Path document = Path.of("..", "docs", "numerics.md");
        String text = Files.readString(document);
        for (Formula formula : Formula.values()) {
            assertTrue(text.contains("**" + formula + "**"), formula + " is not derived in " + document);
            assertTrue(
                    text.contains(formula.text()), formula + "'s text in " + document + " is not what results print");
        }
    }
}
