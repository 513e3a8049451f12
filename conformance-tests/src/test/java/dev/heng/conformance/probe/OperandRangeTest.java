package dev.heng.conformance.probe;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.heng.conformance.format.FloatFormat;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** The numbers of an operand, against the codecs. */
final class OperandRangeTest {

    @ParameterizedTest
    @EnumSource(
            value = FloatFormat.class,
            names = {"F16", "BF16", "F8_E4M3"})
    void everyNumberOfAFormatIsInItsRange(FloatFormat format) {
        OperandRange range = OperandRange.of(format);
        for (long bits = 0; bits < 1L << format.bits(); bits++) {
            double value = format.decode(bits);
            if (Double.isFinite(value)) {
                assertTrue(range.represents(value), format + " " + value);
                double between = Math.scalb(1.0, range.lowestExponent() - 1);
                // Half a place beside a number is none, unless the number has room for another bit.
                assertEquals(
                        format.represents(value + between), range.represents(value + between), value + " and more");
            }
        }
        assertFalse(range.represents(Math.scalb(1.0, range.maxExponent() + 1)));
    }

    @Test
    void integersAreMultiplesOfTheirLeast() {
        OperandRange int4 = OperandRange.integers(3);
        for (int code = -7; code <= 7; code++) {
            assertTrue(int4.represents(code / 4.0));
            assertFalse(int4.represents(code / 4.0 + 0.125));
        }
        assertFalse(int4.represents(2));
        assertEquals(-2, int4.lowestExponent());
    }
}
