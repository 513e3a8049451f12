package dev.heng.conformance.bound;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.heng.conformance.accumulate.AccumulationProfile;
import dev.heng.conformance.format.Rounding;
import dev.heng.spi.NumericsProfile;
import dev.heng.spi.NumericsProfile.Accumulation;
import dev.heng.spi.NumericsProfile.Product;
import dev.heng.spi.graph.ActivationFormat;
import dev.heng.spi.tensor.DType;
import dev.heng.spi.tensor.Quantization;
import dev.heng.spi.tensor.Shape;
import dev.heng.spi.tensor.TensorType;
import java.util.Map;
import org.junit.jupiter.api.Test;

final class MatrixUnitsTest {

    private static final NumericsProfile PROFILE = new NumericsProfile(
            Map.of(Product.F32, Accumulation.f32()),
            Map.of(NumericsProfile.ScalarFunction.EXP, 3.0),
            DType.F32,
            false,
            NumericsProfile.Determinism.NONE);

    private static TensorType plain(DType dtype) {
        return TensorType.of(dtype, Shape.of(8, 16));
    }

    private static TensorType quantised(DType dtype, Quantization quantization) {
        return new TensorType(dtype, Shape.of(8, 16), quantization);
    }

    @Test
    void plainProductsAreNamedByBothOperands() {
        DType[] types = {DType.F64, DType.F32, DType.F16, DType.BF16};
        for (DType activations : types) {
            for (DType weights : types) {
                Product expected = activations == weights ? Product.valueOf(activations.name()) : Product.F32;
                expected = activations == DType.F64 ? Product.F64 : expected;
                assertEquals(
                        expected,
                        MatrixUnits.product(activations, plain(weights), ActivationFormat.FLOAT),
                        activations + " " + weights);
            }
        }
    }

    @Test
    void quantisedProductsAreNamedByTheWeightAndWhatActivationsBecome() {
        TensorType fp8 = quantised(DType.F8_E4M3, new Quantization.Fp8Blocks(128, 128, DType.F32));
        TensorType int8 = quantised(DType.I8, new Quantization.Int8Channels(DType.F32));
        TensorType int4 = quantised(DType.I4, new Quantization.Int4Groups(8, DType.F32, false));
        for (DType activations : new DType[] {DType.BF16, DType.F16, DType.F32}) {
            assertEquals(Product.FP8_WEIGHT, MatrixUnits.product(activations, fp8, ActivationFormat.FLOAT));
            assertEquals(Product.FP8, MatrixUnits.product(activations, fp8, ActivationFormat.FP8_PER_TOKEN_128));
            assertEquals(
                    Product.FP8,
                    MatrixUnits.product(activations, fp8, ActivationFormat.FP8_PER_TOKEN_128_POWER_OF_TWO));
            assertEquals(Product.INT8_WEIGHT, MatrixUnits.product(activations, int8, ActivationFormat.FLOAT));
            assertEquals(Product.INT8, MatrixUnits.product(activations, int8, ActivationFormat.INT8_PER_TOKEN));
            assertEquals(Product.INT4_WEIGHT, MatrixUnits.product(activations, int4, ActivationFormat.FLOAT));
        }
    }

    @Test
    void whatIsNotDeclaredIsNamed() {
        assertEquals(Accumulation.f32(), MatrixUnits.declared(PROFILE, Product.F32));
        UndeclaredNumericsException product = assertThrows(
                UndeclaredNumericsException.class, () -> MatrixUnits.declared(PROFILE, Product.INT4_WEIGHT));
        assertTrue(String.valueOf(product.getMessage()).contains("INT4_WEIGHT products"), product.toString());
        assertEquals(3 * 0x1p-23, MatrixUnits.scalar(PROFILE, NumericsProfile.ScalarFunction.EXP));
        UndeclaredNumericsException function = assertThrows(
                UndeclaredNumericsException.class,
                () -> MatrixUnits.scalar(PROFILE, NumericsProfile.ScalarFunction.SINCOS));
        assertTrue(String.valueOf(function.getMessage()).contains("error of SINCOS"), function.toString());
    }

    @Test
    void unitsAreTheirDeclarations() {
        assertEquals(AccumulationProfile.FLOAT32_MULTIPLY_ADD, MatrixUnits.unit(Accumulation.f32()));
        // The bfloat16 unit of an H200: 26 bits of aligned terms, 24 of the sum.
        assertEquals(
                AccumulationProfile.matrixUnit(16, 26, Rounding.TOWARD_ZERO),
                MatrixUnits.unit(Accumulation.matrixUnit(8, 16, 26, 24, NumericsProfile.Rounding.TOWARD_ZERO)));
        assertEquals(
                AccumulationProfile.matrixUnit(32, 14, Rounding.NEAREST_EVEN).withPromotion(128),
                MatrixUnits.unit(Accumulation.matrixUnit(4, 32, 14, 14, NumericsProfile.Rounding.NEAREST_EVEN)
                        .promotedEvery(128)));
    }

    private static AccumulationProfile unit(int block, int align, int sum) {
        return MatrixUnits.unit(Accumulation.matrixUnit(24, block, align, sum, NumericsProfile.Rounding.NEAREST_EVEN));
    }

    @Test
    void declarationsBeyondTheModelsEndAtItsEnds() {
        // Products that a plain loop keeps whole are exact; 40 bits of one are still rounded.
        assertEquals(AccumulationProfile.EXACT, unit(1, 41, 24).alignBits());
        assertEquals(
                AccumulationProfile.EXACT,
                unit(1, Accumulation.EXACT_PRODUCT, 24).alignBits());
        assertEquals(40, unit(1, 40, 24).alignBits());
        assertEquals(AccumulationProfile.FLOAT32_FMA, unit(1, Accumulation.EXACT_PRODUCT, 24));
        // A block has no exact terms: the widest that the model knows, which allows for more error.
        assertEquals(40, unit(16, Accumulation.EXACT_PRODUCT, 24).alignBits());
        assertEquals(256, unit(257, 24, 24).blockLength());
        assertEquals(8, unit(16, 3, 24).alignBits());
        assertEquals(8, unit(16, 24, 3).sumBits());
        assertEquals(51, unit(16, 24, 51).sumBits());
        assertEquals(53, unit(16, 24, 52).sumBits());
        assertEquals(53, unit(16, 24, 53).sumBits());
        assertTrue(unit(2, 24, 24).fused());
    }

    @Test
    void cutsAreOneUnitOfWhatIsKept() {
        assertEquals(0, MatrixUnits.cut(8, 11));
        assertEquals(0, MatrixUnits.cut(11, 11));
        // Toward zero the largest number of 24 bits loses just under 2^-10 of itself.
        assertEquals(0x1p-10, MatrixUnits.cut(24, 11));
        double allOnes = 2 - 0x1p-23;
        double cut = 2 - 0x1p-10;
        assertTrue((allOnes - cut) / allOnes <= MatrixUnits.cut(24, 11));
    }
}
