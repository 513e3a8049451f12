package dev.heng.backend.reference;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.heng.spi.BackendException;
import dev.heng.spi.graph.ActivationFormat;
import dev.heng.spi.graph.Graph;
import dev.heng.spi.graph.GraphBuilder;
import dev.heng.spi.graph.Value;
import dev.heng.spi.tensor.DType;
import dev.heng.spi.tensor.Dim;
import dev.heng.spi.tensor.Quantization;
import dev.heng.spi.tensor.Shape;
import dev.heng.spi.tensor.TensorType;
import java.lang.foreign.MemorySegment;
import java.util.Arrays;
import java.util.SplittableRandom;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** QUANT: layouts read out exactly, by products with the identity; activation formats against their definitions. */
class WeightFormatsTest {

    /** Rows that are not multiples of a block: 576 = 4.5 * 128. */
    @ParameterizedTest
    @CsvSource({"576,128", "1,1", "128,129", "130,300", "5,127"})
    void fp8BlocksHaveTheirOwnScaleAndMayBePartial(int n, int k) {
        int blockRows = Math.ceilDiv(n, 128);
        int blockColumns = Math.ceilDiv(k, 128);
        int[] codes = new int[n * k];
        SplittableRandom random = new SplittableRandom(3);
        for (int i = 0; i < codes.length; i++) {
            codes[i] = random.nextInt(256) & 0xfe; // Neither of the two NaN codes, which are odd.
        }
        for (DType scaleType : new DType[] {DType.F32, DType.BF16, DType.F8_E8M0}) {
            double[] scales = new double[blockRows * blockColumns];
            int[] exponents = new int[scales.length];
            for (int i = 0; i < scales.length; i++) {
                exponents[i] = 3 * i - 11;
                scales[i] = Math.pow(2, exponents[i]);
            }
            MemorySegment stored = scaleType == DType.F8_E8M0
                    ? Data.bytes(Arrays.stream(exponents).map(e -> e + 127).toArray())
                    : Data.of(scaleType, scales);
            TensorType type =
                    new TensorType(DType.F8_E4M3, Shape.of(n, k), new Quantization.Fp8Blocks(128, 128, scaleType));
            double[] w = readOut(new Trial().weight("w", Data.bytes(codes), stored, null), type, n, k);
            for (int row = 0; row < n; row++) {
                for (int column = 0; column < k; column++) {
                    double expected = FloatFormats.fromE4m3((byte) codes[row * k + column])
                            * scales[(row / 128) * blockColumns + column / 128];
                    assertEquals(expected + 0.0, w[row * k + column], "W[" + row + "][" + column + "]");
                }
            }
        }
    }

    @Test
    void fp8NanCodesAndNanScalesAreNan() {
        TensorType type =
                new TensorType(DType.F8_E4M3, Shape.of(2, 1), new Quantization.Fp8Blocks(1, 1, DType.F8_E8M0));
        double[] w = readOut(new Trial().weight("w", Data.bytes(0x7f, 0x38), Data.bytes(127, 255), null), type, 2, 1);
        assertTrue(Double.isNaN(w[0]) && Double.isNaN(w[1]));
    }

    @Test
    void int8ChannelsScaleEveryRow() {
        for (DType scaleType : new DType[] {DType.F32, DType.F16, DType.BF16}) {
            TensorType type = new TensorType(DType.I8, Shape.of(3, 5), new Quantization.Int8Channels(scaleType));
            int[] elements = {-128, -127, -1, 0, 1, 127, 2, -2, 3, -3, 9, 8, 7, 6, 5};
            double[] scales = {0.5, 3, -0.25};
            double[] w = readOut(
                    new Trial().weight("w", Data.bytes(elements), Data.of(scaleType, scales), null), type, 3, 5);
            for (int i = 0; i < w.length; i++) {
                assertEquals(elements[i] * scales[i / 5], w[i] + 0.0, "element " + i);
            }
        }
    }

