package dev.heng.conformance.evidence;

import dev.heng.conformance.accumulate.AccumulationProfile;
import dev.heng.conformance.accumulate.MatrixUnit;
import dev.heng.conformance.accumulate.SummationOrder;
import dev.heng.conformance.bound.ProductBound;
import dev.heng.conformance.bound.ProductMoments;
import dev.heng.conformance.compare.BiasComparator;
import dev.heng.conformance.compare.FloatComparator;
import dev.heng.conformance.compare.FloatTensor;
import dev.heng.conformance.compare.Verdict;
import dev.heng.conformance.fill.MatrixFill;
import dev.heng.conformance.fill.Operand;
import dev.heng.conformance.format.FloatFormat;
import dev.heng.conformance.format.Rounding;
import dev.heng.conformance.random.RandomStream;
import java.util.ArrayList;
import java.util.List;

/**
 * Judges correct products of emulated units: whatever fails is a false alarm.
 *
 * <p>A product is one matrix of elements, summed in one order by one unit, and judged as the suite judges it: every element under F6 and
 * all of them together under F7. An evaluation is one element so judged. Each unit draws its own data and is run in all orders on them;
 * fills and variants of units (fused, with block sums of their own, promoted every 128) take turns over the grid.
 */
final class FalseAlarms {

    static final FloatFormat[] FORMATS = {FloatFormat.F32, FloatFormat.BF16, FloatFormat.F16, FloatFormat.F8_E4M3};
    static final int[] LENGTHS = {64, 256, 2048, 7168, 18432};

    /** The interval of float32 promotion that kernels of 8-bit products use. */
    private static final int PROMOTION = 128;

    /** The part of the grid that one study covers; products are {@code rows} by {@code columns}. */
    @SuppressWarnings("ArrayRecordComponent") // A grid of a test; never compared.
    record Grid(FloatFormat format, int k, int[] keptBits, int[] blockLengths, int rows, int columns) {}

    /** What a study found, over all its legal products. */
    static final class Tally {
        long products;
        long elements;
        double worstError;
        double worstBias;
        final List<String> alarms = new ArrayList<>();

        void add(Tally other) {
            products += other.products;
            elements += other.elements;
            worstError = Math.max(worstError, other.worstError);
            worstBias = Math.max(worstBias, other.worstBias);
            alarms.addAll(other.alarms);
        }
    }

    private FalseAlarms() {}

    static List<SummationOrder> orders() {
        return List.of(
                new SummationOrder.Sequential(),
                new SummationOrder.Permuted(7),
                new SummationOrder.SplitK(4),
                new SummationOrder.Chunked(64),
                new SummationOrder.PairwiseTree(16));
    }

    /** Returns one unit for each block length, number of kept bits and direction, and the two scalar ones. */
    static List<AccumulationProfile> profiles(int[] keptBits, int[] blockLengths) {
        List<AccumulationProfile> profiles = new ArrayList<>();
        for (int blockLength : blockLengths) {
            for (int bits : keptBits) {
                for (Rounding rounding : Rounding.values()) {
                    AccumulationProfile profile = AccumulationProfile.matrixUnit(blockLength, bits, rounding);
                    // Two directions for each number of bits: a step of three visits every variant with both.
                    profiles.add(
                            switch (profiles.size() % 3) {
                                case 0 -> profile;
                                case 1 -> profile.withSeparateBlockSum();
                                default -> blockLength < PROMOTION ? profile.withPromotion(PROMOTION) : profile;
                            });
                }
            }
        }
        profiles.add(AccumulationProfile.FLOAT32_FMA);
        profiles.add(AccumulationProfile.FLOAT32_MULTIPLY_ADD);
        return profiles;
    }

    static Tally study(Grid grid) {
        Tally tally = new Tally();
        List<MatrixFill> fills = EvidenceTest.signedFills();
        int draw = 0;
        for (AccumulationProfile profile : profiles(grid.keptBits(), grid.blockLengths())) {
            // Coprime to the variants' period, so that every fill meets every variant.
            MatrixFill fill = fills.get(draw / 2 % fills.size());
            RandomStream stream = RandomStream.of("false alarms", draw++, grid.format() + " " + grid.k() + " " + fill);
            tally.add(judge(grid, profile, fill, stream));
        }
        return tally;
    }

    private static Tally judge(Grid grid, AccumulationProfile profile, MatrixFill fill, RandomStream stream) {
        FloatFormat format = grid.format();
        int k = grid.k();
        double[] a = fill.fill(stream.split("a"), format, Operand.ACTIVATIONS, grid.rows(), k)
                .values();
        double[] b = fill.fill(stream.split("b"), format, Operand.WEIGHTS, grid.columns(), k)
                .values();
        ProductMoments moments = ProductMoments.of(a, b, grid.rows(), grid.columns(), k);
        // 8-bit operands are returned in bfloat16, as models have it; the others in their own format.
        FloatFormat output = format == FloatFormat.F8_E4M3 ? FloatFormat.BF16 : format;
        int[] shape = {grid.rows(), grid.columns()};
        Tally tally = new Tally();
        for (SummationOrder order : orders()) {
            double[] sums = new MatrixUnit(profile).multiply(a, b, grid.rows(), grid.columns(), k, order);
            // Half of the products leave the unit as float32, where accumulation is not hidden by the output's
            // rounding.
            FloatFormat returned = stream.split(order.toString()).nextInt(2) == 0 ? FloatFormat.F32 : output;
            ProductBound bound = new ProductBound(moments, profile, returned, true);
            FloatTensor got = FloatTensor.rounded(returned, shape, sums);
            Verdict element = FloatComparator.underBound(got, returned, shape, moments.exact(), bound);
            Verdict bias = BiasComparator.test(got, bound);
            tally.products++;
            tally.elements += got.size();
            tally.worstError = Math.max(tally.worstError, element.ratio());
            tally.worstBias = Math.max(tally.worstBias, bias.ratio());
            if (!element.passed() || !bias.passed()) {
                tally.alarms.add(
                        format + " K=" + k + " " + fill + " " + profile + " " + order + ": " + element + "; " + bias);
            }
        }
        return tally;
    }
}
