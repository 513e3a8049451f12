package dev.heng.runtime.family;

import dev.heng.spi.graph.Value;

/** The gated MLP {@code down(silu(gate(x)) * up(x))} of a dense layer; shared experts are one of their common width. */
final class DenseMlp implements LayerBlock {

    private final Scope scope;
    private final String path;
    private final int width;

    /**
     * Describes an MLP.
     *
     * @param path where it stands in a layer: "mlp", or "mlp.shared_experts"
     * @param width elements between gate and down
     */
    DenseMlp(Scope scope, String path, int width) {
        this.scope = scope;
        this.path = path;
        this.width = width;
    }

    @Override
    public Value add(int layer, Value x) {
        String node = "layers." + layer + "." + path;
        String module = "model." + node;
        Value gate = scope.linear(node + ".gate_proj", module + ".gate_proj", x, width, false);
        Value up = scope.linear(node + ".up_proj", module + ".up_proj", x, width, false);
        Value gated = scope.builder().swiglu(node + ".swiglu", gate, up);
        return scope.linear(node + ".down_proj", module + ".down_proj", gated, Math.toIntExact(Scope.width(x)), false);
    }
}
