package dev.heng.runtime.family;

import dev.heng.runtime.config.Moe;
import dev.heng.spi.graph.GraphBuilder.Dispatched;
import dev.heng.spi.graph.GraphBuilder.Routed;
import dev.heng.spi.graph.Op;
import dev.heng.spi.graph.Value;
import dev.heng.spi.tensor.Shape;

/**
 * Routed experts, and shared ones that every token passes. Source: DeepSeek-V3 inference/model.py, Gate and MoE; DeepSeek-V2's modeling_deepseek.py, MoEGate.
 */
final class MoeMlp implements LayerBlock {

    private static final String PATH = "mlp";

    private final Scope scope;
    private final Moe moe;
    private final Op.Route route;

    /**
     * Describes the experts of a layer.
     *
     * @param route the family's way of choosing, of as many experts as {@code moe} has
     */
    MoeMlp(Scope scope, Moe moe, Op.Route route) {
        this.scope = scope;
        this.moe = moe;
        this.route = route;
    }

    @Override
    public Value add(int layer, Value x) {
        String node = "layers." + layer + "." + PATH;
        String module = "model." + node;
        long hidden = Scope.width(x);

        Routed routed = route(node, module + ".gate", x);
        Dispatched dispatched = scope.builder().dispatch(node + ".dispatch", ownExperts(), x, routed.ids());
        int inner = innerWidth();
        Value gate = grouped(
                node, module, "gate_proj", dispatched.rows(), dispatched, moe.intermediateSize(), inner, hidden);
        Value up =
                grouped(node, module, "up_proj", dispatched.rows(), dispatched, moe.intermediateSize(), inner, hidden);
        Value gated = scope.builder().swiglu(node + ".experts.swiglu", gate, up);
        Value down = grouped(node, module, "down_proj", gated, dispatched, hidden, hidden, moe.intermediateSize());
        Value combined = scope.builder()
                .combine(node + ".combine", down, dispatched.origins(), routed.weights(), scope.activations());
        return total(layer, node, x, combined);
    }

    /** Adds shared experts, and the sum over ranks of whatever is a part: where both are, one sum is enough. */
    private Value total(int layer, String node, Value x, Value combined) {
        String reduce = node + ".all_reduce";
        if (moe.sharedExperts() == 0) {
            return scope.reduce(reduce, combined);
        }
        Value shared = new DenseMlp(scope, PATH + ".shared_experts", moe.sharedIntermediateSize()).part(layer, x);
        return scope.share().tensors()
                ? scope.reduce(reduce, scope.builder().plus(node + ".sum", combined, shared))
                : scope.builder().plus(node + ".sum", scope.reduce(reduce, combined), shared);
    }

    /** Returns the experts of this rank: all of them unless experts are split. */
    private Op.Dispatch ownExperts() {
        if (!scope.share().experts()) {
            return new Op.Dispatch(0, moe.experts());
        }
        int own = scope.share().of(moe.experts(), "experts");
        return new Op.Dispatch(scope.share().rank() * own, own);
    }

    /** Returns this rank's part of an expert's inner width: all of it if experts are split by number, so that nothing is split twice. */
    private int innerWidth() {
        return scope.share().experts()
                ? moe.intermediateSize()
                : scope.split(moe.intermediateSize(), "columns between an expert's gate and down");
    }

    private Routed route(String node, String gate, Value x) {
        Value weight = scope.matrix(gate, moe.experts(), Scope.width(x));
        Value logits = scope.builder().linear(node + ".router", x, weight, scope.activation(gate), scope.routerType());
        return moe.choiceBias()
                ? scope.builder()
                        .route(
                                node + ".route",
                                route,
                                logits,
                                scope.vector(gate + ".e_score_correction_bias", moe.experts()))
                : scope.builder().route(node + ".route", route, logits);
    }

    /**
     * Adds a product of the experts.
     *
     * @param rows elements of a row of the result in all ranks together
     * @param ownRows those of this rank
     * @param columns elements of a row of {@code x} in all ranks together
     */
    private Value grouped(
            String node,
            String module,
            String projection,
            Value x,
            Dispatched dispatched,
            long rows,
            long ownRows,
            long columns) {
        String prefix = module + ".experts";
        Value weight = scope.experts(
                prefix,
                projection,
                Shape.of(moe.experts(), rows, columns),
                Shape.of(ownExperts().localExperts(), ownRows, Scope.width(x)));
        if (Scope.width(x) != columns) {
            scope.requireWholeRowsUnrounded(prefix + "." + projection);
        }
        return scope.builder()
                .groupedLinear(
                        node + ".experts." + projection,
                        x,
                        dispatched.offsets(),
                        weight,
                        scope.activation(prefix + "." + projection),
                        scope.activations());
    }
}
