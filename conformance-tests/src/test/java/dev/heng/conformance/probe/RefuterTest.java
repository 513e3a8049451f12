package dev.heng.conformance.probe;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.heng.conformance.accumulate.AccumulationProfile;
import dev.heng.conformance.accumulate.MatrixUnit;
import dev.heng.conformance.accumulate.SummationOrder;
import dev.heng.conformance.format.FloatFormat;
import dev.heng.conformance.format.Rounding;
import dev.heng.conformance.random.RandomStream;
import dev.heng.spi.NumericsProfile;
import dev.heng.spi.NumericsProfile.Accumulation;
import java.util.List;
import org.junit.jupiter.api.Test;

/** Promises that are kept stand in every order of summation, and broken ones fall in every order. */
final class RefuterTest {

    private static final List<SummationOrder> ORDERS = List.of(
            new SummationOrder.Sequential(),
            new SummationOrder.Permuted(5),
            new SummationOrder.SplitK(4),
            new SummationOrder.Chunked(64),
            new SummationOrder.PairwiseTree(8));

    /** Room for the terms of every column, and more. */
    private static final int LENGTH = 3 * Refuter.COLUMNS + 7;

    private static final NumericsProfile.Rounding TOWARD_ZERO = NumericsProfile.Rounding.TOWARD_ZERO;

    private static Refuter.Found refute(
            AccumulationProfile unit, SummationOrder order, FloatFormat input, Accumulation declared) {
        EmulatedProduct product = new EmulatedProduct(new MatrixUnit(unit), order, input, FloatFormat.F32);
        return Refuter.refute(product, declared, 4, LENGTH, RandomStream.of("refuter", 7, order.toString()));
    }

    private static void stands(AccumulationProfile unit, FloatFormat input, Accumulation declared) {
        for (SummationOrder order : ORDERS) {
            assertEquals(List.of(), refute(unit, order, input, declared).refutations(), unit + " in " + order);
        }
    }

    private static void falls(AccumulationProfile unit, FloatFormat input, Accumulation declared, String why) {
        for (SummationOrder order : ORDERS) {
            List<String> refutations = refute(unit, order, input, declared).refutations();
            assertTrue(
                    refutations.stream().anyMatch(one -> one.contains(why)),
                    unit + " in " + order + ": " + refutations);
        }
    }

    @Test
    void promisesThatAreKeptStandInEveryOrder() {
        stands(AccumulationProfile.FLOAT32_FMA, FloatFormat.F32, Accumulation.f32());
        stands(AccumulationProfile.FLOAT32_MULTIPLY_ADD, FloatFormat.BF16, Accumulation.f32());
        stands(AccumulationProfile.FLOAT64, FloatFormat.F32, Accumulation.f32());
        AccumulationProfile h200 = AccumulationProfile.matrixUnit(16, 26, Rounding.TOWARD_ZERO);
        Accumulation declared = Accumulation.matrixUnit(11, 16, 26, 24, TOWARD_ZERO);
        stands(h200, FloatFormat.BF16, declared);
        stands(h200, FloatFormat.F16, declared);
        AccumulationProfile eight = AccumulationProfile.matrixUnit(32, 14, Rounding.TOWARD_ZERO);
        stands(eight, FloatFormat.BF16, Accumulation.matrixUnit(8, 32, 14, 14, TOWARD_ZERO));
        AccumulationProfile tf32 =
                AccumulationProfile.matrixUnit(8, 26, Rounding.TOWARD_ZERO).withInputs(11, Rounding.NEAREST_EVEN);
        stands(tf32, FloatFormat.F32, Accumulation.matrixUnit(11, 8, 26, 24, TOWARD_ZERO));
    }

    @Test
    void tf32ClaimedAsFloat32IsRefuted() {
        falls(
                AccumulationProfile.FLOAT32_FMA.withInputs(11, Rounding.NEAREST_EVEN),
                FloatFormat.F32,
                Accumulation.f32(),
                "are cut to 11 bits");
        falls(
                AccumulationProfile.FLOAT32_FMA.withInputs(8, Rounding.NEAREST_EVEN),
                FloatFormat.F32,
                Accumulation.f32(),
                "are cut to 8 bits");
    }

    @Test
    void aNarrowAccumulatorClaimedAsFloat32IsRefuted() {
        falls(
                AccumulationProfile.FLOAT32_FMA.withRunningSum(11, Rounding.NEAREST_EVEN),
                FloatFormat.F16,
                Accumulation.f32(),
                "sums keep 11 bits");
        falls(
                AccumulationProfile.FLOAT32_FMA.withHalfAccumulator(),
                FloatFormat.F16,
                Accumulation.f32(),
                "overflow beyond float16");
        falls(
                AccumulationProfile.matrixUnit(32, 14, Rounding.TOWARD_ZERO),
                FloatFormat.BF16,
                Accumulation.f32(),
                "sums keep 14 bits");
    }

    @Test
    void truncationClaimedAsRoundingToNearestIsRefuted() {
        falls(
                AccumulationProfile.FLOAT32_FMA.withRunningSum(24, Rounding.TOWARD_ZERO),
                FloatFormat.F32,
                Accumulation.f32(),
                "truncated");
    }

