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
import java.util.function.Function;

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
 *
 * <p>Operands and what is expected are made once, for any number of products to be held against. Immutable and thread-safe.
 */
public final class ProductTrials {

    private static final int FLOAT_BITS = AccumulationProfile.FLOAT_BITS;

    private final Trial real;
    private final Trial exact;
    private final Trial copied;

    /**
     * Prepares the trials.
     *
     * @param profile the profile that the device declares and probes did not refute
     * @param input the operands' format
     * @param output the results' format
     * @param stream where inputs come from
     * @param fill the fill of real data
     * @param m rows of A
     * @param n rows of B
     * @param k length along K
     */
    public ProductTrials(
            AccumulationProfile profile,
            FloatFormat input,
            FloatFormat output,
            RandomStream stream,
            MatrixFill fill,
            int m,
            int n,
            int k) {
        Size size = new Size(m, n, k);
        this.real = real(profile, input, output, stream, fill, size);
        this.exact = exact(profile, input, output, stream, size);
        this.copied = copied(profile, input, output, stream, size);
    }

    private record Size(int m, int n, int k) {}

    /** What a product is given, and how its result is judged. */
    @SuppressWarnings("ArrayRecordComponent") // As large as the operands; never compared.
    private record Trial(
            double[] a, double[] b, Size size, FloatFormat output, Function<FloatTensor, List<Verdict>> judge) {
        List<Verdict> of(MatrixProduct product) {
            double[] c = product.multiply(a, b, size.m(), size.n(), size.k());
            return judge.apply(FloatTensor.matrix(output, size.m(), size.n(), c));
        }
    }

    /** Returns the verdicts of all trials, in the order of the list above, element comparison before bias test. */
    public List<Verdict> run(MatrixProduct product) {
        List<Verdict> verdicts = new ArrayList<>(underBound(product));
        verdicts.add(exactSums(product));
        verdicts.add(copies(product));
        return verdicts;
    }

    /** Returns the verdicts of the trial of real data; the second, of the bias, only where the fill is signed and exchangeable. */
    public List<Verdict> underBound(MatrixProduct product) {
        return real.of(product);
    }

    /** Returns the verdict of the trial of exact sums. */
    public Verdict exactSums(MatrixProduct product) {
        return exact.of(product).getFirst();
    }

    /** Returns the verdict of the trial of copied weights. */
    public Verdict copies(MatrixProduct product) {
        return copied.of(product).getFirst();
    }

    private static Trial real(
            AccumulationProfile profile,
            FloatFormat input,
            FloatFormat output,
            RandomStream stream,
            MatrixFill fill,
            Size size) {
        double[] a = fill.fill(stream.split("real a"), input, Operand.ACTIVATIONS, size.m(), size.k())
                .values();
        double[] b = fill.fill(stream.split("real b"), input, Operand.WEIGHTS, size.n(), size.k())
                .values();
        // The reference multiplies exactly what the declared unit multiplies.
        MatrixUnit unit = new MatrixUnit(profile);
        ProductMoments moments = ProductMoments.of(unit.cutInputs(a), unit.cutInputs(b), size.m(), size.n(), size.k());
        ProductBound bound = new ProductBound(moments, profile, output, fill.isSignedIndependent());
        return new Trial(a, b, size, output, got -> {
            Verdict element =
                    FloatComparator.underBound(got, output, new int[] {size.m(), size.n()}, moments.exact(), bound);
            return bound.isExchangeable() ? List.of(element, BiasComparator.test(got, bound)) : List.of(element);
        });
    }

    private static Trial exact(
            AccumulationProfile profile, FloatFormat input, FloatFormat output, RandomStream stream, Size size) {
        // Nor may sums leave the output's range, or infinities would hide them.
        int bits = Math.min(Math.min(profile.keptBits(), FLOAT_BITS), output.maxExponent());
        ExactProductFill.Operands operands =
                ExactProductFill.fill(stream.split("exact"), input, bits, size.m(), size.n(), size.k());
        return bitForBit(operands.activations().values(), operands.weights().values(), size, output);
    }

    private static Trial copied(
            AccumulationProfile profile, FloatFormat input, FloatFormat output, RandomStream stream, Size size) {
        double[] a = MatrixFill.ONE_HOT
                .fill(stream.split("one-hot"), input, Operand.ACTIVATIONS, size.m(), size.k())
                .values();
        double[] b = MatrixFill.ONE_HOT
                .fill(stream.split("weights"), input, Operand.WEIGHTS, size.n(), size.k())
                .values();
        int bits = Math.min(profile.keptBits(), profile.inputBits());
        if (bits < input.significandBits()) {
            for (int index = 0; index < b.length; index++) {
                b[index] = Double.longBitsToDouble(Double.doubleToRawLongBits(Significand.truncate(b[index], bits))
                        | 1L << (Significand.DOUBLE_BITS - bits));
            }
        }
        return bitForBit(a, b, size, output);
    }

    private static Trial bitForBit(double[] a, double[] b, Size size, FloatFormat output) {
        ProductMoments moments = ProductMoments.of(a, b, size.m(), size.n(), size.k());
        // A sum of products that cancels is +0 in every order that starts from +0, as the moments do.
        return new Trial(
                a,
                b,
                size,
                output,
                got -> List.of(FloatComparator.exact(got, output, new int[] {size.m(), size.n()}, moments.exact())));
    }
}
