package dev.heng.conformance.compare;

import dev.heng.conformance.accumulate.AccumulationProfile;
import dev.heng.conformance.accumulate.MatrixUnit;
import dev.heng.conformance.bound.ProductBound;
import dev.heng.conformance.bound.ProductMoments;
import dev.heng.conformance.fill.ExactProductFill;
import dev.heng.conformance.fill.MatrixFill;
import dev.heng.conformance.fill.Operand;
import dev.heng.conformance.format.FloatFormat;
import dev.heng.conformance.format.Significand;
import dev.heng.conformance.probe.MatrixProduct;
import dev.heng.conformance.random.RandomStream;
import java.util.ArrayList;
import java.util.List;

/**
 * The trials that every matrix product of a device must stand, whatever its profile: each sees faults that the others cannot.
 *
 * <ol>
 *   <li>Real data under the per-element bound and the bias test: dropped terms, misplaced elements, lost precision in long sums,
 *       small scale errors.
 *   <li>Integers that the declared unit sums without rounding, bit for bit: everything that changes a value, at any profile however
 *       coarse, among it accumulators narrower than declared.
 *   <li>One-hot rows that copy weights of all the bits that the unit keeps, bit for bit: operands cut to fewer bits, and indices.
 * </ol>
 */
public final class ProductTrials {

    private static final int FLOAT_BITS = AccumulationProfile.FLOAT_BITS;

    private ProductTrials() {}

    /**
     * Runs all trials.
     *
     * @param product the device
     * @param profile the profile that the device declares and probes did not refute
     * @param stream where inputs come from
     * @param real the fill of real data; signed and exchangeable
     * @param m rows of A
     * @param n rows of B
     * @param k length along K
     * @return the verdicts, in the order of the list above, element comparison before bias test
     */
    public static List<Verdict> run(
            MatrixProduct product,
            AccumulationProfile profile,
            RandomStream stream,
            MatrixFill real,
            int m,
            int n,
            int k) {
        List<Verdict> verdicts = new ArrayList<>(underBound(product, profile, stream, real, m, n, k));
        verdicts.add(exactSums(product, profile, stream, m, n, k));
        verdicts.add(copies(product, profile, stream, m, n, k));
        return verdicts;
    }

    /** Runs the trial of real data; see {@link #run}. */
    public static List<Verdict> underBound(
            MatrixProduct product,
            AccumulationProfile profile,
            RandomStream stream,
            MatrixFill real,
            int m,
            int n,
            int k) {
        FloatFormat input = product.inputFormat();
        double[] a = real.fill(stream.split("real a"), input, Operand.ACTIVATIONS, m, k)
                .values();
        double[] b =
                real.fill(stream.split("real b"), input, Operand.WEIGHTS, n, k).values();
        // The reference multiplies exactly what the declared unit multiplies.
        MatrixUnit unit = new MatrixUnit(profile);
        ProductMoments moments = ProductMoments.of(unit.cutInputs(a), unit.cutInputs(b), m, n, k);
        ProductBound bound = new ProductBound(moments, profile, product.outputFormat(), real.isSignedIndependent());
        FloatTensor got = FloatTensor.matrix(product.outputFormat(), m, n, product.multiply(a, b, m, n, k));
        List<Verdict> verdicts = new ArrayList<>();
        verdicts.add(FloatComparator.underBound(got, product.outputFormat(), new int[] {m, n}, moments.exact(), bound));
        if (bound.isExchangeable()) {
            verdicts.add(BiasComparator.test(got, bound));
        }
        return verdicts;
    }

    /** Runs the trial of exact sums; see {@link #run}. */
    public static Verdict exactSums(
            MatrixProduct product, AccumulationProfile profile, RandomStream stream, int m, int n, int k) {
        // Nor may sums leave the output's range, or infinities would hide them.
        int bits = Math.min(
                Math.min(profile.keptBits(), FLOAT_BITS), product.outputFormat().maxExponent());
        ExactProductFill.Operands operands =
                ExactProductFill.fill(stream.split("exact"), product.inputFormat(), bits, m, n, k);
        return exact(
                product, operands.activations().values(), operands.weights().values(), m, n, k);
    }

    /** Runs the trial of copied weights; see {@link #run}. */
    public static Verdict copies(
            MatrixProduct product, AccumulationProfile profile, RandomStream stream, int m, int n, int k) {
        FloatFormat input = product.inputFormat();
        double[] a = MatrixFill.ONE_HOT
                .fill(stream.split("one-hot"), input, Operand.ACTIVATIONS, m, k)
                .values();
        double[] b = MatrixFill.ONE_HOT
                .fill(stream.split("weights"), input, Operand.WEIGHTS, n, k)
                .values();
        int bits = Math.min(profile.keptBits(), profile.inputBits());
        if (bits < input.significandBits()) {
            for (int index = 0; index < b.length; index++) {
                b[index] = Double.longBitsToDouble(Double.doubleToRawLongBits(Significand.truncate(b[index], bits))
                        | 1L << (Significand.DOUBLE_BITS - bits));
            }
        }
        return exact(product, a, b, m, n, k);
    }

    private static Verdict exact(MatrixProduct product, double[] a, double[] b, int m, int n, int k) {
        ProductMoments moments = ProductMoments.of(a, b, m, n, k);
        FloatTensor got = FloatTensor.matrix(product.outputFormat(), m, n, product.multiply(a, b, m, n, k));
        // A sum of products that cancels is +0 in every order that starts from +0, as the moments do.
        return FloatComparator.exact(got, product.outputFormat(), new int[] {m, n}, moments.exact());
    }
}
