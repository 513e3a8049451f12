package dev.heng.spi;

import dev.heng.spi.tensor.DType;
import java.util.Collections;
import java.util.EnumMap;
import java.util.Map;

/**
 * How a device rounds, as it declares. Bounds are derived from it, reports print it, and the conformance suite's probes try to refute it:
 * a profile that promises more than the device does fails, whatever the results look like.
 *
 * @param products for each kind of product that the device supports, how sums are accumulated; copied
 * @param scalarUlp for each scalar function, the largest error in units in the last place of F32 on finite results; copied
 * @param attentionProbability the type to which softmax probabilities are rounded before they weigh values
 * @param flushesSubnormals whether F32 subnormals are treated as zero anywhere
 * @param determinism what is promised about repeating a run
 * @since 1.0
 */
public record NumericsProfile(
        Map<Product, Accumulation> products,
        Map<ScalarFunction, Double> scalarUlp,
        DType attentionProbability,
        boolean flushesSubnormals,
        Determinism determinism) {

    public NumericsProfile {
        EnumMap<Product, Accumulation> productsCopy = new EnumMap<>(Product.class);
        productsCopy.putAll(products);
        products = Collections.unmodifiableMap(productsCopy);
        EnumMap<ScalarFunction, Double> scalarCopy = new EnumMap<>(ScalarFunction.class);
        scalarCopy.putAll(scalarUlp);
        scalarUlp = Collections.unmodifiableMap(scalarCopy);
    }

    /** Kinds of product, by what meets in the multiplier. */
    public enum Product {
        /** F64 activations. */
        F64,
        /** F32 activations with plain weights. */
        F32,
        /** F16 activations with F16 weights. */
        F16,
        /** BF16 activations with BF16 weights. */
        BF16,
        /** Float activations with FP8 block weights. */
        FP8_WEIGHT,
        /** FP8 activations with FP8 block weights. */
        FP8,
        /** Float activations with int8 channel weights. */
        INT8_WEIGHT,
        /** Int8 activations with int8 channel weights: exact sums in int32. */
        INT8,
        /** Float activations with int4 group weights. */
        INT4_WEIGHT,
        /** Scores and values of attention. */
        ATTENTION,
        /**
         * The same of MlaAttention whose queries, cache and result are BF16, on devices that have kernels of their own for it, as for matrix units. Where it is not declared,
         * {@link #ATTENTION} says it too. {@code activationBits} are what factors keep on their way into both products, {@code weightBits} what probabilities keep, if that is
         * less than {@link NumericsProfile#attentionProbability()} has.
         */
        LATENT_ATTENTION_BF16
    }

    /** Scalar functions whose error is declared. */
    public enum ScalarFunction {
        /** exp(x). */
        EXP,
        /** 1 / (1 + exp(-x)). */
        SIGMOID,
        /** x / (1 + exp(-x)). */
        SILU,
        /** log(1 + exp(x)). */
        SOFTPLUS,
        /** 1 / sqrt(x). */
        RSQRT,
        /** x / y. */
        DIVIDE,
        /** sin(x) and cos(x) at rotary angles. */
        SINCOS
    }

    /** What is promised about repeating a run. */
    public enum Determinism {
        /** Nothing. */
        NONE,
        /** The same inputs in the same batch give the same bits. */
        RUN_TO_RUN,
        /** A row gives the same bits alone as in any batch. */
        BATCH_INVARIANT
    }

    /** The direction of a rounding. */
    public enum Rounding {
        /** To nearest, ties to even. */
        NEAREST_EVEN,
        /** Toward zero: what tensor cores do inside a block. */
        TOWARD_ZERO
    }

    /**
     * How a sum of products is accumulated. A matrix unit takes {@code blockLength} products at once, aligns them and the running sum to
     * the largest magnitude among them, keeps {@code alignBits} bits of each, adds those exactly, and rounds the new running sum once to
     * {@code sumBits} bits. A plain loop is a block of one product: the product is rounded to {@code alignBits}, then added with one
     * rounding to {@code sumBits}. The two widths are apart because tensor cores keep more of aligned terms than of the running sum
     * (26 against 24 bits on an H200 for BF16). docs/numerics.md, section 1, has the model; section 5, the probes that refute a declaration.
     * Sources: Fasi, Higham, Mikaitis, Pranesh, "Numerical behavior of NVIDIA tensor cores" (2021); Blanchard et al., "Mixed precision
     * block fused multiply-add" (2020).
     *
     * @param activationBits significand bits that activations keep on their way into the multiplier (11 for TF32), the hidden one included
     * @param weightBits significand bits that dequantised weights keep on theirs
     * @param blockLength products along K that are added at once; 1 for a plain loop
     * @param alignBits bits kept of each aligned term, counted from the leading bit of the largest; in a plain loop the bits to which each
     *     product is rounded, {@link #EXACT_PRODUCT} for a fused multiply-add
     * @param alignRounding how terms are cut to {@code alignBits}
     * @param sumBits significand bits of the running sum, the hidden one included: 24 for F32
     * @param sumRounding how the running sum is rounded
     * @param promotionInterval products along K after which the running sum moves to a fresh F32 accumulator; 0 for never
     */
    public record Accumulation(
            int activationBits,
            int weightBits,
            int blockLength,
            int alignBits,
            Rounding alignRounding,
            int sumBits,
            Rounding sumRounding,
            int promotionInterval) {

        /** As {@code alignBits}: enough for the whole product of any two factors, so that nothing is cut from it. */
        public static final int EXACT_PRODUCT = 106;

        public Accumulation {
            require(activationBits >= 1, "activationBits", activationBits);
            require(weightBits >= 1, "weightBits", weightBits);
            require(blockLength >= 1, "blockLength", blockLength);
            require(alignBits >= 1 && alignBits <= EXACT_PRODUCT, "alignBits", alignBits);
            require(sumBits >= 1, "sumBits", sumBits);
            require(promotionInterval >= 0, "promotionInterval", promotionInterval);
        }

        private static void require(boolean holds, String name, int value) {
            if (!holds) {
                throw new IllegalArgumentException("an accumulation cannot have " + name + " = " + value);
            }
        }

        /** Returns plain F32 accumulation of F32 factors, products and sums rounded to nearest, in any order. */
        public static Accumulation f32() {
            return new Accumulation(24, 24, 1, 24, Rounding.NEAREST_EVEN, 24, Rounding.NEAREST_EVEN, 0);
        }

        /** Returns plain F64 accumulation of F64 factors, rounding to nearest, in any order. */
        public static Accumulation f64() {
            return new Accumulation(53, 53, 1, 53, Rounding.NEAREST_EVEN, 53, Rounding.NEAREST_EVEN, 0);
        }

        /**
         * Returns a matrix unit without promotion that rounds terms and running sum in one direction.
         *
         * @param factorBits significand bits that both factors keep: 8 for BF16, 11 for F16 and TF32
         * @param blockLength products added at once
         * @param alignBits bits kept of each aligned term
         * @param sumBits bits kept of the running sum
         * @param rounding the direction of both roundings
         */
        public static Accumulation matrixUnit(
                int factorBits, int blockLength, int alignBits, int sumBits, Rounding rounding) {
            return new Accumulation(factorBits, factorBits, blockLength, alignBits, rounding, sumBits, rounding, 0);
        }

        /** Returns this accumulation with the running sum moved to an F32 accumulator every {@code products} along K. */
        public Accumulation promotedEvery(int products) {
            return new Accumulation(
                    activationBits, weightBits, blockLength, alignBits, alignRounding, sumBits, sumRounding, products);
        }
    }
}
