package dev.heng.conformance.chain;

import dev.heng.conformance.bound.AccumulationError;
import dev.heng.conformance.bound.ActivationRounding;
import dev.heng.conformance.bound.MatrixUnits;
import dev.heng.spi.NumericsProfile;
import dev.heng.spi.NumericsProfile.Accumulation;
import dev.heng.spi.graph.ActivationFormat;
import dev.heng.spi.tensor.DType;
import dev.heng.spi.tensor.TensorType;
import org.jspecify.annotations.Nullable;

/** Rows times a matrix (LINEAR, GROUPED), and the errors that a profile allows in it. */
final class Products {

    private static final double FLOAT_ROUNDOFF = 0x1p-24;

    private final NumericsProfile profile;

    Products(NumericsProfile profile) {
        this.profile = profile;
    }

    /**
     * One product.
     *
     * @param x row-major [rows, K]
     * @param w row-major [N, K], beginning at {@code wFrom}
     * @param bias [N], or null
     */
    @SuppressWarnings("ArrayRecordComponent") // As large as the operands; never compared.
    record Operands(
            DType activations,
            TensorType type,
            ActivationFormat format,
            double[] x,
            int rows,
            int k,
            double[] w,
            int wFrom,
            int n,
            double @Nullable [] bias) {

        ActivationRounding rounded() {
            return ActivationRounding.of(format, x, rows, k);
        }
    }

    /** Returns the exact products [rows, N] of activations as {@code arithmetic} rounds them. */
    double[] exact(Operands operands, Arithmetic arithmetic) {
        double[] a = arithmetic.activations(operands.rounded());
        double[] results = new double[operands.rows() * operands.n()];
        int k = operands.k();
        for (int row = 0; row < operands.rows(); row++) {
            for (int column = 0; column < operands.n(); column++) {
                double sum = operands.bias() == null ? 0 : operands.bias()[column];
                int from = operands.wFrom() + column * k;
                for (int index = 0; index < k; index++) {
                    sum += a[row * k + index] * operands.w()[from + index];
                }
                results[row * operands.n() + column] = sum;
            }
        }
        return results;
    }

    /** Fills what F3 to F5 say of each element, from index {@code at} on. */
    void errors(Operands operands, double[] deviation, double[] drift, int at) {
        Accumulation declared = MatrixUnits.declared(
                profile, MatrixUnits.product(operands.activations(), operands.type(), operands.format()));
        int terms = operands.k() + (operands.bias() == null ? 0 : 1);
        AccumulationError error = new AccumulationError(MatrixUnits.unit(declared), terms);
        boolean quantised = operands.format() != ActivationFormat.FLOAT;
        double cutActivation =
                MatrixUnits.cut(quantised ? 8 : operands.activations().significandBits(), declared.activationBits());
        boolean plain = operands.type().isPlain();
        double cutWeight =
                MatrixUnits.cut(plain ? operands.type().dtype().significandBits() : 24, declared.weightBits());
        double cut = cutActivation * cutActivation + cutWeight * cutWeight;
        // Scales are multiplied in F32: an element's, a row's, the conversion of an integer sum, and their product.
        double scales = plain || declared.sumBits() >= 53 ? 0 : 4 * FLOAT_ROUNDOFF;
        double[] a = operands.rounded().values();
        int k = operands.k();
        for (int row = 0; row < operands.rows(); row++) {
            for (int column = 0; column < operands.n(); column++) {
                Moments moments = new Moments();
                if (operands.bias() != null) {
                    moments.add(operands.bias()[column]);
                }
                int from = operands.wFrom() + column * k;
                for (int index = 0; index < k; index++) {
                    moments.add(a[row * k + index] * operands.w()[from + index]);
                }
                int element = at + row * operands.n() + column;
                double variance = moments.variance(error) + cut * moments.squares;
                deviation[element] = Math.sqrt(variance) + scales * Math.abs(moments.sum);
                drift[element] = moments.drift(error);
            }
        }
    }

    /** The sums over one element's products that its error depends on. */
    static final class Moments {
        double sum;
        double magnitudes;
        double squares;
        double signs;

        void add(double product) {
            sum += product;
            magnitudes += Math.abs(product);
            squares += product * product;
            signs += Math.signum(product);
        }

        double variance(AccumulationError error) {
            return error.variance(sum, magnitudes, squares, signs);
        }

        /** Returns the largest mean error toward zero; negative where it leads away. */
        double drift(AccumulationError error) {
            return error.driftTowardZero(sum, magnitudes, squares, signs)
                    - error.driftAwayFromZero(sum, magnitudes, squares, signs);
        }
    }
}
