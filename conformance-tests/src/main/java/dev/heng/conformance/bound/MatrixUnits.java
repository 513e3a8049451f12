package dev.heng.conformance.bound;

import dev.heng.conformance.accumulate.AccumulationProfile;
import dev.heng.conformance.format.Rounding;
import dev.heng.spi.NumericsProfile;
import dev.heng.spi.NumericsProfile.Accumulation;
import dev.heng.spi.NumericsProfile.Product;
import dev.heng.spi.graph.ActivationFormat;
import dev.heng.spi.tensor.DType;
import dev.heng.spi.tensor.Quantization;
import dev.heng.spi.tensor.TensorType;

/** From a declared profile to the unit that bounds are derived from. */
public final class MatrixUnits {

    /** The widest aligned term and the longest block that the models take; a wider term errs less still. */
    private static final int WIDEST_TERM = 40;

    private static final int LONGEST_BLOCK = 256;

    private MatrixUnits() {}

    /** Returns which kind of product a linear operator is. */
    public static Product product(DType activations, TensorType weight, ActivationFormat format) {
        return switch (weight.quantization()) {
            case Quantization.Fp8Blocks _ -> format == ActivationFormat.FLOAT ? Product.FP8_WEIGHT : Product.FP8;
            case Quantization.Int8Channels _ ->
                format == ActivationFormat.INT8_PER_TOKEN ? Product.INT8 : Product.INT8_WEIGHT;
            case Quantization.Int4Groups _ -> Product.INT4_WEIGHT;
            case Quantization.None _ -> {
                if (activations == DType.F64) {
                    yield Product.F64;
                }
                if (activations == DType.F16 && weight.dtype() == DType.F16) {
                    yield Product.F16;
                }
                yield activations == DType.BF16 && weight.dtype() == DType.BF16 ? Product.BF16 : Product.F32;
            }
        };
    }

    /**
     * Returns what the profile declares.
     *
     * @throws UndeclaredNumericsException if it declares nothing
     */
    public static Accumulation declared(NumericsProfile profile, Product product) {
        Accumulation declared = profile.products().get(product);
        if (declared == null) {
            throw new UndeclaredNumericsException("the numerics profile declares no accumulation for " + product
                    + " products, which the device said it supports");
        }
        return declared;
    }

    /** Returns which product attention is: latent attention in BF16 may be declared apart. */
    public static Product attention(NumericsProfile profile, boolean latent, DType type) {
        boolean apart = latent && type == DType.BF16 && profile.products().containsKey(Product.LATENT_ATTENTION_BF16);
        return apart ? Product.LATENT_ATTENTION_BF16 : Product.ATTENTION;
    }

    /** Returns the significand bits that attention's probabilities keep before they weigh values. */
    public static int probabilityBits(NumericsProfile profile, Product attention) {
        int declared = profile.attentionProbability().significandBits();
        return attention == Product.LATENT_ATTENTION_BF16
                ? Math.min(declared, declared(profile, attention).weightBits())
                : declared;
    }

    /** Returns the unit of a declaration, fused, since bounds allow for the running sum among a block's terms in any case. */
    public static AccumulationProfile unit(Accumulation declared) {
        boolean scalar = declared.blockLength() == 1;
        int align = Math.max(8, declared.alignBits());
        return new AccumulationProfile(
                AccumulationProfile.FLOAT_BITS,
                Rounding.NEAREST_EVEN,
                Math.min(LONGEST_BLOCK, declared.blockLength()),
                scalar && align > WIDEST_TERM ? AccumulationProfile.EXACT : Math.min(WIDEST_TERM, align),
                direction(declared.alignRounding()),
                !scalar,
                declared.sumBits() > 51 ? 53 : Math.max(8, declared.sumBits()),
                direction(declared.sumRounding()),
                false,
                declared.promotionInterval());
    }

    private static Rounding direction(NumericsProfile.Rounding rounding) {
        return switch (rounding) {
            case NEAREST_EVEN -> Rounding.NEAREST_EVEN;
            case TOWARD_ZERO -> Rounding.TOWARD_ZERO;
        };
    }

    /** Returns the largest relative error of a number of {@code bits} that a multiplier cuts to {@code kept}, in any direction. */
    public static double cut(int bits, int kept) {
        return kept >= bits ? 0 : Math.scalb(1.0, 1 - kept);
    }

    /** Returns the largest relative error of a scalar function, from its declared units in the last place of F32. */
    public static double scalar(NumericsProfile profile, NumericsProfile.ScalarFunction function) {
        Double ulp = profile.scalarUlp().get(function);
        if (ulp == null) {
            throw new UndeclaredNumericsException("the numerics profile declares no error of " + function
                    + ", which the device needs for what it said it supports");
        }
        // One unit in the last place is at most 2^-23 of a normal F32 number.
        return ulp * 0x1p-23;
    }
}
