package dev.heng.spi.tensor;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import java.util.Map;
import org.junit.jupiter.api.Test;

class TensorTypeTest {

    @Test
    void sizesCountPackedRowsAndSymbols() {
        Quantization int4 = new Quantization.Int4Groups(32, DType.F32, false);
        assertEquals(
                3 * 4 * 2,
                new TensorType(DType.I4, Shape.of(3, 9), int4).bytes(Map.of()),
                "a row of 9 codes takes two words");
        assertEquals(0, new TensorType(DType.I4, Shape.of(0, 9), int4).bytes(Map.of()));
        assertEquals(
                2 * 6 * 5,
                TensorType.of(DType.BF16, Dim.of(Dim.TOKENS).times(6), Dim.of(5))
                        .bytes(Map.of(Dim.TOKENS, 1L)));
        assertEquals(0, TensorType.of(DType.F32, Dim.of(Dim.TOKENS), Dim.of(5)).bytes(Map.of(Dim.TOKENS, 0L)));
    }

    @Test
    void elementsAndQuantisationMustAgree() {
        Quantization fp8 = new Quantization.Fp8Blocks(128, 128, DType.F8_E8M0);
        assertThrows(IllegalArgumentException.class, () -> new TensorType(DType.BF16, Shape.of(2, 2), fp8));
        assertThrows(IllegalArgumentException.class, () -> TensorType.of(DType.F8_E4M3, Shape.of(2, 2)));
        assertThrows(IllegalArgumentException.class, () -> new TensorType(DType.F8_E4M3, Shape.of(2), fp8));
        assertThrows(IllegalArgumentException.class, () -> new Quantization.Fp8Blocks(0, 128, DType.F32));
        assertThrows(IllegalArgumentException.class, () -> new Quantization.Int8Channels(DType.F8_E8M0));
    }

    @Test
    void unboundSymbolsAndOverflowsAreErrors() {
        Shape shape = Shape.of(Dim.of(Dim.TOKENS), Dim.of(Long.MAX_VALUE / 2));
        assertThrows(IllegalArgumentException.class, () -> shape.elements(Map.of()));
        assertThrows(IllegalArgumentException.class, () -> shape.elements(Map.of(Dim.TOKENS, -1L)));
        assertThrows(ArithmeticException.class, () -> shape.elements(Map.of(Dim.TOKENS, 3L)));
        assertThrows(IllegalStateException.class, () -> Dim.of(Dim.TOKENS).size());
        assertThrows(IllegalArgumentException.class, () -> new Dim(-1, null));
        assertThrows(IllegalArgumentException.class, () -> new Dim(0, Dim.TOKENS));
    }

    @Test
    void frequenciesAreChecked() {
        assertThrows(IllegalArgumentException.class, () -> new RopeFrequencies(new double[0], 1));
        assertThrows(IllegalArgumentException.class, () -> new RopeFrequencies(new double[] {Double.NaN}, 1));
        assertThrows(IllegalArgumentException.class, () -> new RopeFrequencies(new double[] {1}, 0));
        assertEquals(new RopeFrequencies(new double[] {1, .5}, 1), new RopeFrequencies(new double[] {1, .5}, 1));
    }
}
