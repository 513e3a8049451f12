package dev.heng.backend.cuda;

import dev.heng.spi.CompileOptions;
import dev.heng.spi.Support;
import dev.heng.spi.graph.Node;
import dev.heng.spi.graph.Op;
import dev.heng.spi.graph.Value;
import dev.heng.spi.tensor.DType;
import dev.heng.spi.tensor.Dim;

/** Which nodes the kernels execute. */
final class CudaSupport {

    /** Widest value head, or latent, that the general attention kernel holds in registers: MAX_VALUE_WIDTH of attention.cu. */
    private static final long WIDEST_VALUE = 1024;

    /** Experts whose scores fit the shared memory of a router's block. */
    private static final int MOST_EXPERTS = 3072;

    /** Rows of a run, limited by a grid's second and third dimension. */
    private static final long MOST_TOKENS = 65_535;

    private CudaSupport() {}

    static Support of(Node node, CompileOptions options) {
        for (Value value : node.operands()) {
            if (value.type().dtype() == DType.F64) {
                return doubles("operand", value);
            }
        }
        for (Value value : node.results()) {
            if (value.type().dtype() == DType.F64) {
                return doubles("result", value);
            }
        }
        if (options.maxima().getOrDefault(Dim.TOKENS, 0L) > MOST_TOKENS) {
            return Support.declined(
                    Support.Code.SHAPE,
                    "runs of up to " + options.maxima().get(Dim.TOKENS) + " tokens; the kernels take at most "
                            + MOST_TOKENS);
        }
        return switch (node.op()) {
            case Op.Embed _ -> weights(node, 0);
            case Op.RmsNorm _ -> weights(node, 1);
            case Op.Linear _ -> node.operands().size() == 3 ? weights(node, 1, 2) : weights(node, 1);
            case Op.GroupedLinear _ -> weights(node, 2);
            case Op.Route route -> {
                if (route.experts() + route.groups() > MOST_EXPERTS) {
                    yield Support.declined(
                            Support.Code.SHAPE,
                            route.experts() + " experts; the router takes at most " + MOST_EXPERTS
                                    + " experts and groups");
                }
                yield node.operands().size() == 2 ? weights(node, 1) : Support.SUPPORTED;
            }
            case Op.MlaAttention _ -> {
                long latent = node.operand(2).type().shape().dim(-1).size();
                yield latent > WIDEST_VALUE ? tooWide("latent", latent) : weights(node, 2);
            }
            case Op.GroupedQueryAttention attention ->
                attention.valueDim() > WIDEST_VALUE ? tooWide("value head", attention.valueDim()) : Support.SUPPORTED;
            case Op.AllReduce reduce -> oneRank(reduce.ranks());
            case Op.AllToAll exchange -> oneRank(exchange.ranks());
            case Op.AllToAllReturn exchange -> oneRank(exchange.ranks());
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
        };
    }

    private static Support doubles(String what, Value value) {
        return Support.declined(
                Support.Code.DTYPE,
                what + " '" + value.name() + "' is F64; the kernels keep results in F32, F16 or BF16");
    }

    private static Support tooWide(String what, long width) {
        return Support.declined(
                Support.Code.SHAPE,
                "a " + what + " of " + width + "; the attention kernels take at most " + WIDEST_VALUE);
    }

    private static Support oneRank(int ranks) {
        return ranks == 1
                ? Support.SUPPORTED
                : Support.declined(
                        Support.Code.ATTRIBUTE,
                        ranks + " ranks; a program runs on one, and the runtime executes collectives between programs");
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
