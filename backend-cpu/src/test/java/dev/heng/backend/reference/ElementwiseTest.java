package dev.heng.backend.reference;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.heng.spi.BackendException;
import dev.heng.spi.graph.Graph;
import dev.heng.spi.graph.GraphBuilder;
import dev.heng.spi.graph.Value;
import dev.heng.spi.tensor.DType;
import dev.heng.spi.tensor.Dim;
import dev.heng.spi.tensor.Quantization;
import dev.heng.spi.tensor.Shape;
import dev.heng.spi.tensor.TensorType;
import java.util.SplittableRandom;
import java.util.function.BiFunction;
import org.junit.jupiter.api.Test;

/** EMBED, ADD, CAST, SLICE, SELECT, SWIGLU. */
class ElementwiseTest {

    private static final DType[] ACTIVATIONS = {DType.F64, DType.F32, DType.F16, DType.BF16};

    @Test
    void embedGathersRowsOfPlainAndQuantisedTables() {
        SplittableRandom random = new SplittableRandom(1);
        double[] table = Data.random(random, 5 * 3);
        for (DType stored : ACTIVATIONS) {
            for (DType out : ACTIVATIONS) {
                double[] y = new Trial()
                        .dim(Dim.TOKENS, 4)
                        .bind("ids", Data.ints(4, 0, 2, 2))
                        .weight("table", Data.of(stored, table))
                        .y(embed(TensorType.of(stored, Shape.of(5, 3)), out));
                for (int i = 0; i < y.length; i++) {
                    assertEquals(table[new int[] {4, 0, 2, 2}[i / 3] * 3 + i % 3], y[i]);
                }
            }
        }
        TensorType int8 = new TensorType(DType.I8, Shape.of(2, 2), new Quantization.Int8Channels(DType.F32));
        double[] y = new Trial()
                .dim(Dim.TOKENS, 1)
                .bind("ids", Data.ints(1))
                .weight("table", Data.bytes(1, 2, -3, 4), Data.of(DType.F32, 2, 0.5), null)
                .y(embed(int8, DType.BF16));
        assertArrayEquals(new double[] {-1.5, 2}, y);
    }

    @Test
    void embedOfNoTokensIsEmptyAndAnIdOutOfRangeIsNamed() {
        Graph graph = embed(TensorType.of(DType.F32, Shape.of(2, 1)), DType.F32);
        Trial trial = new Trial().weight("table", Data.of(DType.F32, 1, 2));
        assertEquals(0, trial.dim(Dim.TOKENS, 0).bind("ids", Data.ints()).y(graph).length);
        for (int bad : new int[] {2, -1, Integer.MIN_VALUE}) {
            BackendException refused = assertThrows(
                    BackendException.class,
                    () -> trial.dim(Dim.TOKENS, 2)
                            .bind("ids", Data.ints(0, bad))
                            .y(graph));
            assertEquals(BackendException.Code.INVALID_DATA, refused.code());
            assertEquals("node 'y' (Embed): 'ids'[1] is " + bad, refused.getMessage());
            assertEquals("token ids are 0..1", refused.remedy());
        }
    }

    @Test
    void addRoundsOnce() {
        // 256 + 1.5 is 257.5, between the bfloat16 numbers 256 and 258.
        assertArrayEquals(
                new double[] {258, 256, Double.NaN},
                binary(
                        DType.BF16,
                        (b, operands) -> b.plus("y", operands[0], operands[1]),
                        new double[] {256, 256, Double.POSITIVE_INFINITY},
                        new double[] {1.5, 1, Double.NEGATIVE_INFINITY}));
        double[] sum = binary(
                DType.F64,
                (b, operands) -> b.plus("y", operands[0], operands[1]),
                new double[] {1, 0x1p53},
                new double[] {0x1p-52, 1});
        assertArrayEquals(new double[] {1 + 0x1p-52, 0x1p53}, sum);
    }

    @Test
    void castConvertsEveryCodeAndRoundsDoublesOnce() {
        double[] all = new double[0x10000];
        for (int code = 0; code < all.length; code++) {
            double value = Float.intBitsToFloat(code << 16);
            all[code] = Double.isNaN(value) ? Double.NaN : value;
        }
        double[] halves = unary(DType.BF16, all, (b, x) -> b.cast("y", x, DType.F16));
        double[] floats = unary(DType.BF16, all, (b, x) -> b.cast("y", x, DType.F32));
        for (int code = 0; code < all.length; code++) {
            assertEquals(Float.float16ToFloat(Float.floatToFloat16((float) all[code])), (float) halves[code]);
            assertEquals(all[code], floats[code]);
        }
        assertArrayEquals(
                new double[] {1 + 0x1p-7, -1 - 0x1p-7},
                unary(
                        DType.F64,
                        new double[] {1 + 0x1p-8 + 0x1p-40, -1 - 0x1p-8 - 0x1p-40},
                        (b, x) -> b.cast("y", x, DType.BF16)));
    }

