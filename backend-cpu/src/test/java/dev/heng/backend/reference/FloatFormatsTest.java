package dev.heng.backend.reference;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.heng.spi.tensor.DType;
import java.util.SplittableRandom;
import org.junit.jupiter.api.Test;

/** FORMAT: every code of every format, and roundings against exact arithmetic. */
class FloatFormatsTest {

    @Test
    void everyBfloat16CodeSurvivesDecodingAndEncoding() {
        for (int code = 0; code < 0x10000; code++) {
            double value = FloatFormats.fromBf16((short) code);
            int exponent = (code >> 7) & 0xff;
            int fraction = code & 0x7f;
            double magnitude = exponent == 0xff
                    ? (fraction == 0 ? Double.POSITIVE_INFINITY : Double.NaN)
                    : exponent == 0 ? fraction * Math.pow(2, -133) : (128 + fraction) * Math.pow(2, exponent - 134);
            assertEquals(code >= 0x8000 ? -magnitude : magnitude, value);
            if (!Double.isNaN(value)) {
                assertEquals((short) code, FloatFormats.toBf16(value));
            }
        }
        assertTrue(Double.isNaN(FloatFormats.fromBf16(FloatFormats.toBf16(Double.NaN))));
    }

    @Test
    void everyBinary16CodeSurvivesDecodingAndEncoding() {
        for (int code = 0; code < 0x10000; code++) {
            double value = FloatFormats.fromF16((short) code);
            int exponent = (code >> 10) & 0x1f;
            int fraction = code & 0x3ff;
            double magnitude = exponent == 0x1f
                    ? (fraction == 0 ? Double.POSITIVE_INFINITY : Double.NaN)
                    : exponent == 0 ? fraction * Math.pow(2, -24) : (1024 + fraction) * Math.pow(2, exponent - 25);
            assertEquals(code >= 0x8000 ? -magnitude : magnitude, value);
            if (!Double.isNaN(value)) {
                assertEquals((short) code, FloatFormats.toF16(value));
            }
        }
    }

    @Test
    void everyE4m3CodeIsWhatTheOcpSpecificationSays() {
        for (int code = 0; code < 256; code++) {
            int exponent = (code & 0x78) >> 3;
            int fraction = code & 7;
            double magnitude = (exponent == 0 ? fraction : 8 + fraction) * Math.pow(2, Math.max(exponent, 1) - 10);
            double expected = (code & 0x7f) == 0x7f ? Double.NaN : code < 128 ? magnitude : -magnitude;
            assertEquals(expected, FloatFormats.fromE4m3((byte) code), "code " + code);
        }
        assertEquals(448, FloatFormats.fromE4m3((byte) 0x7e));
        assertEquals(0x1p-9, FloatFormats.fromE4m3((byte) 0x01));
    }

    @Test
    void everyE8m0CodeIsAPowerOfTwo() {
        for (int code = 0; code < 255; code++) {
            assertEquals(Math.pow(2, code - 127), FloatFormats.fromE8m0((byte) code));
        }
        assertTrue(Double.isNaN(FloatFormats.fromE8m0((byte) 255)));
    }

    @Test
    void roundingToE4m3TiesToEvenAndSaturates() {
        for (int code = 0; code < 0x7e; code++) {
            double low = FloatFormats.fromE4m3((byte) code);
            double high = FloatFormats.fromE4m3((byte) (code + 1));
            double middle = (low + high) / 2;
            for (double sign : new double[] {1, -1}) {
                assertEquals(sign * low, FloatFormats.saturatedE4m3(sign * low));
                assertEquals(sign * (code % 2 == 0 ? low : high), FloatFormats.saturatedE4m3(sign * middle));
                assertEquals(sign * low, FloatFormats.saturatedE4m3(sign * Math.nextDown(middle)));
                assertEquals(sign * high, FloatFormats.saturatedE4m3(sign * Math.nextUp(middle)));
            }
        }
        for (double large : new double[] {448.5, 464, 480, 1e30, Double.POSITIVE_INFINITY}) {
            assertEquals(448, FloatFormats.saturatedE4m3(large));
            assertEquals(-448, FloatFormats.saturatedE4m3(-large));
        }
        assertTrue(Double.isNaN(FloatFormats.saturatedE4m3(Double.NaN)));
    }

    @Test
    void roundingFromDoubleTiesToEvenBetweenAllNeighbours() {
        for (DType dtype : new DType[] {DType.BF16, DType.F16}) {
            boolean bf16 = dtype == DType.BF16;
            int infinity = bf16 ? 0x7f80 : 0x7c00;
            for (int code = 0; code < infinity; code++) {
                double low = decode(bf16, code);
                double high = code + 1 == infinity ? (bf16 ? 0x1p128 : 65536) : decode(bf16, code + 1);
                double above = code + 1 == infinity ? Double.POSITIVE_INFINITY : high;
                double middle = (low + high) / 2;
                assertEquals(code % 2 == 0 ? low : above, FloatFormats.nearest(dtype, middle));
                assertEquals(low, FloatFormats.nearest(dtype, Math.nextDown(middle)));
                assertEquals(above, FloatFormats.nearest(dtype, Math.nextUp(middle)));
                assertEquals(-above, FloatFormats.nearest(dtype, -Math.nextUp(middle)));
                assertEquals(above, FloatFormats.neighbour(dtype, low, true));
                assertEquals(-above, FloatFormats.neighbour(dtype, -low, false));
                if (code + 1 < infinity) {
                    assertEquals(0, Double.compare(Math.abs(FloatFormats.neighbour(dtype, high, false)), low));
                }
            }
        }
    }

    /** FORMAT-002: through F32 these would become ties and fall to the even side. */
    @Test
    void roundingFromDoubleDoesNotGoThroughFloat() {
        assertEquals(1 + 0x1p-7, FloatFormats.nearest(DType.BF16, 1 + 0x1p-8 + 0x1p-40));
        assertEquals(1 + 0x1p-10, FloatFormats.nearest(DType.F16, 1 + 0x1p-11 + 0x1p-40));
    }

    @Test
    void roundingOfRandomDoublesAgreesWithExactDistances() {
        SplittableRandom random = new SplittableRandom(5);
        for (int i = 0; i < 100_000; i++) {
            double value = Math.scalb(random.nextDouble(-1, 1), random.nextInt(-150, 129));
            assertEquals(Formats.bf16(value), FloatFormats.nearest(DType.BF16, value), () -> "" + value);
        }
    }

    private static double decode(boolean bf16, int code) {
        return bf16 ? Float.intBitsToFloat(code << 16) : Float.float16ToFloat((short) code);
    }
}
