package dev.heng.conformance.fill;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.heng.conformance.format.FloatFormat;
import dev.heng.conformance.random.RandomStream;
import java.util.Arrays;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

final class FillTest {

    private static final int[][] SHAPES = {{0, 0}, {0, 7}, {3, 0}, {1, 1}, {2, 1}, {17, 33}, {64, 257}, {130, 130}};

    private static RandomStream stream(String tensor) {
        return RandomStream.of("FillTest", 3, tensor);
    }

    @ParameterizedTest
    @EnumSource(MatrixFill.class)
    void everyValueIsANumberOfTheFormatAndReplays(MatrixFill fill) {
        for (FloatFormat format : FloatFormat.values()) {
            for (Operand operand : Operand.values()) {
                for (int[] shape : SHAPES) {
                    FilledMatrix first = fill.fill(stream("x"), format, operand, shape[0], shape[1]);
                    FilledMatrix again = fill.fill(stream("x"), format, operand, shape[0], shape[1]);
                    assertArrayEquals(first.values(), again.values());
                    for (double value : first.values()) {
                        assertTrue(format.represents(value), fill + " " + format + " " + value);
                        assertTrue(fill == MatrixFill.NON_FINITE_ROWS || Double.isFinite(value));
                    }
                    assertFalse(
                            shape[0] > 3 && shape[1] > 3 && first.degeneracy().isDegenerate(),
                            () -> fill + " " + format + " " + operand + " " + first.degeneracy());
                }
            }
        }
    }

    @Test
    void aFillThatTriggersNothingIsDegenerateAndSaysWhat() {
        FilledMatrix tooNarrow = MatrixFill.HEAVY.fill(stream("x"), FloatFormat.BF16, Operand.ACTIVATIONS, 4, 4);
        assertTrue(tooNarrow.degeneracy().isDegenerate());
        assertEquals(1, tooNarrow.degeneracy().measure());
        assertTrue(tooNarrow.degeneracy().toString().contains("outlier columns"));
        Degeneracy half = Degeneracy.of(new Trigger("halves", 1, 2)).and(Degeneracy.of(new Trigger("wholes", 2, 2)));
        assertEquals(0.5, half.measure());
        assertEquals("sound", Degeneracy.of(new Trigger("wholes", 2, 2)).toString());
        assertThrows(IllegalArgumentException.class, () -> new Trigger("negative", -1, 0));
    }

    @Test
    void oneHotRowsCopySingleWeights() {
        FilledMatrix hot = MatrixFill.ONE_HOT.fill(stream("a"), FloatFormat.F32, Operand.ACTIVATIONS, 40, 37);
        for (int row = 0; row < 40; row++) {
            double sum = 0;
            for (int column = 0; column < 37; column++) {
                sum += Math.abs(hot.at(row, column));
            }
            assertEquals(1, sum);
        }
        FilledMatrix weights = MatrixFill.ONE_HOT.fill(stream("b"), FloatFormat.F32, Operand.WEIGHTS, 5, 37);
        for (double value : weights.values()) {
            assertEquals(1, Float.floatToIntBits((float) value) & 1, "the last bit of every weight counts");
        }
    }

    @Test
    void neighbouringBlocksHaveDifferentScales() {
        for (FloatFormat format : new FloatFormat[] {FloatFormat.F8_E4M3, FloatFormat.F32}) {
            FilledMatrix blocks = MatrixFill.BLOCK_SCALES.fill(stream("b"), format, Operand.WEIGHTS, 520, 520);
            for (int row = 0; row < 512; row += 128) {
                for (int column = 0; column < 384; column += 128) {
                    assertNotEquals(blocks.at(row, column), blocks.at(row, column + 128));
                    assertEquals(blocks.at(row, column), blocks.at(row + 127, column + 127));
                    if (row < 384) {
                        assertNotEquals(blocks.at(row, column), blocks.at(row + 128, column));
                        assertNotEquals(blocks.at(row, column), blocks.at(row + 128, column + 128));
                    }
                }
            }
        }
    }

    @Test
    void exactFillsStayWithinTheirBitsAndReachThem() {
        for (FloatFormat format :
                new FloatFormat[] {FloatFormat.F32, FloatFormat.BF16, FloatFormat.F16, FloatFormat.F8_E4M3}) {
            for (int bits : new int[] {11, 14, 24}) {
                for (int k : new int[] {1, 7, 64, 2048, 7168}) {
                    ExactProductFill.Operands operands =
                            ExactProductFill.fill(stream(format + " " + bits), format, bits, 6, 5, k);
                    assertFalse(
                            operands.activations().degeneracy().isDegenerate(),
                            () -> format + " " + bits + " "
                                    + operands.activations().degeneracy());
                    for (int row = 0; row < 6; row++) {
                        double magnitude = 0;
                        for (int column = 0; column < k; column++) {
                            double value = operands.activations().at(row, column);
                            assertTrue(format.represents(value));
                            assertEquals(Math.rint(value), value);
                            magnitude += Math.abs(value);
                        }
                        assertTrue(magnitude <= Math.scalb(1.0, bits));
                        for (int column = Math.max(0, k - 8); column < k; column++) {
                            assertNotEquals(0, operands.activations().at(row, column));
                        }
                    }
                    for (double value : operands.weights().values()) {
                        assertEquals(1, Math.abs(value));
                    }
                }
            }
        }
        assertThrows(
                IllegalArgumentException.class, () -> ExactProductFill.fill(stream("x"), FloatFormat.F32, 3, 1, 1, 1));
    }

    @Test
    void nonFiniteRowsCarryEachSpecial() {
        double[] values = MatrixFill.NON_FINITE_ROWS
                .fill(stream("x"), FloatFormat.BF16, Operand.ACTIVATIONS, 12, 5)
                .values();
        assertEquals(1, Arrays.stream(values).filter(Double::isNaN).count());
        assertEquals(2, Arrays.stream(values).filter(Double::isInfinite).count());
    }

    @ParameterizedTest
    @EnumSource(RoutingFill.class)
    void routingFillsTriggerWhatTheyAreFor(RoutingFill fill) {
        RoutingInputs inputs = fill.fill(stream("routing"), 64, 256);
        assertFalse(
                inputs.degeneracy().isDegenerate(), () -> inputs.degeneracy().toString());
        assertArrayEquals(inputs.logits(), fill.fill(stream("routing"), 64, 256).logits());
        assertEquals(fill == RoutingFill.ONE_TOKEN ? 1 : 64, inputs.tokens());
        assertEquals(fill != RoutingFill.NOT_NORMALIZED, inputs.normalize());
        assertEquals(0, fill.fill(stream("routing"), 0, 8).tokens());
        switch (fill) {
            case NEGATIVE_BIAS -> {
                for (float bias : inputs.bias()) {
                    assertTrue(bias <= -3 && bias >= -4);
                }
            }
            case EXACT_TIES -> {
                for (float logit : inputs.logits()) {
                    assertEquals(Math.rint(logit), logit);
                }
            }
            case NEAR_TIES -> {
                for (float logit : inputs.logits()) {
                    assertTrue(Math.abs(logit - 2) <= 3 * 0x1p-9f);
                }
            }
            case NORMAL_NO_BIAS,
                    NORMAL_SMALL_BIAS,
                    NORMAL_LARGE_BIAS,
                    DOMINATING_BIAS,
                    VANISHING_SCORES,
                    NOT_NORMALIZED,
                    ONE_TOKEN,
                    IDENTICAL_ROWS -> assertEquals(256, inputs.bias().length);
        }
    }
}
