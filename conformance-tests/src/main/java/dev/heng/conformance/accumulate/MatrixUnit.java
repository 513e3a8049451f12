package dev.heng.conformance.accumulate;

import dev.heng.conformance.format.Rounding;
import dev.heng.conformance.format.Significand;
import dev.heng.conformance.random.RandomStream;
import java.util.Arrays;

/**
 * Multiplies matrices as a unit of a given profile would, bit for bit.
 *
 * <p>Every step is exact in double or rounds once where the profile says so: products of two operands of at most 24 bits have at
 * most 48; aligned terms are integers below 2^40, of which 257 sum below 2^49. Exponents are double's, except for the float16
 * range that a profile may name: overflow and underflow of a float32 accumulator are not modelled.
 *
 * <p>Instances are immutable and thread-safe.
 */
public final class MatrixUnit {

    private static final long MAGNITUDE = Long.MAX_VALUE;
    private static final int DOUBLE_BIAS = 1023;
    private static final int DOUBLE_FRACTION_BITS = 52;

    /** The largest finite float16. */
    private static final double HALF_MAX = 65504;

    /** The exponent of the last place of a float16 subnormal. */
    private static final int HALF_LAST_PLACE = -24;

    private final AccumulationProfile profile;

    public MatrixUnit(AccumulationProfile profile) {
        this.profile = profile;
    }

    /** Returns the profile that this unit follows. */
    public AccumulationProfile profile() {
        return profile;
    }

    /**
     * Returns {@code C[M,N] = A[M,K] * B[N,K]^T}, row-major, as the running sums come out: not yet rounded to an output format.
     *
     * @param a row-major A[M,K]; values of at most 24 significand bits
     * @param b row-major B[N,K]; values of at most 24 significand bits
     * @param m rows of A
     * @param n rows of B
     * @param k length along K
     * @param order the order of summation along K
     */
    public double[] multiply(double[] a, double[] b, int m, int n, int k, SummationOrder order) {
        if (a.length != Math.multiplyExact(m, k) || b.length != Math.multiplyExact(n, k)) {
            throw new IllegalArgumentException("A has " + a.length + " and B " + b.length
                    + " values, which do not fit M=" + m + " N=" + n + " K=" + k);
        }
        double[] left = cutInputs(a);
        double[] right = cutInputs(b);
        if (order instanceof SummationOrder.Permuted permuted) {
            int[] permutation =
                    RandomStream.of("summation order", permuted.seed(), "K").permutation(k);
            left = gather(left, m, k, permutation);
            right = gather(right, n, k, permutation);
        }
        double[] c = new double[Math.multiplyExact(m, n)];
        double[] products = new double[Math.max(1, profile.blockLength())];
        for (int row = 0; row < m; row++) {
            for (int column = 0; column < n; column++) {
                c[row * n + column] = dot(left, row * k, right, column * k, k, order, products);
            }
        }
        return c;
    }

    /** Returns {@code values} with the operands' bits cut as the profile says. */
    public double[] cutInputs(double[] values) {
        if (profile.inputBits() >= AccumulationProfile.FLOAT_BITS) {
            return values;
        }
        double[] cut = new double[values.length];
        for (int index = 0; index < values.length; index++) {
            cut[index] = Significand.round(values[index], profile.inputBits(), profile.inputRounding());
        }
        return cut;
    }

    private double dot(double[] a, int aStart, double[] b, int bStart, int k, SummationOrder order, double[] products) {
        return switch (order) {
            case SummationOrder.Sequential sequential -> segment(a, aStart, b, bStart, k, products);
            case SummationOrder.Permuted permuted -> segment(a, aStart, b, bStart, k, products);
            case SummationOrder.SplitK split ->
                chunks(a, aStart, b, bStart, k, Math.max(1, Math.ceilDiv(k, split.parts())), products);
            case SummationOrder.Chunked chunked -> chunks(a, aStart, b, bStart, k, chunked.length(), products);
            case SummationOrder.PairwiseTree pairwise -> tree(a, aStart, b, bStart, k, pairwise.leaf(), products);
        };
    }

    private double chunks(double[] a, int aStart, double[] b, int bStart, int k, int length, double[] products) {
        double total = 0;
        for (int from = 0; from < k; from += length) {
            int count = Math.min(length, k - from);
            double part = segment(a, aStart + from, b, bStart + from, count, products);
            total = from == 0 ? part : addOutside(total, part);
        }
        return total;
    }

    private double tree(double[] a, int aStart, double[] b, int bStart, int k, int leaf, double[] products) {
        int leaves = Math.ceilDiv(k, leaf);
        if (leaves <= 1) {
            return segment(a, aStart, b, bStart, k, products);
        }
        int split = Math.ceilDiv(leaves, 2) * leaf;
        return addOutside(
                tree(a, aStart, b, bStart, split, leaf, products),
                tree(a, aStart + split, b, bStart + split, k - split, leaf, products));
    }

    /** Adds two partial sums outside the unit: float32, or the running sum's own width where that is wider. */
    private double addOutside(double x, double y) {
        double sum = x + y;
        if (!Double.isFinite(sum)) {
            return sum;
        }
        int bits = Math.max(AccumulationProfile.FLOAT_BITS, profile.sumBits());
        return Significand.roundSum(x, y, bits, Rounding.NEAREST_EVEN);
    }

