package dev.heng.conformance.compare;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.heng.conformance.accumulate.AccumulationProfile;
import dev.heng.conformance.bound.ErrorBound;
import dev.heng.conformance.bound.Formula;
import dev.heng.conformance.bound.RoutingRule;
import dev.heng.conformance.bound.ScalarFunction;
import dev.heng.conformance.bound.Subnormals;
import dev.heng.conformance.fault.FloatRouter;
import dev.heng.conformance.fill.MatrixFill;
import dev.heng.conformance.fill.RoutingFill;
import dev.heng.conformance.fill.RoutingInputs;
import dev.heng.conformance.format.FloatFormat;
import dev.heng.conformance.format.Rounding;
import dev.heng.conformance.probe.MatrixProduct;
import dev.heng.conformance.random.RandomStream;
import java.nio.ByteBuffer;
import java.util.Arrays;
import java.util.Optional;
import org.junit.jupiter.api.Test;

/** What verdicts say beside passed and failed: which element, which bound, which bits. Readers act on it. */
final class VerdictDetailsTest {

    private static final int[] TWO = {2};

    /** Allows errors from -1 to +3, or to none. */
    private record Interval(int size, double lowest, double highest) implements ErrorBound {
        @Override
        public double lowest(int index) {
            return lowest;
        }

        @Override
        public double highest(int index) {
            return highest;
        }

        @Override
        public Formula formula() {
            return Formula.F8;
        }
    }

    private static FloatTensor floats(FloatFormat format, double... values) {
        return new FloatTensor(format, new int[] {values.length}, values);
    }

    @Test
    void anIntervalsTwoSidesAreShownEachOnItsSide() {
        Interval interval = new Interval(2, -1, 3);
        double[] expected = {10, 20};
        Verdict low =
                FloatComparator.underBound(floats(FloatFormat.F32, 9.5, 20), FloatFormat.F32, TWO, expected, interval);
        assertEquals(1, low.bound());
        assertEquals(0.5, low.ratio());
        Verdict high =
                FloatComparator.underBound(floats(FloatFormat.F32, 10, 21.5), FloatFormat.F32, TWO, expected, interval);
        assertEquals(3, high.bound());
        assertEquals(0.5, high.ratio());
        assertEquals(1, high.index());
    }

    @Test
    void anInfinityIsLegalOnlyWhereItsOwnSideOfTheIntervalReachesIt() {
        double largest = FloatFormat.F16.maxFinite();
        double[] expected = {largest, -largest};
        // 65,520 and more round to infinity: 16 beyond the largest number.
        Interval up = new Interval(2, 0, 20);
        Interval down = new Interval(2, -20, 0);
        FloatTensor positive = floats(FloatFormat.F16, Double.POSITIVE_INFINITY, -largest);
        FloatTensor negative = floats(FloatFormat.F16, largest, Double.NEGATIVE_INFINITY);
        assertTrue(FloatComparator.underBound(positive, FloatFormat.F16, TWO, expected, up)
                .passed());
        assertTrue(!FloatComparator.underBound(positive, FloatFormat.F16, TWO, expected, down)
                .passed());
        assertTrue(FloatComparator.underBound(negative, FloatFormat.F16, TWO, expected, down)
                .passed());
        assertTrue(!FloatComparator.underBound(negative, FloatFormat.F16, TWO, expected, up)
                .passed());
    }

    @Test
    void aFunctionMayOverflowWhereItsErrorReachesInfinityAndNoSooner() {
        double[] legal = {Math.log(65_519.999)};
        double[] illegal = {Math.log(65_500)};
        FloatTensor infinity = floats(FloatFormat.F16, Double.POSITIVE_INFINITY);
        int[] one = {1};
        assertTrue(FloatComparator.scalar(infinity, FloatFormat.F16, one, ScalarFunction.EXP, legal, Subnormals.KEPT)
                .passed());
        assertEquals(
                Outcome.FAIL,
                FloatComparator.scalar(infinity, FloatFormat.F16, one, ScalarFunction.EXP, illegal, Subnormals.KEPT)
                        .outcome());
    }

