package dev.heng.backend.ascend.lowering;

import dev.heng.backend.ascend.device.Operators;
import dev.heng.backend.ascend.device.TensorView;
import dev.heng.spi.tensor.DType;
import org.jspecify.annotations.Nullable;

/**
 * Products whose activations are rounded to int8 by token (QUANT-041, QUANT-042): DynamicQuant, then a product of int8 with int8.
 *
 * <p>A row of zeros gets the scale 0, and its products are 0 whatever int8 its elements became; a row with a NaN or an infinity gets a scale that is none, which reaches all
 * of its products. Both follow from the document's formula, scale = max|x| / 127; what a device does with them has to be seen on one.
 *
 * <p>Source: hicann/ops-nn docs aclnnDynamicQuant.md, aclnnQuantMatmulV4.md, aclnnQuantMatmulV5.md; ops-transformer aclnnGroupedMatmulV4.md, "A8W8".
 */
public final class Int8Products {

    private static final byte NO = 0;
    private static final byte YES = 1;

    private final Basics basics;

    /** Uses these. */
    public Int8Products(Basics basics) {
        this.basics = basics;
    }

    private record Rounded(TensorView elements, TensorView scales) {}

    private Rounded round(TensorView x) {
        TensorView elements = basics.stage().temporary(DType.I8, Basics.dims(x));
        TensorView scales = basics.stage().temporary(DType.F32, x.dim(0));
        basics.operators().run("aclnnDynamicQuant", x, null, elements, scales);
        return new Rounded(elements, scales);
    }

    /**
     * Multiplies x [T, K] with a transposed weight [N, K]. A result in float32, which no table has, is the exact sum in int32 and then the scales one after the other.
     *
     * @param weight int8 with F32 scales
     * @param bias [N], or null
     */
    public void linear(TensorView x, DeviceWeight weight, @Nullable TensorView bias, TensorView out) {
        Rounded rounded = round(x);
        TensorView offsets = bias == null ? null : basics.in(DType.F32, bias);
        if (out.dtype() == DType.F32) {
            TensorView sums = basics.stage().temporary(DType.I32, Basics.dims(out));
            multiply(rounded.elements(), null, weight, null, sums);
            scale(rounded, weight.requireScales(), basics.in(DType.F32, sums), offsets, out);
        } else {
            multiply(rounded.elements(), rounded.scales(), weight, offsets, out);
        }
    }

    private void multiply(
            TensorView x,
            @Nullable TensorView tokenScales,
            DeviceWeight weight,
            @Nullable TensorView bias,
            TensorView out) {
        if (basics.operators().has("aclnnQuantMatmulV5")) {
            basics.operators()
                    .run(
                            "aclnnQuantMatmulV5",
                            x,
                            weight.elements(),
                            tokenScales,
                            weight.scales(),
                            null,
                            null,
                            null,
                            null,
                            bias,
                            NO,
                            YES,
                            0L,
                            out);
        } else {
            basics.operators()
                    .run(
                            "aclnnQuantMatmulV4",
                            x,
                            weight.elements(),
                            weight.scales(),
                            null,
                            tokenScales,
                            bias,
                            NO,
                            YES,
                            out);
        }
    }

    private void scale(
            Rounded rounded, TensorView channels, TensorView sums, @Nullable TensorView bias, TensorView out) {
        TensorView byToken = basics.stage().temporary(DType.F32, Basics.dims(out));
        basics.operators()
                .run(
                        "aclnnMul",
                        sums,
                        rounded.scales().reshaped(rounded.scales().dim(0), 1),
                        byToken);
        TensorView product = bias == null ? out : basics.stage().temporary(DType.F32, Basics.dims(out));
        basics.operators().run("aclnnMul", byToken, channels, product);
        if (bias != null) {
            basics.add(product, bias, out);
        }
    }

    /**
     * Multiplies rows [R, K] with their expert's transposed weight [E, N, K].
     *
     * @param groups the rows of each expert
     * @param weight int8 with scales of the type that the result's type demands: BF16 for BF16, F32 for F16
     */
    void grouped(TensorView rows, Experts.Groups groups, DeviceWeight weight, TensorView out) {
        Rounded rounded = round(rows);
        basics.operators()
                .run(
                        "aclnnGroupedMatmulV4",
                        new Operators.Listed(rounded.elements()),
                        new Operators.Listed(weight.elements().transposed()),
                        null,
                        new Operators.Listed(weight.requireScales()),
                        null,
                        null,
                        null,
                        new Operators.Listed(rounded.scales()),
                        groups.numbers(),
                        null,
                        null,
                        null,
                        2L,
                        0L,
                        groups.listType(),
                        0L,
                        new Operators.Listed(out),
                        null,
                        null);
    }
}
