package dev.heng.runtime.family;

import dev.heng.runtime.config.Attention;
import dev.heng.runtime.config.ModelConfig;
import dev.heng.spi.graph.Op;
import dev.heng.spi.graph.Value;
import dev.heng.spi.tensor.RopeFrequencies;
import java.util.List;

/**
 * Multi-head latent attention. The cache row is [normalised latent, rotated key], one for all heads. Source: DeepSeek-V2 paper, section 2.1; DeepSeek-V3
 * inference/model.py, MLA.
 */
final class MlaBlock implements LayerBlock {

    private final Scope scope;
    private final Attention.Latent attention;
    private final RopeFrequencies frequencies;
    private final Op.Pairing pairing;
    private final double scale;
    private final int hidden;

    MlaBlock(Scope scope, ModelConfig config, Attention.Latent attention) {
        this.scope = scope;
        this.attention = attention;
        this.frequencies = config.rope().frequencies();
        this.pairing = RopePairing.of(config);
        this.scale = config.softmaxScale();
        this.hidden = config.hiddenSize();
    }

    @Override
    public Value add(int layer, Value x) {
        String node = "layers." + layer + ".self_attn";
        String module = "model." + node;
        int heads = scope.split(attention.heads(), "attention heads");
        int latentWidth = attention.keyValueLoraRank();
        int ropeDim = attention.ropeDim();

        Value query = scope.builder()
                .rope(
                        node + ".q_rope",
                        query(node, module, x),
                        scope.paging().positions(),
                        attention.headDim(),
                        attention.nopeDim(),
                        pairing,
                        frequencies);

        Value compressed = scope.linear(
                node + ".kv_a_proj", module + ".kv_a_proj_with_mqa", x, latentWidth + ropeDim, attention.bias());
        Value latent = scope.norm(
                node + ".kv_a_norm",
                module + ".kv_a_layernorm",
                scope.builder().slice(node + ".latent", compressed, 0, latentWidth),
                latentWidth,
                Attention.Latent.LATENT_NORM_EPSILON);
        Value key = scope.builder()
                .rope(
                        node + ".k_rope",
                        scope.builder().slice(node + ".rope_key", compressed, latentWidth, ropeDim),
                        scope.paging().positions(),
                        ropeDim,
                        0,
                        pairing,
                        frequencies);

        Value cache = scope.cache("layers." + layer + ".latent_cache", latentWidth + ropeDim);
        Value appended = scope.builder().kvAppend(node + ".append", cache, List.of(latent, key), scope.paging());
        Value kvB = scope.rowsOf(
                module + ".kv_b_proj",
                attention.heads() * (attention.nopeDim() + attention.valueDim()),
                latentWidth,
                "rows of kv_b_proj");
        Value attended = scope.builder()
                .mlaAttention(
                        node + ".attention",
                        new Op.MlaAttention(
                                heads, attention.nopeDim(), ropeDim, attention.valueDim(), scale, scope.activations()),
                        query,
                        appended,
                        kvB,
                        scope.paging());
        Value part = scope.splitColumns(
                node + ".o_proj",
                module + ".o_proj",
                attended,
                hidden,
                attention.heads() * attention.valueDim(),
                attention.bias());
        return scope.share().tensors() ? scope.reduce(node + ".all_reduce", part) : part;
    }

    /** Adds the query [tokens, heads*(nope+rope)], compressed on the way where the model has a rank for it. */
    private Value query(String node, String module, Value x) {
        int width = attention.heads() * attention.headDim();
        Integer rank = attention.queryLoraRank();
        if (rank == null) {
            return scope.splitRows(node + ".q_proj", module + ".q_proj", x, width, false, "rows of q_proj");
        }
        Value compressed = scope.linear(node + ".q_a_proj", module + ".q_a_proj", x, rank, attention.bias());
        Value normalised = scope.norm(
                node + ".q_a_norm", module + ".q_a_layernorm", compressed, rank, Attention.Latent.LATENT_NORM_EPSILON);
        return scope.splitRows(node + ".q_b_proj", module + ".q_b_proj", normalised, width, false, "rows of q_b_proj");
    }
}
