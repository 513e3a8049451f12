package dev.heng.conformance.probe;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.heng.conformance.accumulate.AccumulationProfile;
import dev.heng.conformance.accumulate.MatrixUnit;
import dev.heng.conformance.accumulate.SummationOrder;
import dev.heng.conformance.format.FloatFormat;
import dev.heng.conformance.format.Rounding;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

final class UnitProbeTest {

    private static final int BATCH = 2;
    private static final SummationOrder SEQUENTIAL = new SummationOrder.Sequential();

    private static MeasuredUnit measure(
            AccumulationProfile profile, FloatFormat input, FloatFormat output, SummationOrder order) {
        return UnitProbe.measure(new EmulatedProduct(new MatrixUnit(profile), order, input, output), BATCH);
    }

    private static MeasuredUnit measure(AccumulationProfile profile) {
        return measure(profile, FloatFormat.F32, FloatFormat.F32, SEQUENTIAL);
    }

    private static AccumulationProfile truncating(int blockLength, int bits) {
        return AccumulationProfile.matrixUnit(blockLength, bits, Rounding.TOWARD_ZERO);
    }

    private static AccumulationProfile rounding(int blockLength, int bits) {
        return AccumulationProfile.matrixUnit(blockLength, bits, Rounding.NEAREST_EVEN);
    }

    @Test
    void everyPropertyIsMeasuredOnUnitsOfEveryKind() {
        for (AccumulationProfile profile : List.of(
                AccumulationProfile.FLOAT32_FMA,
                AccumulationProfile.FLOAT32_MULTIPLY_ADD,
                AccumulationProfile.FLOAT32_FMA.withHalfAccumulator(),
                truncating(4, 24),
                truncating(16, 26),
                rounding(8, 11),
                truncating(128, 25).withSeparateBlockSum(),
                rounding(16, 26).withHalfAccumulator(),
                truncating(32, 14).withPromotion(128),
                truncating(8, 26).withInputs(11, Rounding.TOWARD_ZERO),
                truncating(8, 26).withInputs(11, Rounding.NEAREST_EVEN),
                truncating(16, 26).withRunningSum(24, Rounding.NEAREST_EVEN))) {
            assertEquals(profile, measure(profile).profile());
        }
    }

    @Test
    @Tag("nightly")
    void theWholeGridOfProfilesIsMeasuredExactly() {
        List<AccumulationProfile> grid = new ArrayList<>();
        for (int blockLength : new int[] {4, 8, 16, 32, 64, 128}) {
            for (int bits = 11; bits <= 26; bits++) {
                for (Rounding rounding : Rounding.values()) {
                    AccumulationProfile profile = AccumulationProfile.matrixUnit(blockLength, bits, rounding);
                    grid.add(profile);
                    grid.add(profile.withSeparateBlockSum());
                    if (blockLength < 128) {
                        grid.add(profile.withPromotion(128));
                    }
                    if (bits > 12) {
                        grid.add(profile.withInputs(11, Rounding.TOWARD_ZERO));
                    }
                }
            }
        }
        for (AccumulationProfile profile : grid) {
            assertEquals(profile, measure(profile).profile());
        }
    }

    @Test
    void narrowFormatsReachFarEnough() {
        AccumulationProfile hopper = truncating(16, 26);
        for (FloatFormat input : new FloatFormat[] {FloatFormat.BF16, FloatFormat.F16}) {
            for (FloatFormat output : new FloatFormat[] {FloatFormat.F32, FloatFormat.F16, FloatFormat.BF16}) {
                assertEquals(hopper, measure(hopper, input, output, SEQUENTIAL).profile(), input + " to " + output);
            }
        }
        AccumulationProfile eightBit = truncating(32, 14);
        FloatFormat input = FloatFormat.F8_E4M3;
        assertEquals(
                eightBit, measure(eightBit, input, FloatFormat.F32, SEQUENTIAL).profile());
        AccumulationProfile promoted = eightBit.withPromotion(128);
        assertEquals(
                promoted, measure(promoted, input, FloatFormat.BF16, SEQUENTIAL).profile());
    }

