package dev.heng.backend.ascend.lowering;

import dev.heng.backend.ascend.device.Operators;
import dev.heng.backend.ascend.device.TensorView;
import dev.heng.spi.tensor.DType;
import org.jspecify.annotations.Nullable;

/**
 * Products of F16 or BF16 activations with int8 or int4 weights (QUANT-040): the operator makes numbers of the activations' type of the weight on its way to the cube.
 *
 * <p>Source: hicann/ops-nn docs aclnnWeightQuantBatchMatmulV2.md; ops-transformer aclnnGroupedMatmulV4.md, "A16W8" and "A16W4", and op_api/aclnn_grouped_matmul.cpp, which
 * wants offsets for int8 and none for groups of int4.
 */
public final class WeightOnlyProducts {

    private final Basics basics;

    /** Uses these. */
    public WeightOnlyProducts(Basics basics) {
        this.basics = basics;
    }

    /**
     * Multiplies x [T, K] with a transposed weight [N, K].
     *
     * @param bias [N], or null
     * @param out of the type of x
     */
    public void linear(TensorView x, DeviceWeight weight, @Nullable TensorView bias, TensorView out) {
        TensorView offsets = weight.offsets();
        basics.operators()
                .run(
                        "aclnnWeightQuantBatchMatmulV2",
                        x,
                        weight.elements().transposed(),
                        byGroup(weight.requireScales(), weight.groupSize()),
                        offsets == null ? null : byGroup(offsets, weight.groupSize()),
                        null,
                        null,
                        bias == null ? null : basics.in(x.dtype() == DType.BF16 ? DType.F32 : DType.F16, bias),
                        weight.groupSize(),
                        out);
    }

    /**
     * Multiplies rows [R, K] with their expert's transposed weight [E, N, K].
     *
     * @param groups the rows of each expert
     * @param out of the type of the rows
     */
    void grouped(TensorView rows, Experts.Groups groups, DeviceWeight weight, TensorView out) {
        TensorView scales = weight.requireScales();
        TensorView offsets = weight.offsets();
        if (offsets == null && weight.isInt8()) {
            offsets = basics.stage().temporary(scales.dtype(), Basics.dims(scales));
            basics.operators().run("aclnnInplaceZero", offsets);
        }
        basics.operators()
                .run(
                        "aclnnGroupedMatmulV4",
                        new Operators.Listed(rows),
                        new Operators.Listed(weight.elements().transposed()),
                        null,
                        null,
                        null,
                        new Operators.Listed(byGroup(scales, weight.groupSize())),
                        offsets == null ? null : new Operators.Listed(offsets),
                        null,
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

    /** [.., N, groups] as [.., groups, N]; by channel [.., N] as it is. */
    private static TensorView byGroup(TensorView scales, int groupSize) {
        return groupSize == 0 ? scales : scales.transposed();
    }
}
