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
import dev.heng.conformance.format.Significand;
import dev.heng.conformance.random.RandomStream;
import java.util.Locale;

/**
 * Emulates the products that were measured once on an H200 through cuBLAS and states them in the same terms: the largest error in
 * units of F2's sigma, the signed bias z under F2 scaled to the measured product's 512 x 1,024 elements, and the relative root mean
 * square error. Beside them stands what F6 and F7 allow under the emulated profile, in the same terms.
 */
final class HopperCells {

    private static final int ROWS = 64;
    private static final int COLUMNS = 128;
    private static final double MEASURED_ELEMENTS = 512.0 * 1024;

    /** A kind of product of the H200. */
    @SuppressWarnings("ImmutableEnumChecker") // Profiles are records of primitives and enums.
    enum Kind {
        BFLOAT16(FloatFormat.BF16, AccumulationProfile.matrixUnit(16, 26, Rounding.TOWARD_ZERO)),
        HALF(FloatFormat.F16, AccumulationProfile.matrixUnit(16, 26, Rounding.TOWARD_ZERO)),
        TF32(FloatFormat.F32, AccumulationProfile.matrixUnit(8, 26, Rounding.TOWARD_ZERO)),
        FLOAT8(FloatFormat.F8_E4M3, AccumulationProfile.matrixUnit(32, 14, Rounding.TOWARD_ZERO)),
        FLOAT8_PROMOTED(
                FloatFormat.F8_E4M3,
                AccumulationProfile.matrixUnit(32, 14, Rounding.TOWARD_ZERO).withPromotion(128)),
        FLOAT32(FloatFormat.F32, AccumulationProfile.FLOAT32_FMA);

        final FloatFormat format;
        final AccumulationProfile profile;

        Kind(FloatFormat format, AccumulationProfile profile) {
            this.format = format;
            this.profile = profile;
        }
    }

    /** One cell: the emulated product, what the bound allows, and the verdicts. */
    record Cell(String emulated, String allowed, Verdict element, Verdict bias) {}

    private HopperCells() {}

    static Cell cell(Kind kind, MatrixFill fill, int k, SummationOrder order) {
        RandomStream stream = RandomStream.of("hopper", k, kind + " " + fill);
        double[] a = operand(kind, fill, stream.split("a"), Operand.ACTIVATIONS, ROWS, k);
        double[] b = operand(kind, fill, stream.split("b"), Operand.WEIGHTS, COLUMNS, k);
        ProductMoments moments = ProductMoments.of(a, b, ROWS, COLUMNS, k);
        ProductBound bound = new ProductBound(moments, kind.profile, FloatFormat.F32, true);
        int[] shape = {ROWS, COLUMNS};
        FloatTensor got = FloatTensor.rounded(
                FloatFormat.F32, shape, new MatrixUnit(kind.profile).multiply(a, b, ROWS, COLUMNS, k, order));
        double largest = 0;
        double z = 0;
        double drift = 0;
        double errorSquares = 0;
        double squares = 0;
        double allowed = Double.POSITIVE_INFINITY;
        for (int index = 0; index < got.size(); index++) {
            double exact = moments.exact()[index];
            double sigma = 0x1p-24
                    * Math.sqrt(k * (moments.squares()[index] / 6 + exact * exact / 3) + 2 * moments.squares()[index]);
            double deviation = Math.sqrt(0x1p-48 * exact * exact / 3 + sigma * sigma);
            double error = got.values()[index] - exact;
            largest = Math.max(largest, Math.abs(error) / sigma);
            allowed = Math.min(allowed, (exact < 0 ? bound.highest(index) : -bound.lowest(index)) / sigma);
            z += error * Math.signum(exact) / deviation;
            drift += bound.driftTowardZero(index) / deviation;
            errorSquares += error * error;
            squares += exact * exact;
        }
        double scale = Math.sqrt(MEASURED_ELEMENTS) / got.size();
        return new Cell(
                String.format(Locale.ROOT, "%.3g; %.0f; %.1e", largest, z * scale, Math.sqrt(errorSquares / squares)),
                String.format(Locale.ROOT, "%.3g; %.0f", allowed, -drift * scale),
                FloatComparator.underBound(got, FloatFormat.F32, shape, moments.exact(), bound),
                BiasComparator.test(got, bound));
    }

    private static double[] operand(Kind kind, MatrixFill fill, RandomStream stream, Operand operand, int rows, int k) {
        double[] values = fill.fill(stream, kind.format, operand, rows, k).values();
        if (kind == Kind.TF32) {
            for (int index = 0; index < values.length; index++) {
                values[index] = Significand.nearest(values[index], 11);
            }
        }
        return values;
    }
}