    /** K odd, groups that divide neither K nor 8, rows that do not fill a word of zero points. */
    @ParameterizedTest
    @CsvSource({"1,1,32", "11,37,32", "9,64,32", "16,33,5", "8,8,128", "17,9,3"})
    void int4CodesAreLowestNibbleFirstWithGroupTailsAndZeroPoints(int n, int k, int group) {
        int words = Math.ceilDiv(k, 8);
        int groups = Math.ceilDiv(k, group);
        SplittableRandom random = new SplittableRandom(9);
        int[] packed = random.ints((long) n * words).toArray();
        int[] zeroWords = random.ints((long) Math.ceilDiv(n, 8) * groups).toArray();
        double[] scales = new double[n * groups];
        for (int i = 0; i < scales.length; i++) {
            scales[i] = random.nextInt(1, 128) * 0.25;
        }
        for (boolean zeroPoints : new boolean[] {false, true}) {
            for (DType scaleType : new DType[] {DType.F32, DType.F16, DType.BF16}) {
                TensorType type = new TensorType(
                        DType.I4, Shape.of(n, k), new Quantization.Int4Groups(group, scaleType, zeroPoints));
                double[] w = readOut(
                        new Trial()
                                .weight(
                                        "w",
                                        Data.ints(packed),
                                        Data.of(scaleType, scales),
                                        zeroPoints ? Data.ints(zeroWords) : null),
                        type,
                        n,
                        k);
                byte[] bytes = Data.ints(packed).toArray(java.lang.foreign.ValueLayout.JAVA_BYTE);
                byte[] zeroBytes = Data.ints(zeroWords).toArray(java.lang.foreign.ValueLayout.JAVA_BYTE);
                for (int row = 0; row < n; row++) {
                    for (int column = 0; column < k; column++) {
                        // By bytes, as the file has them: two codes in a byte, the first in the low half.
                        int code = half(bytes[row * words * 4 + column / 2], column % 2);
                        int at = column / group;
                        int zero = zeroPoints
                                ? half(zeroBytes[((row / 8) * groups + at) * 4 + (row % 8) / 2], row % 2)
                                : 8;
                        assertEquals((code - zero) * scales[row * groups + at], w[row * k + column] + 0.0);
                    }
                }
            }
        }
    }

    @ParameterizedTest
    @CsvSource({"1,7", "3,129", "9,33"})
    void int8ActivationsAreRoundedPerToken(int tokens, int k) {
        int n = 4;
        SplittableRandom random = new SplittableRandom(31);
        double[] x = new double[tokens * k];
        for (int i = 0; i < x.length; i++) {
            x[i] = (float) random.nextDouble(-3, 3);
        }
        int[] elements = random.ints((long) n * k, -128, 128).toArray();
        double[] scales = {0.5, 0.0078125, 3, 1e-3f};
        TensorType type = new TensorType(DType.I8, Shape.of(n, k), new Quantization.Int8Channels(DType.F32));
        double[] y = new Trial()
                .dim(Dim.TOKENS, tokens)
                .bind("x", Data.of(DType.F32, x))
                .weight("w", Data.bytes(elements), Data.of(DType.F32, scales), null)
                .y(linear(DType.F32, type, k, ActivationFormat.INT8_PER_TOKEN, DType.F32));
        for (int t = 0; t < tokens; t++) {
            float largest = 0;
            for (int i = 0; i < k; i++) {
                largest = Math.max(largest, Math.abs((float) x[t * k + i]));
            }
            float scale = largest / 127f;
            for (int row = 0; row < n; row++) {
                long sum = 0;
                for (int i = 0; i < k; i++) {
                    sum += Math.round(Math.rint(x[t * k + i] / scale)) * elements[row * k + i];
                }
                assertEquals((float) (sum * ((double) scale * scales[row])), y[t * n + row]);
            }
        }
    }

    @Test
    void int8ActivationsOfZerosStayZerosAndNonFiniteRowsBecomeNan() {
        TensorType type = new TensorType(DType.I8, Shape.of(1, 2), new Quantization.Int8Channels(DType.F32));
        double[] x = {0, 0, Double.NaN, 1, 1, Double.POSITIVE_INFINITY, Float.MIN_VALUE, 0, 1, -1};
        double[] y = new Trial()
                .dim(Dim.TOKENS, 5)
                .bind("x", Data.of(DType.F32, x))
                .weight("w", Data.bytes(3, 1), Data.of(DType.F32, 1), null)
                .y(linear(DType.F32, type, 2, ActivationFormat.INT8_PER_TOKEN, DType.F32));
        // The smallest subnormal over 127 vanishes, so that its row counts as zeros (QUANT-041).
        assertArrayEquals(new double[] {0, Double.NaN, Double.NaN, 0, (float) (254 * (double) (1 / 127f))}, y);
    }

