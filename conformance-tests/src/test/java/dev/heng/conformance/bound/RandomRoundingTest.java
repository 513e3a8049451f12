package dev.heng.conformance.bound;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.heng.conformance.format.FloatFormat;
import dev.heng.conformance.random.RandomStream;
import org.junit.jupiter.api.Test;

final class RandomRoundingTest {

    @Test
    void theMeanStaysWhereItWas() {
        RandomRounding rounding = new RandomRounding(RandomStream.of("rounding", 1, "x"));
        double value = 1 + 0.3 * 0x1p-7;
        int up = 0;
        for (int draw = 0; draw < 10_000; draw++) {
            double rounded = rounding.round(value, 0, 0, FloatFormat.BF16);
            assertTrue(rounded == 1 || rounded == 1 + 0x1p-7);
            up += rounded > 1 ? 1 : 0;
        }
        assertEquals(3000, up, 5 * Math.sqrt(10_000 * 0.3 * 0.7));
        double sum = 0;
        double squares = 0;
        for (int draw = 0; draw < 10_000; draw++) {
            double noisy = rounding.round(5, 0.1, 0, FloatFormat.F32) - 5;
            sum += noisy;
            squares += noisy * noisy;
        }
        assertEquals(0, sum / 10_000, 5 * 0.1 / 100);
        assertEquals(0.01, squares / 10_000, 0.001);
    }

    @Test
    void negativeNumbersRoundAsTheirMagnitudesDo() {
        RandomRounding rounding = new RandomRounding(RandomStream.of("rounding", 2, "x"));
        int away = 0;
        for (int draw = 0; draw < 10_000; draw++) {
            double rounded = rounding.round(-1 - 0.3 * 0x1p-7, 0, 0, FloatFormat.BF16);
            assertTrue(rounded == -1 || rounded == -1 - 0x1p-7);
            away += rounded < -1 ? 1 : 0;
        }
        assertEquals(3000, away, 5 * Math.sqrt(10_000 * 0.3 * 0.7));
    }

    @Test
    void driftIsTowardZeroAndOneShareForAll() {
        RandomRounding rounding = new RandomRounding(RandomStream.of("rounding", 1, "x"));
        double drifted = rounding.round(-100, 0, 50, FloatFormat.F64);
        assertTrue(drifted > -100 && drifted <= -50, "drift is toward zero: " + drifted);
        assertEquals(-drifted, rounding.round(100, 0, 50, FloatFormat.F64));
        assertEquals((drifted + 100) * 2, rounding.round(-200, 0, 100, FloatFormat.F64) + 200, 1e-12);
    }

    @Test
    void theErrorIsSigmaTimesANormalNumberAndANumberOfTheFormatTakesNoOther() {
        RandomStream expected = RandomStream.of("rounding", 3, "x");
        RandomRounding rounding = new RandomRounding(RandomStream.of("rounding", 3, "x"));
        expected.uniform();
        assertEquals(2 + 3 * expected.normal(), rounding.round(2, 3, 0, FloatFormat.F64));
        expected.normal();
        assertEquals(-1.5, rounding.round(-1.5, 0, 0, FloatFormat.BF16));
        assertEquals(2 + 3 * expected.normal(), rounding.round(2, 3, 0, FloatFormat.F64));
    }

    @Test
    void whatIsNotFiniteStays() {
        RandomRounding rounding = new RandomRounding(RandomStream.of("rounding", 4, "x"));
        assertTrue(Double.isNaN(rounding.round(Double.NaN, 0, 0, FloatFormat.BF16)));
        assertEquals(Double.POSITIVE_INFINITY, rounding.round(Double.POSITIVE_INFINITY, 0, 0, FloatFormat.BF16));
    }
}
