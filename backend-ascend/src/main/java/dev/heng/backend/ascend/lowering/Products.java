package dev.heng.backend.ascend.lowering;

import dev.heng.backend.ascend.device.TensorView;
import dev.heng.spi.graph.ActivationFormat;
import dev.heng.spi.tensor.TensorType;
import org.jspecify.annotations.Nullable;

/** Products of activations with a weight in whatever form it lies on the device: each form has operators of its own. */
public final class Products {

    private final Basics basics;
    private final Experts experts;
    private final Int8Products int8;
    private final WeightOnlyProducts weightOnly;

    /** Uses these. */
    public Products(Basics basics, Experts experts) {
        this.basics = basics;
        this.experts = experts;
        this.int8 = new Int8Products(basics);
        this.weightOnly = new WeightOnlyProducts(basics);
    }

    /**
     * Multiplies x [T, K] with a transposed weight [N, K].
     *
     * @param bias [N], or null
     */
    public void linear(
            ActivationFormat activation, TensorView x, DeviceWeight weight, @Nullable TensorView bias, TensorView out) {
        if (weight.isPlain()) {
            basics.linear(x, weight.elements(), bias, out);
        } else if (activation == ActivationFormat.INT8_PER_TOKEN) {
            int8.linear(x, weight, bias, out);
        } else {
            weightOnly.linear(x, weight, bias, out);
        }
    }

    /** Multiplies rows [R, K] with their expert's transposed weight [E, N, K]. Rows past the last group are not written. */
    void grouped(
            ActivationFormat activation, TensorView rows, Experts.Groups groups, DeviceWeight weight, TensorView out) {
        if (weight.isPlain()) {
            experts.grouped(rows, groups, weight.elements(), out);
        } else if (activation == ActivationFormat.INT8_PER_TOKEN) {
            int8.grouped(rows, groups, weight, out);
        } else {
            weightOnly.grouped(rows, groups, weight, out);
        }
    }

    /** Returns what the plan calls a product with a weight of this type. */
    static String kernel(ActivationFormat activation, TensorType weight) {
        if (weight.isPlain()) {
            return "aclnnMatmul";
        }
        return activation == ActivationFormat.INT8_PER_TOKEN
                ? "aclnnDynamicQuant+aclnnQuantMatmul"
                : "aclnnWeightQuantBatchMatmulV2";
    }

    /** Returns what the plan calls a product of experts. */
    static String groupedKernel(ActivationFormat activation) {
        return (activation == ActivationFormat.INT8_PER_TOKEN ? "aclnnDynamicQuant+" : "") + "aclnnGroupedMatmulV4";
    }

    /** Returns what the plan says of a weight that is not multiplied in the bits that it is stored in. */
    public static String note(WeightForm form) {
        return switch (form.kind()) {
            case PLAIN, INT8, INT4 -> "";
            case WIDENED -> " (weight widened to F32)";
            case INT8_FROM_FP8 -> " (FP8 weight requantised to int8)";
        };
    }
}