    /** A product whose weights are integers times a power of two, as int8 and int4 are. */
    private record IntegerWeights(MatrixProduct product, int bits) implements MatrixProduct {
        @Override
        public FloatFormat inputFormat() {
            return product.inputFormat();
        }

        @Override
        public FloatFormat outputFormat() {
            return product.outputFormat();
        }

        @Override
        public OperandRange weights() {
            return OperandRange.integers(bits);
        }

        @Override
        public double[] multiply(double[] a, double[] b, int m, int n, int k) {
            int largest = (1 << bits) - 1;
            for (double weight : b) {
                double code = Math.scalb(weight, bits - 1);
                assertTrue(code == Math.rint(code) && Math.abs(code) <= largest, "no weight is " + weight);
            }
            return product.multiply(a, b, m, n, k);
        }
    }

    @Test
    void questionsKeepToTheNumbersThatWeightsCanBe() {
        for (int bits : new int[] {3, 7}) {
            for (FloatFormat input : List.of(FloatFormat.BF16, FloatFormat.F16, FloatFormat.F32)) {
                for (int kept : new int[] {8, 11, 24}) {
                    AccumulationProfile unit =
                            AccumulationProfile.FLOAT32_FMA.withRunningSum(kept, Rounding.NEAREST_EVEN);
                    MatrixProduct product = new IntegerWeights(
                            new EmulatedProduct(
                                    new MatrixUnit(unit), new SummationOrder.Sequential(), input, FloatFormat.F32),
                            bits);
                    Refuter.Found found = Refuter.refute(
                            product, Accumulation.f32(), 4, LENGTH, RandomStream.of("integers", 7, input.name()));
                    assertEquals(kept, found.keptBits(), input + " by " + bits);
                    assertEquals(Math.min(bits, kept), found.weightBits(), input + " by " + bits);
                    assertEquals(Math.min(input.significandBits(), kept), found.activationBits());
                    assertEquals(
                            kept < 24,
                            !found.refutations().isEmpty(),
                            found.refutations().toString());
                }
            }
        }
    }

    @Test
    void whatIsKeptBeyondThePromiseIsSeen() {
        Accumulation modest = Accumulation.matrixUnit(8, 16, 12, 12, TOWARD_ZERO);
        for (SummationOrder order : ORDERS) {
            Refuter.Found found = refute(AccumulationProfile.FLOAT32_FMA, order, FloatFormat.F32, modest);
            assertEquals(24, found.keptBits());
            assertEquals(24, found.activationBits());
            assertEquals(24, found.weightBits());
            assertEquals(List.of(), found.refutations());
        }
    }

    /** A device that works as {@code right} does but for one element of every product. */
    private record WrongElement(MatrixProduct right, MatrixProduct wrong, int row, int column)
            implements MatrixProduct {
        @Override
        public FloatFormat inputFormat() {
            return right.inputFormat();
        }

        @Override
        public FloatFormat outputFormat() {
            return right.outputFormat();
        }

        @Override
        public double[] multiply(double[] a, double[] b, int m, int n, int k) {
            double[] results = right.multiply(a, b, m, n, k);
            results[row * n + column] = wrong.multiply(a, b, m, n, k)[row * n + column];
            return results;
        }
    }

    @Test
    void everyElementOfAProductIsAsked() {
        SummationOrder order = new SummationOrder.Sequential();
        MatrixProduct right = new EmulatedProduct(
                new MatrixUnit(AccumulationProfile.FLOAT32_FMA), order, FloatFormat.BF16, FloatFormat.F32);
        MatrixProduct coarse = new EmulatedProduct(
                new MatrixUnit(AccumulationProfile.matrixUnit(16, 14, Rounding.NEAREST_EVEN)),
                order,
                FloatFormat.BF16,
                FloatFormat.F32);
        for (int row : new int[] {0, 4}) {
            for (int column : new int[] {0, 31, Refuter.COLUMNS - 1}) {
                Refuter.Found found = Refuter.refute(
                        new WrongElement(right, coarse, row, column),
                        Accumulation.f32(),
                        5,
                        LENGTH,
                        RandomStream.of("refuter", 7, "one"));
                // Fourteen bits of aligned terms, and of a lone one the next by luck.
                assertTrue(found.keptBits() <= 15, "row " + row + " column " + column + ": " + found);
                assertTrue(found.refutations().getFirst().contains("declared 24"), found.toString());
            }
        }
    }

    @Test
    void sumsWithoutRoomForTheQuestionsAreRefused() {
        MatrixProduct product = new EmulatedProduct(
                new MatrixUnit(AccumulationProfile.FLOAT32_FMA),
                new SummationOrder.Sequential(),
                FloatFormat.BF16,
                FloatFormat.F32);
        assertThrows(
                IllegalArgumentException.class,
                () -> Refuter.refute(
                        product,
                        Accumulation.f32(),
                        1,
                        3 * Refuter.COLUMNS - 1,
                        RandomStream.of("refuter", 7, "short")));
    }
}