    @ParameterizedTest
    @CsvSource({"FP8_PER_TOKEN_128", "FP8_PER_TOKEN_128_POWER_OF_TWO"})
    void fp8ActivationsAreRoundedPerTokenAndBlock(ActivationFormat format) {
        int k = 300;
        SplittableRandom random = new SplittableRandom(77);
        double[] x = new double[k];
        for (int i = 0; i < k; i++) {
            x[i] = i >= 256 ? (float) (i * 1e-9) : (float) (random.nextGaussian() * (i < 128 ? 1 : 50));
        }
        // The identity as FP8 weights reads the rounded activations out: row n has 1 (code 0x38) in column n.
        int[] identity = new int[k * k];
        for (int i = 0; i < k; i++) {
            identity[i * k + i] = 0x38;
        }
        TensorType type =
                new TensorType(DType.F8_E4M3, Shape.of(k, k), new Quantization.Fp8Blocks(128, 128, DType.F32));
        double[] scales = new double[9];
        Arrays.fill(scales, 1);
        double[] y = new Trial()
                .dim(Dim.TOKENS, 1)
                .bind("x", Data.of(DType.F32, x))
                .weight("w", Data.bytes(identity), Data.of(DType.F32, scales), null)
                .y(linear(DType.F32, type, k, format, DType.F64));
        for (int from = 0; from < k; from += 128) {
            int to = Math.min(k, from + 128);
            float largest = 1e-4f;
            for (int i = from; i < to; i++) {
                largest = Math.max(largest, Math.abs((float) x[i]));
            }
            float scale = largest / 448f;
            if (format == ActivationFormat.FP8_PER_TOKEN_128_POWER_OF_TWO) {
                float power = 0x1p-100f;
                while (power < scale) {
                    power *= 2;
                }
                scale = power;
            }
            for (int i = from; i < to; i++) {
                assertEquals(nearestE4m3(x[i] / scale) * scale, y[i], "element " + i);
            }
        }
    }

    @Test
    void whatIsStoredMustAgreeWithTheType() {
        TensorType fp8 = new TensorType(DType.F8_E4M3, Shape.of(3, 2), new Quantization.Fp8Blocks(2, 2, DType.F32));
        MemorySegment elements = Data.bytes(0, 0, 0, 0, 0, 0);
        assertRefused(fp8, new Trial().weight("w", elements), "'w' is stored without its scales");
        assertRefused(
                fp8,
                new Trial().weight("w", elements, Data.of(DType.F32, 1), null),
                "4 bytes of scales in part 0, and its type");
        assertRefused(
                fp8,
                new Trial().weight("w", Data.bytes(0), Data.of(DType.F32, 1, 1), null),
                "1 bytes of elements in part 0");
        assertRefused(
                TensorType.of(DType.F32, Shape.of(1, 1)),
                new Trial().weight("w", Data.of(DType.F32, 1), Data.of(DType.F32, 1), null),
                "is stored with scales");
        TensorType int4 = new TensorType(DType.I4, Shape.of(1, 2), new Quantization.Int4Groups(2, DType.F32, true));
        assertRefused(
                int4,
                new Trial().weight("w", Data.ints(0), Data.of(DType.F32, 1), null),
                "is stored without its zero points");
    }

    private static void assertRefused(TensorType type, Trial trial, String message) {
        int k = (int) type.shape().dim(-1).size();
        Graph graph = linear(DType.F32, type, k, ActivationFormat.FLOAT, DType.F32);
        BackendException refused = assertThrows(
                BackendException.class,
                () -> trial.dim(Dim.TOKENS, 1)
                        .bind("x", Data.of(DType.F32, new double[k]))
                        .run(graph));
        assertEquals(BackendException.Code.INVALID_DATA, refused.code());
        assertTrue(String.valueOf(refused.getMessage()).contains(message), refused::getMessage);
    }

    /** Returns W, row-major, by multiplying the identity with it. */
    private static double[] readOut(Trial trial, TensorType type, int n, int k) {
        double[] identity = new double[k * k];
        for (int i = 0; i < k; i++) {
            identity[i * k + i] = 1;
        }
        double[] transposed = trial.dim(Dim.TOKENS, k)
                .bind("x", Data.of(DType.F64, identity))
                .y(linear(DType.F64, type, k, ActivationFormat.FLOAT, DType.F64));
        double[] w = new double[n * k];
        for (int row = 0; row < n; row++) {
            for (int column = 0; column < k; column++) {
                w[row * k + column] = transposed[column * n + row];
            }
        }
        return w;
    }

    private static Graph linear(DType x, TensorType weight, int k, ActivationFormat format, DType out) {
        GraphBuilder builder = new GraphBuilder("linear");
        Value input = builder.input("x", TensorType.of(x, Dim.of(Dim.TOKENS), Dim.of(k)));
        builder.output("y", builder.linear("y", input, builder.weight("w", weight), format, out));
        return builder.build();
    }

    private static int half(byte two, int which) {
        return which == 0 ? two & 0xf : (two >> 4) & 0xf;
    }

    /** Returns the nearest E4M3 number by looking at all of them. */
    private static double nearestE4m3(double value) {
        double best = 0;
        int bestCode = 0;
        for (int code = 0; code < 0x7f; code++) {
            double candidate = Math.copySign(FloatFormats.fromE4m3((byte) code), value);
            double closer = Math.abs(candidate - value) - Math.abs(best - value);
            if (closer < 0 || (closer == 0 && code % 2 == 0 && bestCode % 2 == 1)) {
                best = candidate;
                bestCode = code;
            }
        }
        return best;
    }
}
