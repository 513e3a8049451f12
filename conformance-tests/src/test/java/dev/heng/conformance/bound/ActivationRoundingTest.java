package dev.heng.conformance.bound;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.heng.conformance.format.FloatFormat;
import dev.heng.conformance.random.RandomStream;
import dev.heng.spi.graph.ActivationFormat;
import java.util.Arrays;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;

/** Rows whose scales are powers of two, so that every quotient and every result is known exactly. */
final class ActivationRoundingTest {

    private static double[] steps(ActivationRounding rounding) {
        return IntStream.range(0, rounding.values().length)
                .mapToDouble(rounding::step)
                .toArray();
    }

    @Test
    void floatIsKeptAsItIs() {
        double[] x = {1.5, -0.1, 7};
        ActivationRounding rounding = ActivationRounding.of(ActivationFormat.FLOAT, x, 1, 3);
        assertSame(x, rounding.values());
        assertSame(x, rounding.others());
        assertArrayEquals(new double[3], steps(rounding));
        assertTrue(rounding.isUnambiguous());
    }

    @Test
    void int8RoundsEachRowByItsOwnScaleTiesToEven() {
        // Largest magnitudes of 127 and 254 over 4: scales of 1/4 and 1/2.
        double[] x = {31.75, -0.25, 0.3, 0.2, -63.5, 0.3, 0.2, -31.9};
        ActivationRounding rounding = ActivationRounding.of(ActivationFormat.INT8_PER_TOKEN, x, 2, 4);
        assertArrayEquals(new double[] {31.75, -0.25, 0.25, 0.25, -63.5, 0.5, 0, -32}, rounding.values());
        assertArrayEquals(new double[8], steps(rounding));
        assertTrue(rounding.isUnambiguous());
    }

    @Test
    void rowsWithoutColumnsStayEmpty() {
        for (ActivationFormat format : ActivationFormat.values()) {
            assertEquals(0, ActivationRounding.of(format, new double[0], 3, 0).values().length);
        }
    }

    @Test
    void int8RowsOfZerosStayZero() {
        ActivationRounding rounding =
                ActivationRounding.of(ActivationFormat.INT8_PER_TOKEN, new double[] {0, -0.0, 127, 1}, 2, 2);
        assertArrayEquals(new double[] {0, 0, 127, 1}, rounding.values());
        assertArrayEquals(new double[4], steps(rounding));
    }

    @Test
    void rowsThatAreNotFiniteBecomeNan() {
        // QUANT-043: the whole row under one scale, the group of 128 under several.
        for (double one : new double[] {Double.NaN, Double.POSITIVE_INFINITY}) {
            double[] x = new double[2 * 130];
            Arrays.fill(x, 1);
            x[5] = one;
            double[] int8 = ActivationRounding.of(ActivationFormat.INT8_PER_TOKEN, x, 2, 130)
                    .values();
            double[] fp8 = ActivationRounding.of(ActivationFormat.FP8_PER_TOKEN_128, x, 2, 130)
                    .values();
            for (int index = 0; index < x.length; index++) {
                assertEquals(index < 130, Double.isNaN(int8[index]), "int8 " + index);
                assertEquals(index < 128, Double.isNaN(fp8[index]), "fp8 " + index);
            }
        }
    }

    @Test
    void int8DoubtsWhatLiesAtABoundary() {
        // Scale 1/4: boundaries at odd eighths. A quotient of 2.5 and its neighbours within four units of 2^-24.
        double within = 0.625 * (1 + 3 * 0x1p-24);
        double beyond = 0.625 * (1 + 5 * 0x1p-24);
        double below = -0.625 * (1 - 3 * 0x1p-24);
        double farBelow = -0.625 * (1 - 5 * 0x1p-24);
        double[] x = {31.75, 0.625, within, beyond, below, farBelow, -0.375, 0.5, 0};
        ActivationRounding rounding = ActivationRounding.of(ActivationFormat.INT8_PER_TOKEN, x, 1, 9);
        assertArrayEquals(new double[] {31.75, 0.5, 0.75, 0.75, -0.5, -0.5, -0.5, 0.5, 0}, rounding.values());
        assertArrayEquals(new double[] {0, 0.25, 0.25, 0, 0.25, 0, 0.25, 0, 0}, steps(rounding));
        assertArrayEquals(new double[] {31.75, 0.75, 0.5, 0.75, -0.75, -0.5, -0.25, 0.5, 0}, rounding.others());
        assertFalse(rounding.isUnambiguous());
    }

    @Test
    void fp8RoundsGroupsOf128ByTheirOwnScales() {
        int columns = 130;
        double[] x = new double[2 * columns];
        // Groups of 128 and 2; largest magnitudes 448 * {1, 2, 1/2, 4}: scales of {1, 2, 1/2, 4}.
        x[0] = 448;
        x[1] = -17.25;
        x[127] = 3.3;
        x[128] = -896;
        x[129] = 35;
        x[130] = -224;
        x[131] = 9.1;
        x[257] = 9.1;
        x[258] = 1792;
        x[259] = 69;
        ActivationRounding rounding = ActivationRounding.of(ActivationFormat.FP8_PER_TOKEN_128, x, 2, columns);
        double[] expected = new double[2 * columns];
        expected[0] = 448;
        // E4M3 has 16, 18, 20 and 3.25, 3.5 and 32, 36 and 9, 10.
        expected[1] = -18;
        expected[127] = 3.25;
        expected[128] = -896;
        expected[129] = 36;
        expected[130] = -224;
        expected[131] = 9;
        expected[257] = 9;
        expected[258] = 1792;
        expected[259] = 72;
        assertArrayEquals(expected, rounding.values());
        assertArrayEquals(new double[2 * columns], steps(rounding));
        assertTrue(rounding.isUnambiguous());
    }

