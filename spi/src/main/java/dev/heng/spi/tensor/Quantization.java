package dev.heng.spi.tensor;

/**
 * How the elements of a weight stand for real numbers. A weight is W[N, K], or W[E, N, K] for stacked experts, in which case
 * everything below holds for each expert on its own.
 *
 * <p>Sealed, so that a backend's switch over formats is checked by the compiler; a new format is a new minor SPI version.
 *
 * @since 1.0
 */
public sealed interface Quantization {

    /** The weight as stored is the number: F32, F16 or BF16 (and F64 in tests of the oracle). */
    record None() implements Quantization {
        @Override
        public String toString() {
            return "plain";
        }
    }

    /**
     * Blocks of FP8 (E4M3) elements that share one multiplier: {@code W[n][k] = element * scale[n / blockRows][k / blockColumns]}.
     *
     * <p>Scales are row-major [ceil(N / blockRows), ceil(K / blockColumns)]; the last blocks may be partial. Source: DeepSeek-V3
     * README_WEIGHTS.md, "weight_scale_inv", which despite its name is the multiplier.
     *
     * @param blockRows rows of W in one block, 128 in every released checkpoint
     * @param blockColumns columns of W in one block, 128 in every released checkpoint
     * @param scaleType {@link DType#F32}, {@link DType#BF16} or {@link DType#F8_E8M0}
     */
    record Fp8Blocks(int blockRows, int blockColumns, DType scaleType) implements Quantization {
        public Fp8Blocks {
            positive(blockRows, "blockRows");
            positive(blockColumns, "blockColumns");
            if (scaleType != DType.F32 && scaleType != DType.BF16 && scaleType != DType.F8_E8M0) {
                throw new IllegalArgumentException("FP8 block scales are F32, BF16 or F8_E8M0, not " + scaleType);
            }
        }

        @Override
        public String toString() {
            return "fp8 " + blockRows + "x" + blockColumns + " " + scaleType;
        }
    }

    /**
     * One multiplier for each output channel: {@code W[n][k] = int8 * scale[n]}, symmetric. Scales are [N].
     *
     * <p>Source: compressed-tensors, format "int-quantized", strategy "channel".
     *
     * @param scaleType {@link DType#F32}, {@link DType#F16} or {@link DType#BF16}
     */
    record Int8Channels(DType scaleType) implements Quantization {
        public Int8Channels {
            realScale(scaleType);
        }

        @Override
        public String toString() {
            return "int8 channels " + scaleType;
        }
    }

    /**
     * Groups of 4-bit codes along K that share one multiplier:
     * {@code W[n][k] = (code - zero) * scale[n][k / groupSize]} with codes 0..15.
     *
     * <p>Elements: each row starts on its own byte-aligned int32 word; a little-endian word holds eight consecutive codes, the
     * lowest nibble first; a row takes ceil(K / 8) words and unused nibbles of the last are ignored. Scales are row-major
     * [N, ceil(K / groupSize)]; the last group may be partial. Without zero points {@code zero} is 8. With them, codes 0..15 are
     * packed along N: word [n / 8][group] holds the zero point of row n in nibble n % 8, [ceil(N / 8), ceil(K / groupSize)] words.
     *
     * <p>Source: compressed-tensors, format "pack-quantized", strategy "group".
     *
     * @param groupSize elements of K in one group
     * @param scaleType {@link DType#F32}, {@link DType#F16} or {@link DType#BF16}
     * @param zeroPoints whether zero points are stored
     */
    record Int4Groups(int groupSize, DType scaleType, boolean zeroPoints) implements Quantization {
        public Int4Groups {
            positive(groupSize, "groupSize");
            realScale(scaleType);
        }

        @Override
        public String toString() {
            return "int4 groups of " + groupSize + " " + scaleType + (zeroPoints ? " with zero points" : "");
        }
    }

    /** The one instance of {@link None} that is needed. */
    Quantization NONE = new None();

    private static void positive(int size, String name) {
        if (size <= 0) {
            throw new IllegalArgumentException(name + " is " + size + ", not a positive number of elements");
        }
    }

    private static void realScale(DType scaleType) {
        if (scaleType != DType.F32 && scaleType != DType.F16 && scaleType != DType.BF16) {
            throw new IllegalArgumentException("integer weights have F32, F16 or BF16 scales, not " + scaleType);
        }
    }
}
