package dev.heng.backend.ascend;

import dev.heng.backend.ascend.lowering.WeightForm;
import dev.heng.spi.Support;
import dev.heng.spi.graph.ActivationFormat;
import dev.heng.spi.graph.Node;
import dev.heng.spi.graph.Op;
import dev.heng.spi.graph.Value;
import dev.heng.spi.tensor.DType;
import dev.heng.spi.tensor.Quantization;
import dev.heng.spi.tensor.TensorType;

/**
 * Which products with quantised weights CANN's operators do, by their documents' tables of data types, and in which form the weight then lies on the device. A product is done
 * in the weight's own bits, or as an option asks, or it is declined with the document that says so.
 */
final class WeightForms {

    private static final String WEIGHT_ONLY = " (hicann/ops-nn aclnnWeightQuantBatchMatmulV2.md)";
    private static final String GROUPED = " (ops-transformer aclnnGroupedMatmulV4.md)";
    private static final String QUANT = " (hicann/ops-nn aclnnQuantMatmulV5.md)";
    private static final String FP8 =
            "; with option fp8=int8 such weights become int8 when they are loaded, with widen=f32 they become F32";
    private static final long LONGEST = 65535;

    private final boolean inference;
    private final boolean ascend950;
    private final AscendOptions options;

    /**
     * Answers for a chip.
     *
     * @param socName what aclrtGetSocName calls it
     */
    WeightForms(String socName, AscendOptions options) {
        this.inference = socName.startsWith("Ascend310P");
        this.ascend950 = socName.startsWith("Ascend950");
        this.options = options;
    }

    /** Returns whether FP8 weights are requantised to int8. */
    boolean requantisesFp8() {
        return options.fp8AsInt8();
    }

    /** Returns the form in which a node takes a weight. The node is one that is supported. */
    WeightForm of(Node node, Value weight) {
        if (weight.type().isPlain()) {
            return isTakenInF32(node, weight) ? WeightForm.WIDENED : WeightForm.PLAIN;
        }
        return switch (node.op()) {
            case Op.Linear linear -> product(node, weight.type(), linear.activation());
            case Op.GroupedLinear linear -> product(node, weight.type(), linear.activation());
            case Op.Embed _,
                    Op.Add _,
                    Op.Cast _,
                    Op.Slice _,
                    Op.SelectRows _,
                    Op.RmsNorm _,
                    Op.Rope _,
                    Op.KvAppend _,
                    Op.MlaAttention _,
                    Op.GroupedQueryAttention _,
                    Op.Route _,
                    Op.Dispatch _,
                    Op.Swiglu _,
                    Op.Combine _,
                    Op.AllReduce _,
                    Op.AllToAll _,
                    Op.AllToAllReturn _,
                    Op.Argmax _,
                    Op.Sample _ -> WeightForm.WIDENED;
        };
    }

    /**
     * Whether an operator of this node multiplies in float32, because operands and result are not all of the weight's type: the weight is then widened once, when it is loaded,
     * and not in every run.
     */
    private static boolean isTakenInF32(Node node, Value weight) {
        DType type = weight.type().dtype();
        DType x = node.operand(0).type().dtype();
        DType out = node.results().getFirst().type().dtype();
        return switch (node.op()) {
            case Op.Linear _ ->
                (type == DType.BF16 || type == DType.F16)
                        && node.operand(1).type().isPlain()
                        && (x != type || out != type || node.operands().size() == 3);
            case Op.GroupedLinear _ -> (type == DType.BF16 || type == DType.F16) && (x != type || out != type);
            case Op.RmsNorm _ -> (type == DType.BF16 || type == DType.F16) && x != type;
            case Op.Embed _,
                    Op.Add _,
                    Op.Cast _,
                    Op.Slice _,
                    Op.SelectRows _,
                    Op.Rope _,
                    Op.KvAppend _,
                    Op.MlaAttention _,
                    Op.GroupedQueryAttention _,
                    Op.Route _,
                    Op.Dispatch _,
                    Op.Swiglu _,
                    Op.Combine _,
                    Op.AllReduce _,
                    Op.AllToAll _,
                    Op.AllToAllReturn _,
                    Op.Argmax _,
                    Op.Sample _ -> false;
        };
    }

    private WeightForm product(Node node, TensorType weight, ActivationFormat activation) {
        if (!(inItsOwnBits(node, weight, activation) instanceof Support.Supported)) {
            return WeightForm.WIDENED;
        }
        DType x = node.operand(0).type().dtype();
        return switch (weight.quantization()) {
            case Quantization.None _ -> WeightForm.PLAIN;
            case Quantization.Int8Channels(DType scale) -> {
                if (activation == ActivationFormat.FLOAT) {
                    yield new WeightForm(WeightForm.Kind.INT8, x);
                }
                boolean narrow = node.op() instanceof Op.GroupedLinear
                        && node.result().type().dtype() == DType.BF16
                        && scale == DType.BF16;
                yield new WeightForm(WeightForm.Kind.INT8, narrow ? DType.BF16 : DType.F32);
            }
            case Quantization.Int4Groups _ -> new WeightForm(WeightForm.Kind.INT4, x);
            case Quantization.Fp8Blocks _ -> new WeightForm(WeightForm.Kind.INT8_FROM_FP8, x);
        };
    }

