package dev.heng.conformance.accumulate;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.heng.conformance.format.FloatFormat;
import dev.heng.conformance.format.Rounding;
import dev.heng.conformance.random.RandomStream;
import java.math.BigDecimal;
import java.math.BigInteger;
import java.math.MathContext;
import java.math.RoundingMode;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.Test;

final class MatrixUnitTest {

    private static final SummationOrder SEQUENTIAL = new SummationOrder.Sequential();

    private static double[] draw(String name, int count, FloatFormat format) {
        RandomStream stream = RandomStream.of("MatrixUnitTest", 1, name);
        double[] values = new double[count];
        for (int index = 0; index < count; index++) {
            values[index] = format.round(Math.scalb(stream.signedUniform(), stream.between(-6, 6)));
        }
        return values;
    }

    private static double one(AccumulationProfile profile, double[] a, double[] b) {
        return new MatrixUnit(profile).multiply(a, b, 1, 1, a.length, SEQUENTIAL)[0];
    }

    @Test
    void scalarUnitsAgreeWithJavasFloatArithmetic() {
        for (int row = 0; row < 20; row++) {
            double[] a = draw("a" + row, 301, FloatFormat.F32);
            double[] b = draw("b" + row, 301, FloatFormat.F32);
            float fused = 0;
            float separate = 0;
            double wide = 0;
            for (int k = 0; k < 301; k++) {
                fused = Math.fma((float) a[k], (float) b[k], fused);
                separate += (float) a[k] * (float) b[k];
                wide = Math.fma(a[k], b[k], wide);
            }
            assertEquals(fused, one(AccumulationProfile.FLOAT32_FMA, a, b));
            assertEquals(separate, one(AccumulationProfile.FLOAT32_MULTIPLY_ADD, a, b));
            assertEquals(wide, one(AccumulationProfile.FLOAT64, a, b));
        }
    }

    /** The same arithmetic, written again with exact decimals and no regard for speed. */
    private static double slowSum(AccumulationProfile profile, double[] a, double[] b) {
        BigDecimal sum = BigDecimal.ZERO;
        for (int from = 0; from < a.length; from += profile.blockLength()) {
            List<BigDecimal> terms = new ArrayList<>();
            for (int index = from; index < Math.min(a.length, from + profile.blockLength()); index++) {
                terms.add(new BigDecimal(a[index]).multiply(new BigDecimal(b[index])));
            }
            if (profile.fused()) {
                terms.add(sum);
            }
            int top = terms.stream()
                    .filter(term -> term.signum() != 0)
                    .mapToInt(MatrixUnitTest::exponentOf)
                    .max()
                    .orElse(0);
            BigDecimal block = BigDecimal.ZERO;
            for (BigDecimal term : terms) {
                block = block.add(toMultipleOf(term, top - profile.alignBits() + 1, profile.alignRounding()));
            }
            BigDecimal total = profile.fused() ? block : sum.add(block);
            sum = total.signum() == 0
                    ? total
                    : toMultipleOf(total, exponentOf(total) - profile.sumBits() + 1, profile.sumRounding());
        }
        return sum.doubleValue();
    }

    private static int exponentOf(BigDecimal value) {
        int exponent = Math.getExponent(value.doubleValue());
        // Conversion to double may have rounded up into the next binade.
        return value.abs().compareTo(powerOfTwo(exponent)) < 0 ? exponent - 1 : exponent;
    }

    private static BigDecimal powerOfTwo(int exponent) {
        BigDecimal power = new BigDecimal(BigInteger.TWO.pow(Math.abs(exponent)));
        return exponent < 0 ? BigDecimal.ONE.divide(power, MathContext.UNLIMITED) : power;
    }

    private static BigDecimal toMultipleOf(BigDecimal value, int exponent, Rounding rounding) {
        RoundingMode mode = rounding == Rounding.TOWARD_ZERO ? RoundingMode.DOWN : RoundingMode.HALF_EVEN;
        return value.multiply(powerOfTwo(-exponent)).setScale(0, mode).multiply(powerOfTwo(exponent));
    }

    @Test
    void blocksAgreeWithExactDecimalArithmetic() {
        for (int blockLength : new int[] {4, 16, 128}) {
            for (int bits : new int[] {11, 14, 25, 26}) {
                for (Rounding rounding : Rounding.values()) {
                    AccumulationProfile fused = AccumulationProfile.matrixUnit(blockLength, bits, rounding);
                    for (AccumulationProfile profile : List.of(
                            fused,
                            fused.withSeparateBlockSum(),
                            fused.withRunningSum(12, Rounding.NEAREST_EVEN),
                            fused.withRunningSum(24, Rounding.TOWARD_ZERO))) {
                        double[] a = draw(profile + "a", 203, FloatFormat.F32);
                        double[] b = draw(profile + "b", 203, FloatFormat.F32);
                        assertEquals(slowSum(profile, a, b), one(profile, a, b), profile.toString());
                    }
                }
            }
        }
    }

