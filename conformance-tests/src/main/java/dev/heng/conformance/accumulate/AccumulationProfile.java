package dev.heng.conformance.accumulate;

import dev.heng.conformance.format.Rounding;

/**
 * How a matrix unit adds products: what it keeps, in which blocks, rounding which way, promoted how often.
 *
 * <p>The unit computes {@code c = sum_k a_k * b_k} block by block along K. With a block of more than one product it multiplies
 * exactly, aligns the {@code blockLength} products (and, if {@code fused}, the running sum) to the largest exponent among them,
 * keeps {@code alignBits} bits of each counted from the leading bit of the largest, rounding by {@code alignRounding}, adds them
 * exactly, and rounds the new running sum once to {@code sumBits} bits by {@code sumRounding}. With a block of one product it is
 * a scalar unit: the product is rounded to {@code alignBits} bits (or kept exact: a fused multiply-add), then added to the running
 * sum with one rounding. Every {@code promotionInterval} elements of K the running sum is added to a float32 accumulator, rounded
 * to nearest, and starts again from zero.
 *
 * <p>Sources: Fasi, Higham, Mikaitis, Pranesh, "Numerical behavior of NVIDIA tensor cores", PeerJ CS 7:e330 (2021), for the model
 * of aligned, truncated block sums; DeepSeek-V3 technical report (arXiv 2412.19437), section 3.3.2, for promotion.
 *
 * @param inputBits significand bits of each operand that reach the multiplier, 2 to 24 (24: float32 whole; 11: TF32)
 * @param inputRounding how operands with more bits are cut to inputBits
 * @param blockLength products added at once, 1 to 256
 * @param alignBits bits kept of each term, 8 to 40; {@link #EXACT} for the exact products of a scalar fused multiply-add
 * @param alignRounding how terms are cut to alignBits
 * @param fused whether the running sum is aligned together with the products of a block; a scalar unit is never fused
 * @param sumBits significand bits of the running sum, 8 to 53
 * @param sumRounding how the running sum is rounded after each block
 * @param halfRange whether the running sum has the exponent range of float16, so that sums beyond 65504 become infinite
 * @param promotionInterval elements of K between promotions to float32; {@link #NEVER} for none
 */
