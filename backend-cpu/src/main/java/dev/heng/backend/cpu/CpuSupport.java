package dev.heng.backend.cpu;

import dev.heng.spi.Support;
import dev.heng.spi.graph.Node;
import dev.heng.spi.graph.Op;
import dev.heng.spi.graph.Value;
import dev.heng.spi.tensor.DType;

/** Which nodes the native kernels execute: all but those in double, collectives, and products with weights that are not weights. */
final class CpuSupport {

    private CpuSupport() {}

    static Support of(Node node) {
        for (Value value : node.operands()) {
            if (value.type().dtype() == DType.F64) {
                return Support.declined(
                        Support.Code.DTYPE, "operand '" + value.name() + "' is F64; the kernels compute in F32");
            }
        }
        for (Value value : node.results()) {
            if (value.type().dtype() == DType.F64) {
                return Support.declined(
                        Support.Code.DTYPE, "result '" + value.name() + "' is F64; the kernels compute in F32");
            }
        }
        return switch (node.op()) {
            case Op.Embed _ -> table(node);
            case Op.RmsNorm _ -> weights(node, 1);
            case Op.Linear _ -> node.operands().size() == 3 ? weights(node, 1, 2) : weights(node, 1);
            case Op.GroupedLinear _ -> weights(node, 2);
            case Op.Route _ -> node.operands().size() == 2 ? weights(node, 1) : Support.SUPPORTED;
            case Op.MlaAttention attention ->
                attention.heads() > 512 ? tooManyHeads(attention.heads()) : weights(node, 2);
            case Op.GroupedQueryAttention attention ->
                attention.heads() > 512 ? tooManyHeads(attention.heads()) : Support.SUPPORTED;
            case Op.Add _,
                    Op.Cast _,
                    Op.Slice _,
                    Op.SelectRows _,
                    Op.Rope _,
                    Op.KvAppend _,
                    Op.Dispatch _,
                    Op.Swiglu _,
                    Op.Combine _,
                    Op.Argmax _,
                    Op.Sample _ -> Support.SUPPORTED;
            case Op.AllReduce _, Op.AllToAll _, Op.AllToAllReturn _ ->
                Support.declined(Support.Code.OPERATOR, "there is one host processor; collectives are not implemented");
        };
    }

    private static Support tooManyHeads(int heads) {
        return Support.declined(Support.Code.SHAPE, heads + " query heads; the kernels take at most 512");
    }

    private static Support table(Node node) {
        Value table = node.operand(0);
        if (!table.type().isPlain()) {
            return Support.declined(
                    Support.Code.QUANTIZATION,
                    "embedding table '" + table.name() + "' is " + table.type().quantization()
                            + "; the kernels gather from F32, BF16 and F16 tables only");
        }
        return weights(node, 0);
    }

    private static Support weights(Node node, int... operands) {
        for (int operand : operands) {
            Value value = node.operand(operand);
            if (value.role() != Value.Role.WEIGHT) {
                return Support.declined(
                        Support.Code.ATTRIBUTE,
                        "operand '" + value.name() + "' must be a weight, not a value of a run");
            }
        }
        return Support.SUPPORTED;
    }
}
