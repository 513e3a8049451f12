package dev.heng.backend.reference;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.heng.spi.BackendException;
import dev.heng.spi.graph.Graph;
import dev.heng.spi.graph.GraphBuilder;
import dev.heng.spi.tensor.DType;
import dev.heng.spi.tensor.Dim;
import dev.heng.spi.tensor.TensorType;
import java.util.Arrays;
import org.junit.jupiter.api.Test;

/** FORMAT-011. */
class RoundingTest {

    @Test
    void stochasticRoundingPicksANeighbourInProportion() {
        for (DType dtype : new DType[] {DType.F32, DType.F16, DType.BF16}) {
            double unit = Math.scalb(1.0, 1 - dtype.significandBits());
            for (double sign : new double[] {1, -1}) {
                Rounding rounding = Rounding.parse("stochastic:9").at(0, 0);
                int outward = 0;
                int draws = 20_000;
                for (int element = 0; element < draws; element++) {
                    double rounded = rounding.round(dtype, sign * (1 + unit / 4), element);
                    assertTrue(rounded == sign || rounded == sign * (1 + unit), "" + rounded);
                    outward += rounded == sign ? 0 : 1;
                }
                // A quarter, within five standard deviations of a binomial of 20,000.
                assertEquals(draws / 4.0, outward, 5 * Math.sqrt(draws * 0.25 * 0.75));
            }
        }
    }

    @Test
    void whatIsExactStaysAndWhatOverflowsDoes() {
        Rounding rounding = Rounding.parse("stochastic:1").at(3, 4);
        for (double value : new double[] {0, -0.0, 1, 65504, Double.POSITIVE_INFINITY, 0x1p-24}) {
            assertEquals(value, rounding.round(DType.F16, value, 5));
        }
        assertTrue(Double.isNaN(rounding.round(DType.F16, Double.NaN, 5)));
        assertEquals(Double.POSITIVE_INFINITY, rounding.round(DType.F16, 65520, 5));
        assertEquals(0.1, rounding.round(DType.F64, 0.1, 5));
    }

    @Test
    void seedRunNodeAndElementAddressTheChoice() {
        double value = 1 + 0x1p-9; // The middle between two bfloat16 numbers, but one: a quarter.
        long[] patterns = new long[5];
        Rounding[] roundings = {
            Rounding.parse("stochastic:1").at(0, 0),
            Rounding.parse("stochastic:1").at(0, 0),
            Rounding.parse("stochastic:2").at(0, 0),
            Rounding.parse("stochastic:1").at(1, 0),
            Rounding.parse("stochastic:1").at(0, 1)
        };
        for (int i = 0; i < patterns.length; i++) {
            for (int element = 0; element < 64; element++) {
                patterns[i] = patterns[i] * 2 + (roundings[i].round(DType.BF16, value, element) > 1 ? 1 : 0);
            }
        }
        assertEquals(patterns[0], patterns[1]);
        assertEquals(4, Arrays.stream(patterns).distinct().count());
    }

    @Test
    void theOptionReachesEveryResultAndIsReproducible() {
        GraphBuilder builder = new GraphBuilder("cast");
        builder.output(
                "y",
                builder.cast(
                        "y", builder.input("x", TensorType.of(DType.F32, Dim.of(Dim.TOKENS), Dim.of(1))), DType.BF16));
        Graph graph = builder.build();
        double[] x = new double[500];
        Arrays.fill(x, 1 + 0x1p-8);
        double[] nearest = cast(graph, x, "nearest");
        double[] first = cast(graph, x, "stochastic:5");
        assertTrue(Arrays.stream(nearest).allMatch(y -> y == 1));
        assertArrayEquals(first, cast(graph, x, "stochastic:5"));
        assertFalse(Arrays.equals(first, cast(graph, x, "stochastic:6")));
        assertEquals(2, Arrays.stream(first).distinct().count());
    }

    @Test
    void otherSettingsAreRefused() {
        for (String bad : new String[] {"", "up", "stochastic", "stochastic:", "stochastic:x", "Nearest"}) {
            BackendException refused = assertThrows(BackendException.class, () -> Rounding.parse(bad));
            assertEquals(BackendException.Code.INVALID_OPTION, refused.code());
        }
    }

    private static double[] cast(Graph graph, double[] x, String rounding) {
        return new Trial()
                .option("rounding", rounding)
                .dim(Dim.TOKENS, x.length)
                .bind("x", Data.of(DType.F32, x))
                .y(graph);
    }
}
