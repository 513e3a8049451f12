package dev.heng.conformance.format;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.heng.conformance.random.RandomStream;
import java.math.BigDecimal;
import org.junit.jupiter.api.Test;

final class FloatFormatTest {

    @Test
    void everyCodeOfTheNarrowFormatsSurvivesDecodingAndEncoding() {
        for (FloatFormat format :
                new FloatFormat[] {FloatFormat.F16, FloatFormat.BF16, FloatFormat.F8_E4M3, FloatFormat.F8_E5M2}) {
            for (long code = 0; code < 1L << format.bits(); code++) {
                double value = format.decode(code);
                assertTrue(format.represents(value), format + " " + code);
                if (Double.isNaN(value)) {
                    assertTrue(Double.isNaN(format.decode(format.encode(value))));
                } else {
                    assertEquals(code, format.encode(value), format + " " + value);
                }
            }
        }
    }

    @Test
    void halfAgreesWithTheJavaPlatformOnEveryCode() {
        for (int code = 0; code < 1 << 16; code++) {
            float expected = Float.float16ToFloat((short) code);
            assertEquals(expected, (float) FloatFormat.F16.decode(code));
        }
    }

    @Test
    void roundingAgreesWithTheJavaPlatform() {
        RandomStream stream = RandomStream.of("rounding", 1, "x");
        for (int draw = 0; draw < 200_000; draw++) {
            double value = Double.longBitsToDouble(stream.nextLong());
            assertEquals((float) value, (float) FloatFormat.F32.round(value));
            float single = Float.intBitsToFloat(stream.nextInt());
            if (!Float.isNaN(single)) {
                assertEquals(Float.float16ToFloat(Float.floatToFloat16(single)), (float) FloatFormat.F16.round(single));
                int bits = Float.floatToRawIntBits(single);
                int even = (bits + 0x7fff + ((bits >>> 16) & 1)) & 0xffff0000;
                assertEquals(Float.intBitsToFloat(even), (float) FloatFormat.BF16.round(single));
                float cut = Float.intBitsToFloat(bits & 0xffff0000);
                if (Float.isFinite(single)) {
                    assertEquals(cut, (float) FloatFormat.BF16.round(single, Rounding.TOWARD_ZERO));
                }
            }
        }
    }

    @Test
    void eightBitFloatsEndWhereTheirStandardSays() {
        assertEquals(448, FloatFormat.F8_E4M3.maxFinite());
        assertEquals(0x1p-9, FloatFormat.F8_E4M3.minSubnormal());
        assertEquals(448, FloatFormat.F8_E4M3.round(464));
        assertTrue(Double.isNaN(FloatFormat.F8_E4M3.round(465)));
        assertTrue(Double.isNaN(FloatFormat.F8_E4M3.round(Double.NEGATIVE_INFINITY)));
        assertEquals(448, FloatFormat.F8_E4M3.round(1e9, Rounding.TOWARD_ZERO));
        assertEquals(57344, FloatFormat.F8_E5M2.maxFinite());
        assertEquals(Double.POSITIVE_INFINITY, FloatFormat.F8_E5M2.round(61440));
        assertFalse(FloatFormat.F8_E4M3.hasInfinities());
        assertEquals(0x7f, FloatFormat.F8_E4M3.encode(Double.NaN));
    }

    @Test
    void zerosKeepTheirSign() {
        for (FloatFormat format : FloatFormat.values()) {
            assertEquals(1L << (format.bits() - 1), format.encode(-0.0), format.toString());
            assertEquals(0, format.encode(0.0));
            assertEquals(
                    0, Double.compare(-0.0, format.round(-Double.MIN_VALUE * (format == FloatFormat.F64 ? 0 : 1))));
        }
    }

    @Test
    void ulpIsTheDistanceToTheNextNumber() {
        for (long code = 0; code < 0x7bff; code++) {
            double value = FloatFormat.F16.decode(code);
            assertEquals(FloatFormat.F16.decode(code + 1) - value, FloatFormat.F16.ulp(value));
        }
        assertEquals("0x3f80", FloatFormat.BF16.hex(FloatFormat.BF16.encode(1)));
    }

    @Test
    void significandsRoundAsLongArithmeticDoes() {
        RandomStream stream = RandomStream.of("significand", 1, "x");
        for (int draw = 0; draw < 100_000; draw++) {
            long whole = (stream.nextLong() >>> 12) | (1L << 51);
            int bits = stream.between(1, 51);
            int dropped = 52 - bits;
            long cut = (whole >>> dropped) << dropped;
            long rest = whole - cut;
            long half = 1L << (dropped - 1);
            boolean up = rest > half || (rest == half && ((cut >>> dropped) & 1) != 0);
            assertEquals((double) cut, Significand.truncate((double) whole, bits));
            assertEquals((double) (up ? cut + (1L << dropped) : cut), Significand.nearest((double) whole, bits));
            assertEquals(-(double) cut, Significand.round(-(double) whole, bits, Rounding.TOWARD_ZERO));
        }
    }

    @Test
    void sumsAreRoundedOnce() {
        RandomStream stream = RandomStream.of("roundSum", 1, "x");
        for (int draw = 0; draw < 20_000; draw++) {
            double x = Math.scalb(stream.signedUniform(), stream.between(-20, 20));
            double y = Math.scalb(stream.signedUniform(), stream.between(-60, 20));
            int bits = draw % 5 == 0 ? 53 : stream.between(2, 51);
            BigDecimal sum = new BigDecimal(x).add(new BigDecimal(y));
            for (Rounding rounding : Rounding.values()) {
                double rounded = Significand.roundSum(x, y, bits, rounding);
                if (sum.signum() == 0) {
                    assertEquals(0.0, rounded);
                    continue;
                }
                BigDecimal error = new BigDecimal(rounded).subtract(sum).abs();
                int exponent = Math.getExponent(rounded);
                BigDecimal place = new BigDecimal(Math.scalb(1.0, exponent - bits + 1));
                assertEquals(rounded, Significand.truncate(rounded, bits));
                if (rounding == Rounding.NEAREST_EVEN) {
                    assertTrue(error.multiply(BigDecimal.TWO).compareTo(place) <= 0);
                } else {
                    assertTrue(error.compareTo(place) < 0);
                    assertTrue(new BigDecimal(rounded).abs().compareTo(sum.abs()) <= 0);
                }
            }
        }
        // A tie of 24 bits that only a far smaller second term decides.
        assertEquals(1 + 0x1p-23, Significand.roundSum(1 + 0x1p-24, 0x1p-70, 24, Rounding.NEAREST_EVEN));
        assertEquals(1.0, Significand.roundSum(1 + 0x1p-24, -0x1p-70, 24, Rounding.NEAREST_EVEN));
        assertEquals(Math.nextDown(1.0), Significand.roundSum(1.0, -0x1p-70, 53, Rounding.TOWARD_ZERO));
    }
}