    /** Answers for Linear or GroupedLinear with a quantised weight. */
    Support support(Node node, TensorType weight, ActivationFormat activation) {
        Support own = inItsOwnBits(node, weight, activation);
        return options.widen() && activation == ActivationFormat.FLOAT && !inference ? Support.SUPPORTED : own;
    }

    private Support inItsOwnBits(Node node, TensorType weight, ActivationFormat activation) {
        boolean grouped = node.op() instanceof Op.GroupedLinear;
        DType x = node.operand(0).type().dtype();
        DType out = node.result().type().dtype();
        if (x == DType.F32) {
            return dtype("activations are F32; products with quantised weights take F16 and BF16" + WEIGHT_ONLY
                    + ", and so does the rounding to int8 (hicann/ops-nn aclnnDynamicQuant.md)");
        }
        if (inference && grouped) {
            return dtype("Ascend310P has no grouped product with quantised weights"
                    + " (ops-transformer op_api/aclnn_grouped_matmul.cpp)");
        }
        if (weight.shape().dim(-1).size() > LONGEST || weight.shape().dim(-2).size() > LONGEST) {
            return Support.declined(Support.Code.SHAPE, "dimensions of a product are at most " + LONGEST + WEIGHT_ONLY);
        }
        return switch (activation) {
            case FLOAT -> weightOnly(weight, x, out, grouped);
            case INT8_PER_TOKEN -> int8(weight, out, grouped);
            case FP8_PER_TOKEN_128, FP8_PER_TOKEN_128_POWER_OF_TWO ->
                Support.declined(
                        Support.Code.ATTRIBUTE,
                        "DynamicBlockQuant does not hold scales above 10^-4 / 448 and makes 0 of a NaN, so it is not "
                                + activation + " (hicann/ops-nn quant/dynamic_block_quant, golden and kernel)");
        };
    }

    private Support int8(TensorType weight, DType out, boolean grouped) {
        if (!(weight.quantization() instanceof Quantization.Int8Channels(DType scale))) {
            return quantization(
                    "int8 activations meet " + weight.quantization() + "; int8 channels are implemented" + QUANT);
        }
        if (inference) {
            return quantization("Ascend310P takes int8 weights in FRACTAL_NZ only, which is not implemented" + QUANT);
        }
        if (!grouped) {
            return Support.SUPPORTED;
        }
        return switch (out) {
            case BF16 ->
                scale == DType.BF16 || ascend950
                        ? Support.SUPPORTED
                        : dtype("BF16 results of experts need BF16 scales, and these are " + scale + GROUPED);
            case F16 -> Support.SUPPORTED;
            case F64, F32, F8_E4M3, F8_E8M0, I8, I4, I32, I64 ->
                dtype("results of experts in int8 are BF16 or F16, not " + out + GROUPED);
        };
    }

    private Support weightOnly(TensorType weight, DType x, DType out, boolean grouped) {
        String document = grouped ? GROUPED : WEIGHT_ONLY;
        if (out != x) {
            return dtype("the result is " + out + ", which has to be " + x + " as the activations are" + document);
        }
        return switch (weight.quantization()) {
            case Quantization.None _ -> Support.SUPPORTED;
            case Quantization.Int8Channels(DType scale) -> scaled(scale, x, document);
            case Quantization.Int4Groups groups -> int4(groups, weight, x, grouped, document);
            case Quantization.Fp8Blocks _ -> fp8(document);
        };
    }

    private Support fp8(String document) {
        if (options.fp8AsInt8()) {
            return Support.SUPPORTED;
        }
        return quantization(
                ascend950
                        ? "Ascend950 multiplies float activations with FP8 that has a scale for each channel, not for blocks"
                                + document + FP8
                        : "this chip has no FP8" + document + FP8);
    }

    private Support int4(Quantization.Int4Groups groups, TensorType weight, DType x, boolean grouped, String document) {
        long columns = weight.shape().dim(-1).size();
        long size = groups.groupSize();
        boolean byChannel = size >= columns;
        if (inference) {
            return quantization("Ascend310P has no product with int4 weights" + document);
        }
        if (columns % 2 != 0) {
            return Support.declined(
                    Support.Code.SHAPE, columns + " columns of int4; the inner axis has to be even" + document);
        }
        if (!byChannel && !grouped && size % 32 != 0) {
            return quantization("int4 groups of " + size + "; a group is a multiple of 32" + document);
        }
        if (!byChannel && grouped && (columns % size != 0 || size % 2 != 0 || groups.zeroPoints())) {
            return quantization("int4 groups of " + size + " in " + columns + " columns"
                    + (groups.zeroPoints() ? " with zero points" : "")
                    + "; groups of experts are symmetric, even, and divide the columns" + document);
        }
        return scaled(groups.scaleType(), x, document);
    }

    private static Support scaled(DType scale, DType x, String document) {
        return scale == x
                ? Support.SUPPORTED
                : dtype("scales are " + scale + ", and have to be " + x + " as the activations are" + document);
    }

    private static Support dtype(String text) {
        return Support.declined(Support.Code.DTYPE, text);
    }

    private static Support quantization(String text) {
        return Support.declined(Support.Code.QUANTIZATION, text);
    }
}
