package dev.heng.backend.reference;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.heng.spi.graph.Graph;
import dev.heng.spi.graph.GraphBuilder;
import dev.heng.spi.graph.Op;
import dev.heng.spi.graph.Value;
import dev.heng.spi.tensor.DType;
import dev.heng.spi.tensor.Dim;
import dev.heng.spi.tensor.RopeFrequencies;
import dev.heng.spi.tensor.TensorType;
import java.math.BigDecimal;
import java.math.MathContext;
import java.math.RoundingMode;
import org.junit.jupiter.api.Test;

/** ROPE, against cosines and sines of sixty digits. */
class RopeTest {

    private static final MathContext DIGITS = new MathContext(70);
    private static final BigDecimal TWO_PI =
            new BigDecimal("6.283185307179586476925286766559005768394338798750211641949889184615632812572417997256");
    private static final int[] POSITIONS = {0, 1, 255, 4096, 131071, 1 << 24, Integer.MAX_VALUE};

    @Test
    void anglesAreExactAtEveryPosition() {
        double[] inverse = {1, 0.7498942093324559, 0.1, 7.9056942e-4, 1.0542413e-5};
        double factor = 1.25;
        int pairs = inverse.length;
        for (Op.Pairing pairing : Op.Pairing.values()) {
            // One head of 13: one element before the rotated ten, two after.
            Graph graph = rope(DType.F64, 13, 13, 1, pairing, new RopeFrequencies(inverse, factor));
            double[] x = new double[POSITIONS.length * 13];
            for (int i = 0; i < x.length; i++) {
                x[i] = (i % 7 - 3) * 0.375;
            }
            double[] y = new Trial()
                    .dim(Dim.TOKENS, POSITIONS.length)
                    .bind("x", Data.of(DType.F64, x))
                    .bind("positions", Data.ints(POSITIONS))
                    .y(graph);
            for (int t = 0; t < POSITIONS.length; t++) {
                for (int untouched : new int[] {0, 11, 12}) {
                    assertEquals(x[t * 13 + untouched], y[t * 13 + untouched]);
                }
                for (int i = 0; i < pairs; i++) {
                    int first = t * 13 + 1 + (pairing == Op.Pairing.HALF ? i : 2 * i);
                    int second = pairing == Op.Pairing.HALF ? first + pairs : first + 1;
                    BigDecimal angle = new BigDecimal(POSITIONS[t]).multiply(new BigDecimal(inverse[i]));
                    double cosine = series(angle, true) * factor;
                    double sine = series(angle, false) * factor;
                    // A few units of double in the functions, the sum and the factor, each at most of magnitude 2.
                    double bound = 16 * 0x1p-53 * factor * (Math.abs(x[first]) + Math.abs(x[second]));
                    assertEquals(x[first] * cosine - x[second] * sine, y[first], bound);
                    assertEquals(x[first] * sine + x[second] * cosine, y[second], bound);
                }
            }
        }
    }

    @Test
    void everyHeadIsRotatedAndResultsAreRoundedOnce() {
        double[] x = {1, 0, 0.5, 1, 0, 0.5};
        for (DType dtype : new DType[] {DType.F32, DType.F16, DType.BF16}) {
            double[] y = new Trial()
                    .dim(Dim.TOKENS, 1)
                    .bind("x", Data.of(dtype, x))
                    .bind("positions", Data.ints(3))
                    .y(rope(dtype, 6, 3, 0, Op.Pairing.INTERLEAVED, new RopeFrequencies(new double[] {0.5}, 1)));
            double cosine = FloatFormats.nearest(dtype, series(new BigDecimal("1.5"), true));
            double sine = FloatFormats.nearest(dtype, series(new BigDecimal("1.5"), false));
            assertArrayEquals(new double[] {cosine, sine, 0.5, cosine, sine, 0.5}, y);
        }
    }

    @Test
    void noTokensAndPaddingAreHarmless() {
        Graph graph = rope(DType.F32, 2, 2, 0, Op.Pairing.HALF, new RopeFrequencies(new double[] {1}, 1));
        Trial trial = new Trial();
        assertEquals(
                0,
                trial.dim(Dim.TOKENS, 0)
                        .bind("x", Data.of(DType.F32))
                        .bind("positions", Data.ints())
                        .y(graph)
                        .length);
        double[] y = trial.dim(Dim.TOKENS, 2)
                .bind("x", Data.of(DType.F32, 9, 9, 1, 2))
                .bind("positions", Data.ints(-1, 0))
                .y(graph);
        assertTrue(y[2] == 1 && y[3] == 2);
    }

    private static Graph rope(
            DType dtype, int width, int headDim, int offset, Op.Pairing pairing, RopeFrequencies frequencies) {
        GraphBuilder builder = new GraphBuilder("rope");
        Value x = builder.input("x", TensorType.of(dtype, Dim.of(Dim.TOKENS), Dim.of(width)));
        Value positions = builder.input("positions", TensorType.of(DType.I32, Dim.of(Dim.TOKENS)));
        builder.output("y", builder.rope("y", x, positions, headDim, offset, pairing, frequencies));
        return builder.build();
    }

    /** Returns cosine or sine of an exact angle by its power series after an exact reduction. */
    private static double series(BigDecimal angle, boolean cosine) {
        BigDecimal turns = angle.divide(TWO_PI, 0, RoundingMode.HALF_EVEN);
        BigDecimal x = angle.subtract(turns.multiply(TWO_PI));
        BigDecimal square = x.multiply(x, DIGITS).negate();
        BigDecimal term = cosine ? BigDecimal.ONE : x;
        BigDecimal sum = term;
        for (int n = cosine ? 1 : 2; n < 80; n += 2) {
            term = term.multiply(square, DIGITS).divide(new BigDecimal((long) n * (n + 1)), DIGITS);
            sum = sum.add(term, DIGITS);
        }
        return sum.doubleValue();
    }
}
