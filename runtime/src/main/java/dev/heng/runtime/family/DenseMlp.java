package dev.heng.runtime.family;

import dev.heng.spi.graph.Value;

/** The gated MLP {@code down(silu(gate(x)) * up(x))} of a dense layer; shared experts are one of their common width. */
final class DenseMlp implements LayerBlock {

    private static final String WHAT = "columns between gate and down";

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
        Value part = part(layer, x);
        return scope.share().tensors() ? scope.reduce("layers." + layer + "." + path + ".all_reduce", part) : part;
    }

    /** Adds this rank's part of the MLP: the sum over ranks is the MLP's result if tensors are split, each part if not. */
    Value part(int layer, Value x) {
        String node = "layers." + layer + "." + path;
        String module = "model." + node;
        Value gate = scope.splitRows(node + ".gate_proj", module + ".gate_proj", x, width, false, WHAT);
        Value up = scope.splitRows(node + ".up_proj", module + ".up_proj", x, width, false, WHAT);
        Value gated = scope.builder().swiglu(node + ".swiglu", gate, up);
        return scope.splitColumns(
                node + ".down_proj", module + ".down_proj", gated, Math.toIntExact(Scope.width(x)), width, false);
    }
}
