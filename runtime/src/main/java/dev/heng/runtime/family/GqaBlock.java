package dev.heng.runtime.family;

import dev.heng.runtime.config.Attention;
import dev.heng.runtime.config.ModelConfig;
import dev.heng.spi.graph.Op;
import dev.heng.spi.graph.Value;
import dev.heng.spi.tensor.RopeFrequencies;
import java.util.List;

/**
 * Grouped-query attention with optional norms of each query and key head and a rotation of the first dimensions of a head; multi-head attention where there are as
 * many key heads. Source: transformers, modeling_llama.py, modeling_glm4_moe.py and modeling_qwen3_moe.py.
 */
final class GqaBlock implements LayerBlock {

    private final Scope scope;
    private final Attention.GroupedQuery attention;
    private final RopeFrequencies frequencies;
    private final Op.Pairing pairing;
    private final double scale;
    private final double normEpsilon;
    private final int hidden;

    GqaBlock(Scope scope, ModelConfig config, Attention.GroupedQuery attention) {
        this.scope = scope;
        this.attention = attention;
        this.frequencies = config.rope().frequencies();
        this.pairing = RopePairing.of(config);
        this.scale = config.softmaxScale();
        this.normEpsilon = config.normEpsilon();
        this.hidden = config.hiddenSize();
    }

    @Override
    public Value add(int layer, Value x) {
        String node = "layers." + layer + ".self_attn";
        String module = "model." + node;
        int heads = scope.split(attention.heads(), "attention heads");
        int keyValueHeads = scope.split(attention.keyValueHeads(), "key and value heads");
        Value query = heads(node, module, "q", x, attention.heads());
        Value key = heads(node, module, "k", x, attention.keyValueHeads());
        int keyWidth = keyValueHeads * attention.headDim();
        Value value = scope.splitRows(
                node + ".v_proj",
                module + ".v_proj",
                x,
                attention.keyValueHeads() * attention.headDim(),
                attention.queryKeyValueBias(),
                "rows of v_proj");

        Value keyCache = scope.cache("layers." + layer + ".key_cache", keyWidth);
        Value valueCache = scope.cache("layers." + layer + ".value_cache", keyWidth);
        Value keys = scope.builder().kvAppend(node + ".append_keys", keyCache, List.of(key), scope.paging());
        Value values = scope.builder().kvAppend(node + ".append_values", valueCache, List.of(value), scope.paging());
        Value attended = scope.builder()
                .groupedQueryAttention(
                        node + ".attention",
                        new Op.GroupedQueryAttention(
                                heads,
                                keyValueHeads,
                                attention.headDim(),
                                attention.headDim(),
                                scale,
                                scope.activations()),
                        query,
                        keys,
                        values,
                        scope.paging());
        Value part = scope.splitColumns(
                node + ".o_proj",
                module + ".o_proj",
                attended,
                hidden,
                attention.heads() * attention.headDim(),
                attention.outputBias());
        return scope.share().tensors() ? scope.reduce(node + ".all_reduce", part) : part;
    }

    /** Adds the rotated heads of queries ("q") or keys ("k"). */
    private Value heads(String node, String module, String which, Value x, int heads) {
        Value projected = scope.splitRows(
                node + "." + which + "_proj",
                module + "." + which + "_proj",
                x,
                heads * attention.headDim(),
                attention.queryKeyValueBias(),
                "rows of " + which + "_proj");
        Value normalised = attention.queryKeyNorm()
                ? scope.norm(
                        node + "." + which + "_norm",
                        module + "." + which + "_norm",
                        projected,
                        attention.headDim(),
                        normEpsilon)
                : projected;
        return scope.builder()
                .rope(
                        node + "." + which + "_rope",
                        normalised,
                        scope.paging().positions(),
                        attention.headDim(),
                        0,
                        pairing,
                        frequencies);
    }
}