    /** Sums one contiguous run of K inside the unit, promotions included. */
    private double segment(double[] a, int aStart, double[] b, int bStart, int k, double[] products) {
        int interval = profile.promotionInterval();
        if (interval == AccumulationProfile.NEVER || interval >= k) {
            return runningSum(a, aStart, b, bStart, k, products);
        }
        double promoted = 0;
        for (int from = 0; from < k; from += interval) {
            int count = Math.min(interval, k - from);
            promoted = addOutside(promoted, runningSum(a, aStart + from, b, bStart + from, count, products));
        }
        return promoted;
    }

    private double runningSum(double[] a, int aStart, double[] b, int bStart, int k, double[] products) {
        if (profile.isScalar()) {
            return scalarSum(a, aStart, b, bStart, k);
        }
        int blockLength = profile.blockLength();
        double sum = 0;
        for (int from = 0; from < k; from += blockLength) {
            int count = Math.min(blockLength, k - from);
            long largest = 0;
            for (int index = 0; index < count; index++) {
                double product = a[aStart + from + index] * b[bStart + from + index];
                products[index] = product;
                // As integers, magnitudes order as doubles do, and NaN and infinities come out on top.
                largest = Math.max(largest, Double.doubleToRawLongBits(product) & MAGNITUDE);
            }
            sum = addBlock(sum, products, count, largest);
        }
        return sum;
    }

    private double addBlock(double sum, double[] products, int count, long largestProduct) {
        long largest = profile.fused()
                ? Math.max(largestProduct, Double.doubleToRawLongBits(sum) & MAGNITUDE)
                : largestProduct;
        int exponent = (int) (largest >>> DOUBLE_FRACTION_BITS) - DOUBLE_BIAS;
        if (exponent == Double.MAX_EXPONENT + 1 || !Double.isFinite(sum)) {
            double special = sum;
            for (int index = 0; index < count; index++) {
                special += products[index];
            }
            return special;
        }
        if (largest == 0) {
            return sum;
        }
        int lastPlace = exponent - profile.alignBits() + 1;
        double scale = powerOfTwo(-lastPlace);
        double aligned = 0;
        switch (profile.alignRounding()) {
            case TOWARD_ZERO -> {
                long total = profile.fused() ? (long) (sum * scale) : 0;
                for (int index = 0; index < count; index++) {
                    total += (long) (products[index] * scale);
                }
                aligned = (double) total;
            }
            case NEAREST_EVEN -> {
                double total = profile.fused() ? Math.rint(sum * scale) : 0;
                for (int index = 0; index < count; index++) {
                    total += Math.rint(products[index] * scale);
                }
                aligned = total;
            }
        }
        double block = aligned * powerOfTwo(lastPlace);
        double rounded = profile.fused()
                ? Significand.round(block, profile.sumBits(), profile.sumRounding())
                : Significand.roundSum(sum, block, profile.sumBits(), profile.sumRounding());
        return inRange(rounded);
    }

    private double scalarSum(double[] a, int aStart, double[] b, int bStart, int k) {
        double sum = 0;
        for (int index = 0; index < k; index++) {
            double product = a[aStart + index] * b[bStart + index];
            if (!Double.isFinite(product) || !Double.isFinite(sum)) {
                sum += product;
                continue;
            }
            double term = profile.alignBits() == AccumulationProfile.EXACT
                    ? product
                    : Significand.round(product, profile.alignBits(), profile.alignRounding());
            sum = inRange(Significand.roundSum(sum, term, profile.sumBits(), profile.sumRounding()));
        }
        return sum;
    }

    private double inRange(double sum) {
        if (!profile.halfRange() || sum == 0) {
            return sum;
        }
        if (Math.abs(sum) > HALF_MAX) {
            return switch (profile.sumRounding()) {
                case NEAREST_EVEN -> Math.copySign(Double.POSITIVE_INFINITY, sum);
                case TOWARD_ZERO -> Math.copySign(HALF_MAX, sum);
            };
        }
        double places = sum * powerOfTwo(-HALF_LAST_PLACE);
        return switch (profile.sumRounding()) {
                    case NEAREST_EVEN -> Math.rint(places);
                    case TOWARD_ZERO -> places < 0 ? Math.ceil(places) : Math.floor(places);
                }
                * powerOfTwo(HALF_LAST_PLACE);
    }

    private static double powerOfTwo(int exponent) {
        return Double.longBitsToDouble((long) (exponent + DOUBLE_BIAS) << DOUBLE_FRACTION_BITS);
    }

    private static double[] gather(double[] values, int rows, int columns, int[] permutation) {
        double[] gathered = new double[values.length];
        for (int row = 0; row < rows; row++) {
            for (int column = 0; column < columns; column++) {
                gathered[row * columns + column] = values[row * columns + permutation[column]];
            }
        }
        return gathered;
    }

    @Override
    public String toString() {
        return "MatrixUnit[" + profile + "]";
    }

    @Override
    public boolean equals(Object other) {
        return other instanceof MatrixUnit unit && unit.profile.equals(profile);
    }

    @Override
    public int hashCode() {
        return Arrays.hashCode(new Object[] {profile});
    }
}
