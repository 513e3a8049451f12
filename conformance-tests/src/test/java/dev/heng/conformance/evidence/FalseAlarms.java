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

/** Judges correct products of emulated units: whatever fails is a false alarm. */
final class FalseAlarms {

    static final int ROWS = 8;
    static final int COLUMNS = 16;
    static final FloatFormat[] FORMATS = {FloatFormat.F32, FloatFormat.BF16, FloatFormat.F16, FloatFormat.F8_E4M3};
    static final int[] LENGTHS = {64, 256, 2048, 7168, 18432};

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

    /** Every profile of the grid, in the variants that go with this fill. */
    static List<AccumulationProfile> profiles(int[] keptBits, int[] blockLengths, MatrixFill fill) {
        List<AccumulationProfile> profiles = new ArrayList<>();
        for (int blockLength : blockLengths) {
            for (int bits : keptBits) {
                for (Rounding rounding : Rounding.values()) {
                    AccumulationProfile profile = AccumulationProfile.matrixUnit(blockLength, bits, rounding);
                    profiles.add(profile);
                    if (fill == MatrixFill.UNIFORM) {
                        profiles.add(profile.withSeparateBlockSum());
                    } else if (fill == MatrixFill.NORMAL && blockLength < 128) {
                        profiles.add(profile.withPromotion(128));
                    }
                }
            }
        }
        profiles.add(AccumulationProfile.FLOAT32_FMA);
        profiles.add(AccumulationProfile.FLOAT32_MULTIPLY_ADD);
        return profiles;
    }

    static Tally study(FloatFormat format, int k, MatrixFill fill, List<AccumulationProfile> profiles) {
        Tally tally = new Tally();
        int[] shape = {ROWS, COLUMNS};
        int draw = 0;
        for (AccumulationProfile profile : profiles) {
            RandomStream stream = RandomStream.of("false alarms", draw++, format + " " + k + " " + fill);
            double[] a = fill.fill(stream.split("a"), format, Operand.ACTIVATIONS, ROWS, k)
                    .values();
            double[] b = fill.fill(stream.split("b"), format, Operand.WEIGHTS, COLUMNS, k)
                    .values();
            ProductMoments moments = ProductMoments.of(a, b, ROWS, COLUMNS, k);
            // 8-bit operands are returned in bfloat16, as models have it; the others in their own format.
            FloatFormat output = format == FloatFormat.F8_E4M3 ? FloatFormat.BF16 : format;
            for (SummationOrder order : orders()) {
                // Half of the products leave the unit as float32, where accumulation is not hidden by the output's
                // rounding.
                FloatFormat returned = tally.products % 2 == 0 ? FloatFormat.F32 : output;
                ProductBound bound = new ProductBound(moments, profile, returned, true);
                double[] sums = new MatrixUnit(profile).multiply(a, b, ROWS, COLUMNS, k, order);
                FloatTensor got = FloatTensor.rounded(returned, shape, sums);
                Verdict element = FloatComparator.underBound(got, returned, shape, moments.exact(), bound);
                Verdict bias = BiasComparator.test(got, bound);
                tally.products++;
                tally.elements += got.size();
                tally.worstError = Math.max(tally.worstError, element.ratio());
                tally.worstBias = Math.max(tally.worstBias, bias.ratio());
                if (!element.passed() || !bias.passed()) {
                    tally.alarms.add(format + " K=" + k + " " + fill + " " + profile + " " + order + ": " + element
                            + "; " + bias);
                }
            }
        }
        return tally;
    }
}
