package dev.heng.runtime.family;

import dev.heng.runtime.config.Moe;
import dev.heng.spi.graph.GraphBuilder.Dispatched;
import dev.heng.spi.graph.GraphBuilder.Routed;
import dev.heng.spi.graph.Op;
import dev.heng.spi.graph.Value;

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
        Dispatched dispatched =
                scope.builder().dispatch(node + ".dispatch", new Op.Dispatch(0, moe.experts()), x, routed.ids());
        Value gate = grouped(node, module, "gate_proj", dispatched.rows(), dispatched, moe.intermediateSize());
        Value up = grouped(node, module, "up_proj", dispatched.rows(), dispatched, moe.intermediateSize());
        Value gated = scope.builder().swiglu(node + ".experts.swiglu", gate, up);
        Value down = grouped(node, module, "down_proj", gated, dispatched, hidden);
        Value combined = scope.builder()
                .combine(node + ".combine", down, dispatched.origins(), routed.weights(), scope.activations());
        if (moe.sharedExperts() == 0) {
            return combined;
        }
        Value shared = new DenseMlp(scope, PATH + ".shared_experts", moe.sharedIntermediateSize()).add(layer, x);
        return scope.builder().plus(node + ".sum", combined, shared);
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

    private Value grouped(
            String node, String module, String projection, Value rows, Dispatched dispatched, long width) {
        String prefix = module + ".experts";
        Value weight = scope.experts(prefix, projection, moe.experts(), width, Scope.width(rows));
        return scope.builder()
                .groupedLinear(
                        node + ".experts." + projection,
                        rows,
                        dispatched.offsets(),
                        weight,
                        scope.activation(prefix + "." + projection),
                        scope.activations());
    }
}
