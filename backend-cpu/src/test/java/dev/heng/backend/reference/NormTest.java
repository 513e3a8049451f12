package dev.heng.backend.reference;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.heng.spi.graph.GraphBuilder;
import dev.heng.spi.graph.Value;
import dev.heng.spi.tensor.DType;
import dev.heng.spi.tensor.Dim;
import dev.heng.spi.tensor.TensorType;
import java.math.BigDecimal;
import java.math.MathContext;
import java.util.SplittableRandom;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** NORM, against decimal arithmetic of forty digits. */
class NormTest {

    private static final double EPSILON = 1e-6;
    private static final MathContext DIGITS = new MathContext(40);

    @ParameterizedTest
    @CsvSource({"0,1,4", "1,1,1", "3,1,7", "2,3,5", "4,2,129"})
    void rowsAndHeadsAreNormalisedByTheirOwnMean(int tokens, int groups, int d) {
        SplittableRandom random = new SplittableRandom(4);
        double[] x = Data.random(random, tokens * groups * d);
        double[] weight = Data.random(random, d);
        for (DType dtype : new DType[] {DType.F64, DType.F32, DType.F16, DType.BF16}) {
            double[] y = norm(dtype, x, weight, tokens, groups * d, EPSILON);
            for (int group = 0; group < tokens * groups; group++) {
                BigDecimal squares = BigDecimal.ZERO;
                for (int i = 0; i < d; i++) {
                    squares = squares.add(new BigDecimal(x[group * d + i]).pow(2));
                }
                BigDecimal root = squares.divide(new BigDecimal(d), DIGITS)
                        .add(new BigDecimal(EPSILON))
                        .sqrt(DIGITS);
                for (int i = 0; i < d; i++) {
                    double expected = new BigDecimal(x[group * d + i])
                            .multiply(new BigDecimal(weight[i]))
                            .divide(root, DIGITS)
                            .doubleValue();
                    // Half a unit for the rounding to the result's type; (d + 4) units of double for the arithmetic
                    // before it.
                    double bound = Math.abs(expected) * (Math.scalb(1.0, -dtype.significandBits()) + (d + 4) * 0x1p-53);
                    assertTrue(Math.abs(y[group * d + i] - expected) <= bound, dtype + " element " + i);
                }
            }
        }
    }

    @Test
    void zerosStayZerosUnlessEpsilonIsZero() {
        assertEquals(0, norm(DType.F32, new double[] {0}, new double[] {3}, 1, 1, 1e-6)[0]);
        assertTrue(Double.isNaN(norm(DType.F32, new double[] {0}, new double[] {3}, 1, 1, 0)[0]));
    }

    @Test
    void squaresOfLargeHalfNumbersDoNotOverflow() {
        double[] y = norm(DType.F16, new double[] {60000, -60000}, new double[] {1, 1}, 1, 2, 1e-6);
        assertEquals(1, y[0]);
        assertEquals(-1, y[1]);
    }

    private static double[] norm(DType dtype, double[] x, double[] weight, int tokens, int width, double epsilon) {
        GraphBuilder builder = new GraphBuilder("norm");
        Value input = builder.input("x", TensorType.of(dtype, Dim.of(Dim.TOKENS), Dim.of(width)));
        Value scale = builder.weight("w", TensorType.of(DType.BF16, Dim.of(weight.length)));
        builder.output("y", builder.rmsNorm("y", input, scale, epsilon));
        return new Trial()
                .dim(Dim.TOKENS, tokens)
                .bind("x", Data.of(dtype, x))
                .weight("w", Data.of(DType.BF16, weight))
                .y(builder.build());
    }
}
