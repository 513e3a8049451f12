package dev.heng.backend.ascend;

import dev.heng.backend.ascend.lowering.ChipTable;
import dev.heng.spi.Support;
import dev.heng.spi.graph.ActivationFormat;
import dev.heng.spi.graph.Node;
import dev.heng.spi.graph.Op;
import dev.heng.spi.graph.Value;
import dev.heng.spi.tensor.DType;
import dev.heng.spi.tensor.TensorType;
import java.util.stream.Stream;

/** What is declined, with the reason and the document that gives it where the limit is the vendor's. */
final class AscendSupport {

    private final ChipTable chips;
    private final boolean inference;
    private final WeightForms weights;

    /**
     * Answers for a chip.
     *
     * @param weights answers for products with quantised weights
     */
    AscendSupport(ChipTable chips, WeightForms weights) {
        this.chips = chips;
        this.inference = chips.isInference();
        this.weights = weights;
    }

    Support of(Node node) {
        for (Value value :
                Stream.concat(node.operands().stream(), node.results().stream()).toList()) {
            if (value.type().dtype() == DType.F64) {
                return Support.declined(
                        Support.Code.DTYPE, "'" + value.name() + "' is F64, which the operators used here do not take");
            }
            if (inference && value.type().dtype() == DType.BF16) {
                return Support.declined(
                        Support.Code.DTYPE,
                        "'" + value.name() + "' is BF16, which Ascend310P lacks (hicann/ops-nn aclnnMatmul.md)");
            }
        }
        return switch (node.op()) {
            case Op.Linear linear -> product(node, linear.activation());
            case Op.GroupedLinear linear -> product(node, linear.activation());
            case Op.Route route -> needs(route(route, node), "aclnnMoeGatingTopK");
            case Op.MlaAttention _ -> known(needs(attention(), "aclnnTransposeBatchMatMul"), node, 3);
            case Op.GroupedQueryAttention _ -> known(attention(), node, 3);
            case Op.AllReduce(int ranks) -> ranks == 1 ? Support.SUPPORTED : collective();
            case Op.AllToAll _, Op.AllToAllReturn _ -> collective();
            case Op.Dispatch dispatch -> needs(dispatch(dispatch, node), "aclnnMoeInitRoutingV3");
            case Op.Combine _ ->
                inference
                        ? Support.declined(
                                Support.Code.ATTRIBUTE,
                                "on Ascend310P MoeFinalizeRoutingV2 takes no slot without a row (ops-transformer aclnnMoeFinalizeRoutingV2.md)")
                        : Support.SUPPORTED;
            case Op.Add _ -> needs(Support.SUPPORTED, "aclnnAdd");
            case Op.KvAppend append ->
                known(needs(Support.SUPPORTED, "aclnnScatterNdUpdate"), node, 1 + append.parts());
            case Op.Argmax _ -> needs(Support.SUPPORTED, "aclnnNanToNum");
            case Op.Sample _ -> known(needs(Support.SUPPORTED, "aclnnNanToNum"), node, 1);
            case Op.Embed _, Op.Cast _, Op.Slice _, Op.SelectRows _, Op.RmsNorm _, Op.Rope _, Op.Swiglu _ ->
                Support.SUPPORTED;
        };
    }

    /** Declines what would be supported if the chip had an operator. */
    private Support needs(Support otherwise, String operator) {
        return otherwise instanceof Support.Supported && !chips.has(operator)
                ? Support.declined(
                        Support.Code.OPERATOR, operator + " is not for this chip (" + chips.document(operator) + ")")
                : otherwise;
    }

    /** Declines what would be supported if the operands from {@code first} on were bound by the caller, whose integers the host works with. */
    private static Support known(Support otherwise, Node node, int first) {
        for (Value operand : node.operands().subList(first, node.operands().size())) {
            if (otherwise instanceof Support.Supported && operand.role() != Value.Role.INPUT) {
                return Support.declined(
                        Support.Code.ATTRIBUTE,
                        "'" + operand.name()
                                + "' is no input of the graph; the host works with its elements before the run");
            }
        }
        return otherwise;
    }

    private Support product(Node node, ActivationFormat activation) {
        TensorType weight =
                node.operand(node.op() instanceof Op.GroupedLinear ? 2 : 1).type();
        if (!weight.isPlain()) {
            return weights.support(node, weight, activation);
        }
        if (activation != ActivationFormat.FLOAT) {
            return Support.declined(
                    Support.Code.ATTRIBUTE,
                    "activations in " + activation + " meet a plain weight, for which CANN has no product");
        }
        boolean inFloat32 = Stream.concat(node.operands().stream(), node.results().stream())
                .anyMatch(value -> value.type().dtype() == DType.F32);
        return inference && inFloat32 ? floatProduct() : Support.SUPPORTED;
    }

    private static Support floatProduct() {
        return Support.declined(
                Support.Code.DTYPE,
                "Ascend310P multiplies no F32 in full precision: cubeMathType 0 is not supported (hicann/ops-nn aclnnMatmul.md)");
    }

    private Support attention() {
        return inference ? floatProduct() : Support.SUPPORTED;
    }

    private static Support route(Op.Route route, Node node) {
        if (route.score() == Op.Route.Score.SQRT_SOFTPLUS) {
            return Support.declined(
                    Support.Code.ATTRIBUTE,
                    "normType 2 (sqrt-softplus) is for Ascend 950 only (ops-transformer aclnnMoeGatingTopK.md), and not implemented yet");
        }
        if (route.score() == Op.Route.Score.SIGMOID && !route.normalize()) {
            return Support.declined(
                    Support.Code.ATTRIBUTE,
                    "normType 1 (sigmoid) always divides by the sum of the chosen (ops-transformer aclnnMoeGatingTopK.md)");
        }
        if (route.groups() > 1
                && route.masked() == Op.Route.Masked.ZERO
                && node.operands().size() == 2) {
            return Support.declined(
                    Support.Code.ATTRIBUTE,
                    "experts of dropped groups count as minus infinity, not 0 (ops-transformer aclnnMoeGatingTopK.md)");
        }
        long rounded = Math.ceilDiv(route.experts() / route.groups(), 32) * 32L * route.groups();
        if (route.experts() > 2048 || rounded > 2048) {
            return Support.declined(
                    Support.Code.SHAPE,
                    route.experts() + " experts in " + route.groups()
                            + " groups; 2048 at most, groups rounded up to 32 (ops-transformer aclnnMoeGatingTopK.md)");
        }
        return Support.SUPPORTED;
    }

    private static Support dispatch(Op.Dispatch dispatch, Node node) {
        return dispatch.localExperts() > 1024
                ? Support.declined(
                        Support.Code.SHAPE,
                        "node '" + node.name() + "' has " + dispatch.localExperts()
                                + " experts; the grouped product takes 1024 groups (ops-transformer aclnnGroupedMatmulV4.md)")
                : Support.SUPPORTED;
    }

    private static Support collective() {
        return Support.declined(
                Support.Code.OPERATOR,
                "a program does not communicate; the runtime executes collectives through HCCL between programs (runtime.parallel)");
    }
}