    @Test
    void fp8DoubtsWhatLiesAtABoundary() {
        double within = 17 * (1 - 3 * 0x1p-24);
        double beyond = 17 * (1 - 5 * 0x1p-24);
        double above = -17 * (1 + 3 * 0x1p-24);
        double farAbove = -17 * (1 + 5 * 0x1p-24);
        double[] x = {896, 34, 2 * within, 2 * beyond, 2 * above, 2 * farAbove, -38, 0};
        ActivationRounding rounding = ActivationRounding.of(ActivationFormat.FP8_PER_TOKEN_128, x, 1, 8);
        assertArrayEquals(new double[] {896, 32, 32, 32, -36, -36, -40, 0}, rounding.values());
        // Scale 2 and neighbours 2 apart.
        assertArrayEquals(new double[] {0, 4, 4, 0, 4, 0, 4, 0}, steps(rounding));
        assertArrayEquals(new double[] {896, 36, 36, 32, -32, -36, -36, 0}, rounding.others());
        assertFalse(rounding.isUnambiguous());
    }

    @Test
    void fp8ScalesHaveAFloor() {
        // QUANT-050: the largest magnitude counts as 1e-4 at least.
        double scale = (float) ((double) 1e-4f / 448);
        ActivationRounding rounding =
                ActivationRounding.of(ActivationFormat.FP8_PER_TOKEN_128, new double[] {0, 3 * scale, -1e-6}, 1, 3);
        assertEquals(0, rounding.values()[0]);
        assertEquals(3 * scale, rounding.values()[1]);
        // 1e-6 over the scale is 4.48, between 4 and 4.5 and 5 of E4M3: nearer to 4.5.
        assertEquals(-4.5 * scale, rounding.values()[2]);
    }

    @Test
    void powersOfTwoAreTheNextOfTheScale() {
        ActivationFormat format = ActivationFormat.FP8_PER_TOKEN_128_POWER_OF_TWO;
        // 448 * 2 has the scale 2 itself; 449 and 800 the next power after a little more than 1.
        for (double largest : new double[] {896, 449, 800}) {
            ActivationRounding rounding = ActivationRounding.of(format, new double[] {largest, 35}, 1, 2);
            assertEquals(36, rounding.values()[1], "beside " + largest);
            assertEquals(2 * FloatFormat.F8_E4M3.round(largest / 2), rounding.values()[0]);
        }
        assertEquals(
                34,
                ActivationRounding.of(ActivationFormat.FP8_PER_TOKEN_128, new double[] {952, 35}, 1, 2)
                        .values()[1],
                "a scale of 2.125 is no power of two");
        ActivationRounding small = ActivationRounding.of(format, new double[] {0.875, 0x1p-10}, 1, 2);
        assertEquals(0x1p-10, small.values()[1]);
    }

    @Test
    void doubtIsTheSumOfStepsTimesWeights() {
        double[] values = {9, 1, -1, 0, 2, -3};
        double[] others = {9, 1.5, -1, 0, 0, -7};
        ActivationRounding rounding = new ActivationRounding(values, others);
        assertArrayEquals(new double[] {0, 0.5, 0, 0, 2, 4}, steps(rounding));
        double[] weights = {Double.POSITIVE_INFINITY, -3, Double.NaN, 7, -0.25, 0.5};
        assertEquals(1.5, rounding.doubt(0, weights, 0, 3));
        assertEquals(0.5 * 0.25, rounding.doubt(0, weights, 1, 3));
        assertEquals(2 * 0.25 + 4 * 0.5, rounding.doubt(1, weights, 1, 3));
        assertEquals(0, new ActivationRounding(new double[3], new double[3]).doubt(0, weights, 0, 3));
    }

    @Test
    void noLegalNeighbourIsFartherThanOneStepOfTheFormat() {
        RandomStream stream = RandomStream.of("activation rounding", 1, "x");
        for (ActivationFormat format : ActivationFormat.values()) {
            double[] x = new double[5 * 300];
            Arrays.setAll(x, index -> stream.normal() * Math.scalb(1.0, index / 300 * 3));
            ActivationRounding rounding = ActivationRounding.of(format, x, 5, 300);
            for (int index = 0; index < x.length; index++) {
                double largest = 0;
                for (int other = index / 300 * 300; other < index / 300 * 300 + 300; other++) {
                    largest = Math.max(largest, Math.abs(x[other]));
                }
                // Half of 1/127 of the row's largest for int8; for E4M3 1/16 of the value or half of the smallest step,
                // and
                // a power of two is at most twice the scale.
                double coarsest = Math.max(largest / 254, Math.max(Math.abs(x[index]) / 16, largest / 448 * 0x1p-9));
                assertTrue(Math.abs(rounding.values()[index] - x[index]) <= coarsest * 1.0001, format + " " + index);
            }
        }
    }
}
