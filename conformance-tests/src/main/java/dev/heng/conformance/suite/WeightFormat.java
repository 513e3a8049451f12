package dev.heng.conformance.suite;

import dev.heng.spi.tensor.DType;
import dev.heng.spi.tensor.Quantization;
import dev.heng.spi.tensor.Shape;
import dev.heng.spi.tensor.TensorType;
import java.util.ArrayList;
import java.util.List;

/**
 * A format of weights.
 *
 * @param name as ids show it
 * @param rules the rules of its layout
 */
record WeightFormat(String name, DType dtype, Quantization quantization, List<String> rules) {

    static final WeightFormat BF16 =
            new WeightFormat("bf16", DType.BF16, Quantization.NONE, List.of("QUANT-004", "FORMAT-005"));
    static final WeightFormat FP8 = fp8("fp8-f32", 128, DType.F32);
    static final WeightFormat INT8 = int8("int8-f32", DType.F32);

    /** Every format that ops.md has, with each type of scales. */
    static final List<WeightFormat> ALL = List.of(
            new WeightFormat("f32", DType.F32, Quantization.NONE, List.of("QUANT-004")),
            BF16,
            new WeightFormat("f16", DType.F16, Quantization.NONE, List.of("QUANT-004", "FORMAT-006")),
            FP8,
            fp8("fp8-bf16", 128, DType.BF16),
            fp8("fp8-e8m0", 128, DType.F8_E8M0),
            fp8("fp8-f32-block32", 32, DType.F32),
            INT8,
            int8("int8-f16", DType.F16),
            int8("int8-bf16", DType.BF16),
            int4("int4-g32-bf16", 32, DType.BF16, false),
            int4("int4-g128-f16", 128, DType.F16, false),
            int4("int4-g32-f32-zero", 32, DType.F32, true),
            int4("int4-g20-bf16-zero", 20, DType.BF16, true));

    private static WeightFormat fp8(String name, int block, DType scale) {
        List<String> rules = new ArrayList<>(List.of("QUANT-010", "QUANT-011", "QUANT-012", "FORMAT-007"));
        if (scale == DType.F8_E8M0) {
            rules.add("FORMAT-008");
        }
        return new WeightFormat(name, DType.F8_E4M3, new Quantization.Fp8Blocks(block, block, scale), rules);
    }

    private static WeightFormat int8(String name, DType scale) {
        return new WeightFormat(name, DType.I8, new Quantization.Int8Channels(scale), List.of("QUANT-020"));
    }

    private static WeightFormat int4(String name, int group, DType scale, boolean zeroPoints) {
        List<String> rules = List.of("QUANT-030", "QUANT-031", zeroPoints ? "QUANT-032" : "QUANT-033");
        return new WeightFormat(name, DType.I4, new Quantization.Int4Groups(group, scale, zeroPoints), rules);
    }

    /** Returns the type of a weight of this format. */
    TensorType type(long... shape) {
        return new TensorType(dtype, Shape.of(shape), quantization);
    }
}