    @Test
    void promotionAndPartsAreFloatSumsOfShorterSums() {
        AccumulationProfile plain = AccumulationProfile.matrixUnit(32, 14, Rounding.TOWARD_ZERO);
        double[] a = draw("pa", 300, FloatFormat.F8_E4M3);
        double[] b = draw("pb", 300, FloatFormat.F8_E4M3);
        MatrixUnit unit = new MatrixUnit(plain);
        float expected = 0;
        for (int from = 0; from < 300; from += 128) {
            int to = Math.min(300, from + 128);
            expected += (float) one(plain, Arrays.copyOfRange(a, from, to), Arrays.copyOfRange(b, from, to));
        }
        assertEquals(expected, one(plain.withPromotion(128), a, b));
        assertEquals(expected, unit.multiply(a, b, 1, 1, 300, new SummationOrder.Chunked(128))[0]);
        assertEquals(
                unit.multiply(a, b, 1, 1, 300, new SummationOrder.Chunked(150))[0],
                unit.multiply(a, b, 1, 1, 300, new SummationOrder.SplitK(2))[0]);
        assertEquals(one(plain, a, b), unit.multiply(a, b, 1, 1, 300, new SummationOrder.PairwiseTree(300))[0]);
        assertEquals(
                unit.multiply(a, b, 1, 1, 300, new SummationOrder.Chunked(160))[0],
                unit.multiply(a, b, 1, 1, 300, new SummationOrder.PairwiseTree(160))[0]);
    }

    @Test
    void ordersSumTheSameProducts() {
        double[] a = {1, 2, 3, 4};
        double[] b = {5, 6, 7, 8};
        for (SummationOrder order : List.of(
                SEQUENTIAL,
                new SummationOrder.Permuted(5),
                new SummationOrder.SplitK(3),
                new SummationOrder.SplitK(9),
                new SummationOrder.Chunked(3),
                new SummationOrder.PairwiseTree(1))) {
            MatrixUnit unit = new MatrixUnit(AccumulationProfile.FLOAT32_FMA);
            assertArrayEquals(new double[] {70}, unit.multiply(a, b, 1, 1, 4, order), order.toString());
        }
    }

    @Test
    void specialsAndEmptySumsComeOutAsIeeeSays() {
        double infinity = Double.POSITIVE_INFINITY;
        for (AccumulationProfile profile :
                List.of(AccumulationProfile.FLOAT32_FMA, AccumulationProfile.matrixUnit(4, 25, Rounding.TOWARD_ZERO))) {
            assertEquals(infinity, one(profile, new double[] {1, infinity, 1}, new double[] {1, 1, 1}));
            assertTrue(Double.isNaN(one(profile, new double[] {infinity, infinity}, new double[] {1, -1})));
            assertTrue(Double.isNaN(one(profile, new double[] {1, Double.NaN}, new double[] {1, 1})));
            assertEquals(0, one(profile, new double[0], new double[0]));
            assertEquals(0, one(profile, new double[] {0, 0}, new double[] {1, 1}));
            MatrixUnit unit = new MatrixUnit(profile);
            assertThrows(
                    IllegalArgumentException.class,
                    () -> unit.multiply(new double[1], new double[2], 1, 1, 2, SEQUENTIAL));
        }
    }

    @Test
    void halfAccumulatorsOverflowAndUnderflowAsFloat16() {
        AccumulationProfile half = AccumulationProfile.FLOAT32_FMA.withHalfAccumulator();
        double[] ones = {1, 1};
        assertEquals(Double.POSITIVE_INFINITY, one(half, new double[] {32768, 32768}, ones));
        assertEquals(65504, one(half, new double[] {32768, 32736}, ones));
        assertEquals(0, one(half, new double[] {0x1p-25, 0}, ones));
        assertEquals(0x1p-24, one(half, new double[] {0x1.8p-25, 0}, ones));
    }

    @Test
    void inputsAreCutBeforeTheyAreMultiplied() {
        AccumulationProfile profile = AccumulationProfile.FLOAT32_FMA;
        double[] x = {1 + 0x1p-10 + 0x1p-11};
        double[] one = {1};
        assertEquals(1 + 0x1p-10, one(profile.withInputs(11, Rounding.TOWARD_ZERO), x, one));
        assertEquals(1 + 0x1p-9, one(profile.withInputs(11, Rounding.NEAREST_EVEN), x, one));
    }

    @Test
    void profilesThatCannotBeAreRefusedWithTheReason() {
        Rounding nearest = Rounding.NEAREST_EVEN;
        IllegalArgumentException error =
                assertThrows(IllegalArgumentException.class, () -> AccumulationProfile.matrixUnit(16, 7, nearest));
        assertTrue(String.valueOf(error.getMessage()).contains("alignBits is 7"), error::toString);
        assertThrows(IllegalArgumentException.class, () -> AccumulationProfile.matrixUnit(300, 25, nearest));
        AccumulationProfile profile = AccumulationProfile.matrixUnit(128, 25, nearest);
        assertThrows(IllegalArgumentException.class, () -> profile.withPromotion(128));
        assertThrows(IllegalArgumentException.class, () -> new SummationOrder.SplitK(0));
        assertThrows(IllegalArgumentException.class, () -> new SummationOrder.Chunked(0));
        assertThrows(IllegalArgumentException.class, () -> new SummationOrder.PairwiseTree(0));
    }
}