    @Test
    void theFirstOfEqualFailuresIsShown() {
        Verdict floats = FloatComparator.exact(
                floats(FloatFormat.F32, 1, 2, 3), FloatFormat.F32, new int[] {3}, new double[] {1, 7, 7});
        assertEquals(1, floats.index());
        Verdict first = IntComparator.exact(ints(5, 2, 9), ints(8, 2, 3));
        assertEquals(0, first.index());
        assertEquals(Outcome.FAIL, first.outcome());
        assertEquals(Double.POSITIVE_INFINITY, first.ratio());
        assertEquals(-3, first.error());
        assertEquals("got 5, expected 8", first.message());
        assertTrue(first.toString().contains(" at 0: "), first.toString());
        Verdict equal = IntComparator.exact(ints(5, 2, 9), ints(5, 2, 9));
        assertEquals("all elements equal", equal.message());
        assertEquals(0, equal.ratio());
        assertTrue(!Verdict.statistic(Formula.F7, 1, 6, "z").toString().contains(" at "));
    }

    private static IntTensor ints(long... values) {
        return new IntTensor(32, new int[] {values.length}, values);
    }

    @Test
    void theFirstOfEquallyWrongTokensAndPlacesIsShown() {
        RoutingRule rule = RoutingRule.deepSeekV3();
        RoutingInputs inputs = RoutingFill.NORMAL_SMALL_BIAS.fill(RandomStream.of("details", 1, "routing"), 4, 256);
        FloatRouter.Routing sound = FloatRouter.route(rule, inputs, Optional.empty());
        double[] weights = sound.weights().values().clone();
        // Tokens 1 and 2, places 3 and 5 of each.
        for (int index : new int[] {11, 13, 19, 21}) {
            weights[index] = Double.NaN;
        }
        Verdict verdict = RoutingComparator.judge(
                sound.ids(),
                new FloatTensor(FloatFormat.F32, new int[] {4, 8}, weights),
                rule,
                inputs,
                RoutingComparator.IdOrder.DESCENDING,
                Subnormals.KEPT);
        assertEquals(Outcome.FAIL, verdict.outcome());
        assertEquals(11, verdict.index());
    }

    @Test
    void bytesThatDoNotFitATensorAreNamedWithBothSizes() {
        IllegalArgumentException refused = assertThrows(
                IllegalArgumentException.class,
                () -> FloatTensor.decode(FloatFormat.F16, new int[] {3}, ByteBuffer.allocate(7)));
        assertEquals("7 bytes do not hold 3 elements of F16, which take 6", refused.getMessage());
    }

    /** Remembers the weights of the products that it is asked for. */
    private static final class Recorder implements MatrixProduct {
        private double[] weights = new double[0];

        @Override
        public FloatFormat inputFormat() {
            return FloatFormat.F32;
        }

        @Override
        public FloatFormat outputFormat() {
            return FloatFormat.F32;
        }

        @Override
        public double[] multiply(double[] a, double[] b, int m, int n, int k) {
            weights = b.clone();
            return new double[m * n];
        }
    }

    @Test
    void copiedWeightsEndInTheLastBitThatTheProfileKeeps() {
        for (int bits : new int[] {11, 13, 24}) {
            AccumulationProfile profile = AccumulationProfile.matrixUnit(16, bits, Rounding.NEAREST_EVEN);
            Recorder recorder = new Recorder();
            RandomStream stream = RandomStream.of("details", bits, "copies");
            ProductTrials trials = new ProductTrials(
                    profile, recorder.inputFormat(), recorder.outputFormat(), stream, MatrixFill.UNIFORM, 4, 6, 32);
            assertEquals(Outcome.FAIL, trials.copies(recorder).outcome());
            long below = (1L << (53 - bits)) - 1;
            long last = below + 1;
            assertEquals(
                    0,
                    Arrays.stream(recorder.weights)
                            .mapToLong(Double::doubleToRawLongBits)
                            .filter(raw -> (raw & below) != 0)
                            .count());
            // Weights have all the bits of their format: what is cut ends in a set bit as well.
            assertTrue(Arrays.stream(recorder.weights)
                    .mapToLong(Double::doubleToRawLongBits)
                    .allMatch(raw -> (raw & last) != 0));
        }
    }
}
