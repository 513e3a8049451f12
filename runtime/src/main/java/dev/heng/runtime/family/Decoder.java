package dev.heng.runtime.family;

import dev.heng.runtime.config.ModelConfig;
import dev.heng.spi.graph.GraphBuilder;
import dev.heng.spi.graph.Value;

/**
 * The frame that all families have in common: an embedding, layers of attention and MLP with a norm before and a residual sum after each, a final norm and a head.
 *
 * @param attention the attention of every layer
 * @param dense the MLP of dense layers
 * @param sparse the experts of sparse layers; a family without any gives {@code dense} again
 */
record Decoder(LayerBlock attention, LayerBlock dense, LayerBlock sparse) {

    /** Adds all nodes and declares the outputs. */
    void add(Scope scope, ModelConfig config, GraphOptions options, Value tokens) {
        GraphBuilder builder = scope.builder();
        Value table = scope.matrix("model.embed_tokens", config.vocabularySize(), config.hiddenSize());
        Value residual = builder.embed("embed_tokens", table, tokens, options.activations());
        for (int layer = 0; layer < config.layers(); layer++) {
            if (options.hiddenStates()) {
                builder.output(Names.hiddenStates(layer), residual);
            }
            residual = layer(scope, config, layer, residual);
        }
        new Head(scope, config, options).add(residual);
    }

    private Value layer(Scope scope, ModelConfig config, int layer, Value residual) {
        String node = "layers." + layer;
        String module = "model." + node;
        Value attended = attention.add(layer, norm(scope, config, node, module, "input", residual));
        Value middle = scope.builder().plus(node + ".attention_residual", residual, attended);
        LayerBlock mlp = config.sparse(layer) ? sparse : dense;
        Value expanded = mlp.add(layer, norm(scope, config, node, module, "post_attention", middle));
        return scope.builder().plus(node + ".mlp_residual", middle, expanded);
    }

    private static Value norm(
            Scope scope, ModelConfig config, String node, String module, String which, Value residual) {
        return scope.norm(
                node + "." + which + "_norm",
                module + "." + which + "_layernorm",
                residual,
                config.hiddenSize(),
                config.normEpsilon());
    }
}