    @Test
    void sliceAndSelectCopyBits() {
        for (DType dtype : ACTIVATIONS) {
            GraphBuilder builder = new GraphBuilder("copies");
            Value x = builder.input("x", TensorType.of(dtype, Dim.of(Dim.TOKENS), Dim.of(3)));
            Value rows = builder.input("rows", TensorType.of(DType.I32, Dim.of(Dim.OUTPUTS)));
            builder.output("y", builder.slice("slice", builder.selectRows("select", x, rows), 1, 2));
            Graph graph = builder.build();
            Trial trial = new Trial().dim(Dim.TOKENS, 2).bind("x", Data.of(dtype, 1, 2, 3, 4, -0.0, 6));
            double[] y =
                    trial.dim(Dim.OUTPUTS, 3).bind("rows", Data.ints(1, 0, 1)).y(graph);
            assertArrayEquals(new double[] {-0.0, 6, 2, 3, -0.0, 6}, y);
            BackendException refused = assertThrows(
                    BackendException.class,
                    () -> trial.dim(Dim.OUTPUTS, 1).bind("rows", Data.ints(2)).y(graph));
            assertEquals("node 'select' (SelectRows): 'rows'[0] is 2", refused.getMessage());
        }
    }

    @Test
    void swigluIsWithinHalfAUnitOfItsFormula() {
        SplittableRandom random = new SplittableRandom(8);
        double[] gate = new double[1000];
        double[] up = new double[1000];
        for (int i = 0; i < gate.length; i++) {
            gate[i] = (float) (random.nextGaussian() * 10);
            up[i] = (float) random.nextGaussian();
        }
        double[] y = binary(DType.F32, (b, operands) -> b.swiglu("y", operands[0], operands[1]), gate, up);
        for (int i = 0; i < y.length; i++) {
            // The same number written with the hyperbolic tangent; a few units of double apart at worst.
            double expected = gate[i] * up[i] * 0.5 * (1 + Math.tanh(gate[i] / 2));
            double cancellation = Math.abs(gate[i] * up[i]) * 0x1p-52;
            double unit = Math.ulp((float) expected);
            assertTrue(Math.abs(y[i] - expected) <= 0.5 * unit + cancellation, "element " + i);
        }
    }

    @Test
    void swigluAtTheEndsOfTheRange() {
        double[] gate = {-1e4, 1e4, 0, Double.NEGATIVE_INFINITY, Double.POSITIVE_INFINITY, Double.NaN};
        double[] up = {3, 3, 3, 3, 3, 3};
        double[] y = binary(DType.F64, (b, operands) -> b.swiglu("y", operands[0], operands[1]), gate, up);
        assertArrayEquals(new double[] {0, 3e4, 0, Double.NaN, Double.POSITIVE_INFINITY, Double.NaN}, y, 0);
    }

    private static Graph embed(TensorType table, DType out) {
        GraphBuilder builder = new GraphBuilder("embed");
        Value ids = builder.input("ids", TensorType.of(DType.I32, Dim.of(Dim.TOKENS)));
        builder.output("y", builder.embed("y", builder.weight("table", table), ids, out));
        return builder.build();
    }

    private static double[] unary(DType dtype, double[] x, BiFunction<GraphBuilder, Value, Value> op) {
        GraphBuilder builder = new GraphBuilder("unary");
        Value input = builder.input("x", TensorType.of(dtype, Dim.of(Dim.TOKENS), Dim.of(1)));
        builder.output("y", op.apply(builder, input));
        return new Trial()
                .dim(Dim.TOKENS, x.length)
                .bind("x", Data.of(dtype, x))
                .y(builder.build());
    }

    private static double[] binary(
            DType dtype, BiFunction<GraphBuilder, Value[], Value> op, double[] left, double[] right) {
        GraphBuilder builder = new GraphBuilder("binary");
        Value a = builder.input("a", TensorType.of(dtype, Dim.of(Dim.TOKENS), Dim.of(1)));
        Value b = builder.input("b", TensorType.of(dtype, Dim.of(Dim.TOKENS), Dim.of(1)));
        builder.output("y", op.apply(builder, new Value[] {a, b}));
        return new Trial()
                .dim(Dim.TOKENS, left.length)
                .bind("a", Data.of(dtype, left))
                .bind("b", Data.of(dtype, right))
                .y(builder.build());
    }
}