    @Test
    void orderDoesNotHideTheUnit() {
        AccumulationProfile profile = truncating(16, 26);
        assertEquals(profile, measureInOrder(profile, new SummationOrder.Permuted(3)));
        assertEquals(profile, measureInOrder(profile, new SummationOrder.SplitK(4)));
        // Chunks of fixed length that are added as float32 are promotion, whoever adds them.
        assertEquals(profile.withPromotion(64), measureInOrder(profile, new SummationOrder.Chunked(64)));
        assertEquals(profile.withPromotion(32), measureInOrder(profile, new SummationOrder.PairwiseTree(32)));
    }

    private static AccumulationProfile measureInOrder(AccumulationProfile profile, SummationOrder order) {
        return measure(profile, FloatFormat.F32, FloatFormat.F32, order).profile();
    }

    @Test
    void falseDeclarationsAreRefutedInEveryRespect() {
        AccumulationProfile truth = truncating(16, 24);
        MeasuredUnit measured = measure(truth);
        assertEquals(List.of(), measured.refute(truth));
        assertEquals(List.of(), measured.refute(truncating(8, 20)), "a unit better than declared is no liar");
        assertRefuted(measured, rounding(16, 24), "truncated, declared rounded to nearest");
        assertRefuted(measured, truncating(16, 26), "keep 24 bits, declared 26");
        assertRefuted(measured, truncating(32, 24), "every 16 products, declared every 32");
        assertRefuted(measured, truth.withPromotion(128), "declared promoted every 128");
        assertRefuted(measured, AccumulationProfile.FLOAT32_FMA, "declared added one by one");
        MeasuredUnit tf32 = measure(truncating(8, 26).withInputs(11, Rounding.NEAREST_EVEN));
        assertRefuted(tf32, truncating(8, 26), "cut to 11 bits, declared 24");
        assertRefuted(tf32, AccumulationProfile.FLOAT32_FMA, "cut to 11 bits, declared 24");
        assertRefuted(tf32, truncating(8, 26).withInputs(11, Rounding.TOWARD_ZERO), "cut by NEAREST_EVEN");
        MeasuredUnit half = measure(AccumulationProfile.FLOAT32_FMA.withHalfAccumulator());
        assertRefuted(half, AccumulationProfile.FLOAT32_FMA, "sums keep 11 bits, declared 24");
        assertRefuted(half, AccumulationProfile.FLOAT32_FMA, "65504");
        MeasuredUnit twoRoundings = measure(AccumulationProfile.FLOAT32_MULTIPLY_ADD);
        assertRefuted(twoRoundings, AccumulationProfile.FLOAT32_FMA, "products are rounded to 24 bits, declared exact");
        assertEquals(List.of(), twoRoundings.refute(AccumulationProfile.FLOAT32_MULTIPLY_ADD));
    }

    @Test
    void whatIsNoUnitIsNotMeasured() {
        MatrixProduct constant = new MatrixProduct() {
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
                double[] c = new double[m * n];
                Arrays.fill(c, 0.3);
                return c;
            }
        };
        InconclusiveProbeException error =
                assertThrows(InconclusiveProbeException.class, () -> UnitProbe.measure(constant, BATCH));
        assertTrue(String.valueOf(error.getMessage()).contains("no count of units"), error::toString);
    }

    @Test
    void whatAnswersLeaveOpenIsSaid() {
        MeasuredUnit coarse = measure(truncating(16, 11));
        assertFalse(coarse.undetermined().isEmpty());
        assertTrue(coarse.undetermined().getFirst().contains("operand bits beyond"));
    }

    private static void assertRefuted(MeasuredUnit measured, AccumulationProfile declared, String sentence) {
        List<String> refutations = measured.refute(declared);
        assertTrue(refutations.stream().anyMatch(found -> found.contains(sentence)), refutations.toString());
    }
}