public record AccumulationProfile(
        int inputBits,
        Rounding inputRounding,
        int blockLength,
        int alignBits,
        Rounding alignRounding,
        boolean fused,
        int sumBits,
        Rounding sumRounding,
        boolean halfRange,
        int promotionInterval) {

    /** As {@code alignBits}: products are kept exact. */
    public static final int EXACT = 0;

    /** As {@code promotionInterval}: the running sum is never promoted. */
    public static final int NEVER = 0;

    /** Bits of a whole float32 operand or accumulator. */
    public static final int FLOAT_BITS = 24;

    /** Float32 multiply-adds on ordinary units: one rounding to nearest for each product. */
    public static final AccumulationProfile FLOAT32_FMA = scalar(EXACT, FLOAT_BITS);

    /** Float32 multiplications and additions, each rounded to nearest: the model of the order-free bound's source. */
    public static final AccumulationProfile FLOAT32_MULTIPLY_ADD = scalar(FLOAT_BITS, FLOAT_BITS);

    /** Double accumulation: the oracle's. */
    public static final AccumulationProfile FLOAT64 = scalar(EXACT, 53);

    public AccumulationProfile {
        require(inputBits >= 2 && inputBits <= FLOAT_BITS, "inputBits", inputBits, "2 to 24");
        require(blockLength >= 1 && blockLength <= 256, "blockLength", blockLength, "1 to 256 products");
        boolean exact = alignBits == EXACT;
        require(
                exact ? blockLength == 1 : alignBits >= 8 && alignBits <= 40,
                "alignBits",
                alignBits,
                "8 to 40, or EXACT in a unit of block length 1");
        require((sumBits >= 8 && sumBits <= 51) || sumBits == 53, "sumBits", sumBits, "8 to 51, or 53");
        require(
                promotionInterval == NEVER || promotionInterval > blockLength,
                "promotionInterval",
                promotionInterval,
                "more elements of K than a block's " + blockLength + ", or NEVER");
        require(!halfRange || sumBits <= 11, "sumBits", sumBits, "at most 11 where the range is float16's");
        if (fused && blockLength == 1) {
            throw new IllegalArgumentException(
                    "a scalar unit (blockLength 1) has no block to fuse its running sum with");
        }
    }

    /** Returns a scalar unit that rounds to nearest. */
    private static AccumulationProfile scalar(int alignBits, int sumBits) {
        return new AccumulationProfile(
                FLOAT_BITS,
                Rounding.NEAREST_EVEN,
                1,
                alignBits,
                Rounding.NEAREST_EVEN,
                false,
                sumBits,
                Rounding.NEAREST_EVEN,
                false,
                NEVER);
    }

    /**
     * Returns a matrix unit that fuses its running sum into each block, keeps {@code keptBits} bits of every aligned term and at
     * most float32's 24 of the running sum, and rounds both in one direction.
     *
     * @param blockLength products added at once, 2 to 256
     * @param keptBits bits kept of each aligned term
     * @param rounding the direction of both roundings
     */
    public static AccumulationProfile matrixUnit(int blockLength, int keptBits, Rounding rounding) {
        return new AccumulationProfile(
                FLOAT_BITS,
                Rounding.NEAREST_EVEN,
                blockLength,
                keptBits,
                rounding,
                true,
                Math.min(keptBits, FLOAT_BITS),
                rounding,
                false,
                NEVER);
    }

    /** Returns this profile with operands cut to {@code bits} significand bits. */
    public AccumulationProfile withInputs(int bits, Rounding rounding) {
        return new AccumulationProfile(
                bits,
                rounding,
                blockLength,
                alignBits,
                alignRounding,
                fused,
                sumBits,
                sumRounding,
                halfRange,
                promotionInterval);
    }

    /** Returns this profile with the running sum promoted to float32 every {@code elements} of K. */
    public AccumulationProfile withPromotion(int elements) {
        return new AccumulationProfile(
                inputBits,
                inputRounding,
                blockLength,
                alignBits,
                alignRounding,
                fused,
                sumBits,
                sumRounding,
                halfRange,
                elements);
    }

    /** Returns this profile with a running sum of other width and direction. */
    public AccumulationProfile withRunningSum(int bits, Rounding rounding) {
        return new AccumulationProfile(
                inputBits,
                inputRounding,
                blockLength,
                alignBits,
                alignRounding,
                fused,
                bits,
                rounding,
                halfRange,
                promotionInterval);
    }

    /** Returns this profile with block sums that are formed before, not together with, the running sum's addition. */
    public AccumulationProfile withSeparateBlockSum() {
        return new AccumulationProfile(
                inputBits,
                inputRounding,
                blockLength,
                alignBits,
                alignRounding,
                false,
                sumBits,
                sumRounding,
                halfRange,
                promotionInterval);
    }

    /** Returns this profile with a running sum held in float16: 11 bits, range included. */
    public AccumulationProfile withHalfAccumulator() {
        return new AccumulationProfile(
                inputBits,
                inputRounding,
                blockLength,
                alignBits,
                alignRounding,
                fused,
                11,
                sumRounding,
                true,
                promotionInterval);
    }

    /** Returns whether this is a scalar unit, which adds one product at a time. */
    public boolean isScalar() {
        return blockLength == 1;
    }

    /** Returns the bits that survive in a sum: the fewer of those kept in a block and in the running sum. */
    public int keptBits() {
        return isScalar() ? sumBits : Math.min(alignBits, sumBits);
    }

    @Override
    public String toString() {
        String terms = isScalar()
                ? (alignBits == EXACT ? "fused multiply-add" : "products rounded to " + alignBits + " bits")
                : "blocks of " + blockLength + " keeping " + alignBits + " bits " + direction(alignRounding)
                        + (fused ? " with the running sum" : " apart from the running sum");
        String inputs = inputBits == FLOAT_BITS
                ? ""
                : "inputs cut to " + inputBits + " bits " + direction(inputRounding) + ", ";
        String promoted = promotionInterval == NEVER ? "" : ", promoted every " + promotionInterval;
        return inputs + terms + ", running sum " + sumBits + " bits " + direction(sumRounding)
                + (halfRange ? " in float16's range" : "") + promoted;
    }

    private static String direction(Rounding rounding) {
        return switch (rounding) {
            case NEAREST_EVEN -> "to nearest";
            case TOWARD_ZERO -> "toward zero";
        };
    }

    private static void require(boolean holds, String name, int value, String allowed) {
        if (!holds) {
            throw new IllegalArgumentException(name + " is " + value + "; allowed: " + allowed);
        }
    }
}
