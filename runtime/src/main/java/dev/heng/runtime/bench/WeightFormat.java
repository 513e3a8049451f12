package dev.heng.runtime.bench;

import dev.heng.runtime.HengException;
import dev.heng.spi.graph.ActivationFormat;
import dev.heng.spi.tensor.DType;
import dev.heng.spi.tensor.Quantization;
import dev.heng.spi.tensor.Shape;
import dev.heng.spi.tensor.TensorType;
import java.util.Arrays;
import java.util.Locale;
import java.util.stream.Collectors;

/** How the matrices of a measured model are stored, by the names that {@code heng bench --weights} takes. */
public enum WeightFormat {
    /** Plain float32. */
    F32("f32"),
    /** Plain bfloat16. */
    BF16("bf16"),
    /** Plain binary16. */
    F16("f16"),
    /** E4M3 in blocks of 128 x 128 with float32 scales, activations unrounded: what {@code heng generate} does with DeepSeek-V3's own checkpoint. */
    FP8("fp8"),
    /** The same weights with activations rounded to E4M3 in runs of 128. */
    FP8A8("fp8a8"),
    /** Int8 with a float32 scale for each row, activations unrounded. */
    INT8("int8"),
    /** The same weights with activations rounded to int8 for each token. */
    W8A8("w8a8"),
    /** 4-bit codes in groups of 128 columns with bfloat16 scales. */
    INT4("int4"),
    /** 4-bit codes in groups of 32 columns with bfloat16 scales. */
    INT4G32("int4g32");

    private final String label;

    WeightFormat(String label) {
        this.label = label;
    }

    /**
     * Returns the format that {@code text} names.
     *
     * @param option the option that it was given to, for the error
     * @throws HengException if it names none
     */
    public static WeightFormat parse(String option, String text) {
        return Arrays.stream(values())
                .filter(format -> format.label.equals(text.toLowerCase(Locale.ROOT)))
                .findFirst()
                .orElseThrow(() -> new HengException(
                        option + " is '" + text + "', which is no format of weights",
                        "use one of "
                                + Arrays.stream(values())
                                        .map(format -> format.label)
                                        .collect(Collectors.joining(", "))));
    }

    /** Returns the name that people write. */
    public String label() {
        return label;
    }

    /** Returns the type of a plain weight, a norm for example, in a model whose matrices have this format. */
    public DType plain() {
        return switch (this) {
            case F32 -> DType.F32;
            case F16 -> DType.F16;
            case BF16, FP8, FP8A8, INT8, W8A8, INT4, INT4G32 -> DType.BF16;
        };
    }

    /** Returns the type of a weight of this format. */
    public TensorType matrix(Shape shape) {
        return switch (this) {
            case F32, F16, BF16 -> TensorType.of(plain(), shape);
            case FP8, FP8A8 -> new TensorType(DType.F8_E4M3, shape, new Quantization.Fp8Blocks(128, 128, DType.F32));
            case INT8, W8A8 -> new TensorType(DType.I8, shape, new Quantization.Int8Channels(DType.F32));
            case INT4 -> new TensorType(DType.I4, shape, new Quantization.Int4Groups(128, DType.BF16, false));
            case INT4G32 -> new TensorType(DType.I4, shape, new Quantization.Int4Groups(32, DType.BF16, false));
        };
    }

    /** Returns how products with weights of this format round their activations. */
    public ActivationFormat activation() {
        return switch (this) {
            case F32, BF16, F16, FP8, INT8, INT4, INT4G32 -> ActivationFormat.FLOAT;
            case FP8A8 -> ActivationFormat.FP8_PER_TOKEN_128;
            case W8A8 -> ActivationFormat.INT8_PER_TOKEN;
        };
    }
}
