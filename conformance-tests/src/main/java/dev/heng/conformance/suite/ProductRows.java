package dev.heng.conformance.suite;

import dev.heng.conformance.bound.ActivationRounding;
import dev.heng.conformance.bound.MatrixUnits;
import dev.heng.conformance.bound.ProductBound;
import dev.heng.conformance.bound.ProductMoments;
import dev.heng.conformance.compare.BiasComparator;
import dev.heng.spi.NumericsProfile;
import dev.heng.spi.graph.ActivationFormat;
import dev.heng.spi.tensor.DType;
import dev.heng.spi.tensor.Quantization;
import dev.heng.spi.tensor.TensorType;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/** A product of rows with one matrix, with everything that its judgement needs. */
@SuppressWarnings("ArrayRecordComponent") // As large as the operands; never compared.
record ProductRows(
        DType activations,
        TensorType type,
        ActivationFormat activation,
        double[] x,
        double[] w,
        double @Nullable [] bias,
        int t,
        int n,
        int k,
        boolean exchangeable) {

    List<Check> judge(String what, HostTensor got, NumericsProfile profile) {
        NumericsProfile.Accumulation declared =
                MatrixUnits.declared(profile, MatrixUnits.product(activations, type, activation));
        ActivationRounding rounded = ActivationRounding.of(activation, x, t, k);
        double[] a = rounded.values();
        double[] b = w;
        int length = k;
        if (bias != null) {
            a = withColumn(a, t, k, null);
            b = withColumn(b, n, k, bias);
            length = k + 1;
        }
        ProductMoments moments = ProductMoments.of(a, b, t, n, length);
        ProductBound bound =
                new ProductBound(moments, MatrixUnits.unit(declared), HostTensor.format(got.dtype()), exchangeable);
        double[] limits = new double[moments.size()];
        double cut = MatrixUnits.cut(activationBits(), declared.activationBits())
                + MatrixUnits.cut(weightBits(), declared.weightBits());
        boolean same = cut == 0 && rounded.isUnambiguous();
        for (int index = 0; index < limits.length; index++) {
            double spread = exchangeable
                    ? Math.min(moments.magnitudes()[index], 8 * Math.sqrt(moments.squares()[index]))
                    : moments.magnitudes()[index];
            double extra = cut * spread
                    + scaleRoundings(declared) * moments.magnitudes()[index]
                    + rounded.doubt(index / n, w, index % n, k);
            // The output is rounded where the other choice took it, which may be far from c.
            limits[index] = Math.max(bound.highest(index), -bound.lowest(index))
                    + extra * (1 + 1.01 * bound.output().unitRoundoff());
        }
        List<Check> checks = new ArrayList<>();
        if (same && type.isPlain()) {
            checks.add(Checks.within(what, got, moments.exact(), bound));
        } else {
            checks.add(Checks.within(what, got, moments.exact(), new IntervalBound(bound.formula(), limits)));
        }
        if (same && exchangeable && type.isPlain() && moments.size() >= 512) {
            checks.add(new Check(what + ": bias", BiasComparator.test(got.asFloats(), bound), false));
        }
        return checks;
    }

    /** Scales are multiplied in F32: an element's, a row's, and the conversion of an integer sum, each a rounding. */
    private double scaleRoundings(NumericsProfile.Accumulation declared) {
        double unit = declared.sumBits() >= 53 ? 0x1p-50 : 0x1p-24;
        return switch (type.quantization()) {
            case Quantization.None _ -> 0;
            case Quantization.Fp8Blocks _, Quantization.Int8Channels _, Quantization.Int4Groups _ -> 4 * unit;
        };
    }

    private int activationBits() {
        return activation == ActivationFormat.FLOAT ? activations.significandBits() : 8;
    }

    private int weightBits() {
        return type.isPlain() ? type.dtype().significandBits() : 24;
    }

    private static double[] withColumn(double[] matrix, int rows, int columns, double @Nullable [] last) {
        double[] wider = new double[rows * (columns + 1)];
        for (int row = 0; row < rows; row++) {
            System.arraycopy(matrix, row * columns, wider, row * (columns + 1), columns);
            wider[row * (columns + 1) + columns] = last == null ? 1 : last[row];
        }
        return wider;
    }
}
