package dev.heng.spi.graph;

/**
 * Whether a product rounds its activations first, which is part of the model's meaning and not a device's choice (QUANT).
 *
 * @since 1.0
 */
public enum ActivationFormat {
    /** As they are. */
    FLOAT,
    /**
     * To int8 with one scale for each row, found at run time: {@code s = max|x| / 127} in F32, {@code q = round half even(x / s)} clamped to -128..127; a row of
     * zeros stays zeros. The integer dot product is exact. Source: compressed-tensors, dynamic per-token W8A8.
     */
    INT8_PER_TOKEN,
    /**
     * To E4M3 with one scale for each row and 128 adjacent columns: {@code s = max(max|x|, 1e-4) / 448} in F32. Source: DeepSeek-V3
     * inference/kernel.py, act_quant.
     */
    FP8_PER_TOKEN_128,
    /** As {@link #FP8_PER_TOKEN_128} with the scale rounded up to a power of two (DeepSeek-V3.1, scale_fmt "ue8m0"). */
    FP8_PER_TOKEN_128_POWER_OF_TWO
}
