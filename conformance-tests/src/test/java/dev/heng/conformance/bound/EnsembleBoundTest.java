package dev.heng.conformance.bound;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.heng.conformance.format.FloatFormat;
import dev.heng.conformance.random.RandomStream;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;

final class EnsembleBoundTest {

    private static final double U = 0x1p-24;

    @Test
    void ensemblesBoundWhatRoundingExplainsAndNoMore() {
        int elements = 500;
        RandomStream stream = RandomStream.of("ensemble", 1, "x");
        double[] truth = new double[elements];
        for (int index = 0; index < elements; index++) {
            truth[index] = stream.normal();
        }
        EnsembleBound bound = new EnsembleBound(truth, FloatFormat.F32);
        assertThrows(IllegalArgumentException.class, () -> bound.add(new double[3]));
        List<double[]> draws = new ArrayList<>();
        for (int run = 0; run < 33; run++) {
            double[] values = truth.clone();
            for (int index = 0; index < elements; index++) {
                values[index] += 1e-3 * (1 + index % 3) * stream.normal();
            }
            draws.add(values);
            if (run > 0) {
                bound.add(values);
            }
        }
        assertEquals(32, bound.runs());
        assertEquals(elements, bound.size());
        assertEquals(Formula.F10, bound.formula());
        double squares = 0;
        for (double[] draw : draws.subList(1, 33)) {
            squares += Math.pow(draw[4] - truth[4], 2);
        }
        double quantile = StudentT.upperQuantile(32, 1e-6 / 1000);
        double expected = 1.01 * U * Math.abs(truth[4]) + quantile * Math.sqrt(squares / 32);
        assertEquals(expected, bound.highest(4), 1e-9);
        assertEquals(-bound.highest(4), bound.lowest(4));
        assertTrue(bound.rootMeanSquare(draws.getFirst()) < bound.highest(bound::rootMeanSquare));
        bound.add(draws.getFirst());
        assertTrue(bound.highest(4) != expected, "another run changes the quantile and the spread");
    }

    /** Returns a bound of one element whose truth is {@code truth}, with runs at {@code truth} plus each distance. */
    private static EnsembleBound single(FloatFormat format, double truth, double... distances) {
        EnsembleBound bound = new EnsembleBound(new double[] {truth}, format);
        for (double distance : distances) {
            bound.add(new double[] {truth + distance});
        }
        return bound;
    }

    @Test
    void fewerRunsThanEightBoundNothing() {
        EnsembleBound seven = single(FloatFormat.F32, 1, 0, 0, 0, 0, 0, 0, 0);
        assertThrows(IllegalStateException.class, () -> seven.highest(0));
        assertThrows(IllegalStateException.class, () -> seven.lowest(0));
        assertThrows(IllegalStateException.class, () -> seven.highest(result -> result[0]));
        seven.add(new double[] {1});
        assertTrue(seven.highest(0) > 0);
        assertEquals(1, seven.highest(result -> result[0]));
    }

    @Test
    void whereNothingVariesTheOutputsRoundingIsAllowed() {
        double[] none = new double[8];
        assertEquals(
                3 * 1.01 * 0x1p-11 + 0x1p-25, single(FloatFormat.F16, 3, none).highest(0));
        assertEquals(
                3 * 1.01 * 0x1p-11 + 0x1p-25, single(FloatFormat.F16, -3, none).highest(0));
        assertEquals(0x1p-25, single(FloatFormat.F16, 0, none).highest(0));
        assertEquals(0x1p-134, single(FloatFormat.BF16, 0, none).highest(0));
    }

    @Test
    void theSpreadIsTheRootMeanSquareDistanceTimesStudentsQuantile() {
        // Sum of squares 1 + 4 + 9 + 2 = 16 over 8 runs; the tail is 1e-6 / 2 on each side of one element.
        EnsembleBound bound = single(FloatFormat.F16, 0, 1, -2, 3, 1, -1, 0, 0, 0);
        double quantile = StudentT.upperQuantile(8, 5e-7);
        assertEquals(quantile * Math.sqrt(2) + 0x1p-25, bound.highest(0), 1e-12);
    }

    @Test
    void aStatisticIsBoundByThePredictionOfOneMoreDraw() {
        // Values 1 to 8: mean 4.5, sum of squared distances 42, variance 6; another draw adds 1/8 of it.
        EnsembleBound bound = single(FloatFormat.F32, 0, 1, 2, 3, 4, 5, 6, 7, 8);
        double limit = bound.highest(result -> result[0]);
        double quantile = (limit - 4.5) / Math.sqrt(6.75);
        assertEquals(1e-6, StudentT.upperTail(7, quantile), 1e-17);
    }

    @Test
    void distancesOfWholeTensorsAreRootMeanSquares() {
        EnsembleBound bound = new EnsembleBound(new double[] {1, -1, 0, 0}, FloatFormat.F32);
        assertEquals(2.5, bound.rootMeanSquare(new double[] {4, 3, 0, 0}));
        assertEquals(0, bound.rootMeanSquare(new double[] {1, -1, 0, 0}));
        assertEquals(0, new EnsembleBound(new double[0], FloatFormat.F32).rootMeanSquare(new double[0]));
    }
}
