package dev.heng.runtime.checkpoint;

import dev.heng.runtime.config.Attention;
import dev.heng.runtime.config.ModelConfig;
import dev.heng.runtime.config.Moe;
import dev.heng.spi.WeightSource;
import dev.heng.spi.graph.Value;
import dev.heng.spi.tensor.TensorType;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;

/** Asks a catalogue for every weight that a config implies, as a family would, and reads what a backend would. */
final class EveryWeight {

    private static final String LAYER = "model.layers.";

    private final ModelConfig config;
    private final WeightCatalog catalog;
    private final Map<String, TensorType> types = new LinkedHashMap<>();

    private EveryWeight(ModelConfig config, WeightCatalog catalog) {
        this.config = config;
        this.catalog = catalog;
    }

    /** Returns the types of all weights by their values' names, after every one's bytes were taken and nothing stored was left. */
    static Map<String, TensorType> of(ModelConfig config, WeightCatalog catalog) {
        EveryWeight every = new EveryWeight(config, catalog);
        every.ask();
        catalog.requireAllUsed();
        WeightSource source = catalog.source();
        int id = 0;
        for (Map.Entry<String, TensorType> entry : every.types.entrySet()) {
            WeightSource.WeightData data =
                    source.data(new Value(id, entry.getKey(), Value.Role.WEIGHT, entry.getValue()));
            long bytes = 0;
            for (WeightSource.Part part : data.parts()) {
                bytes += part.elements().byteSize();
            }
            if (bytes != entry.getValue().bytes(Map.of())) {
                throw new AssertionError(entry + " has " + bytes + " bytes");
            }
            id++;
        }
        return every.types;
    }

    private void ask() {
        int hidden = config.hiddenSize();
        linear("model.embed_tokens", config.vocabularySize(), hidden);
        for (int layer = 0; layer < config.layers(); layer++) {
            String prefix = LAYER + layer;
            vector(prefix + ".input_layernorm.weight", hidden);
            vector(prefix + ".post_attention_layernorm.weight", hidden);
            attention(prefix + ".self_attn");
            Moe moe = config.moe();
            if (config.sparse(layer)) {
                experts(prefix + ".mlp", Objects.requireNonNull(moe));
            } else {
                mlp(prefix + ".mlp", config.intermediateSize());
            }
        }
        vector("model.norm.weight", hidden);
        linear("lm_head", config.vocabularySize(), hidden);
    }

    private void attention(String prefix) {
        long hidden = config.hiddenSize();
        switch (config.attention()) {
            case Attention.Latent latent -> {
                long queries = (long) latent.heads() * latent.headDim();
                Integer rank = latent.queryLoraRank();
                if (rank == null) {
                    linear(prefix + ".q_proj", queries, hidden);
                } else {
                    linear(prefix + ".q_a_proj", rank, hidden);
                    vector(prefix + ".q_a_layernorm.weight", rank);
                    linear(prefix + ".q_b_proj", queries, rank);
                }
                long latents = latent.keyValueLoraRank();
                linear(prefix + ".kv_a_proj_with_mqa", latents + latent.ropeDim(), hidden);
                vector(prefix + ".kv_a_layernorm.weight", latents);
                linear(prefix + ".kv_b_proj", (long) latent.heads() * (latent.nopeDim() + latent.valueDim()), latents);
                linear(prefix + ".o_proj", hidden, (long) latent.heads() * latent.valueDim());
                if (latent.bias()) {
                    if (rank != null) {
                        vector(prefix + ".q_a_proj.bias", rank);
                    }
                    vector(prefix + ".kv_a_proj_with_mqa.bias", latents + latent.ropeDim());
                    vector(prefix + ".o_proj.bias", hidden);
                }
            }
            case Attention.GroupedQuery grouped -> {
                long queries = (long) grouped.heads() * grouped.headDim();
                long keys = (long) grouped.keyValueHeads() * grouped.headDim();
                linear(prefix + ".q_proj", queries, hidden);
                linear(prefix + ".k_proj", keys, hidden);
                linear(prefix + ".v_proj", keys, hidden);
                linear(prefix + ".o_proj", hidden, queries);
                if (grouped.queryKeyValueBias()) {
                    vector(prefix + ".q_proj.bias", queries);
                    vector(prefix + ".k_proj.bias", keys);
                    vector(prefix + ".v_proj.bias", keys);
                }
                if (grouped.outputBias()) {
                    vector(prefix + ".o_proj.bias", hidden);
                }
                if (grouped.queryKeyNorm()) {
                    vector(prefix + ".q_norm.weight", grouped.headDim());
                    vector(prefix + ".k_norm.weight", grouped.headDim());
                }
            }
        }
    }

    private void experts(String prefix, Moe moe) {
        linear(prefix + ".gate", moe.experts(), config.hiddenSize());
        if (moe.choiceBias()) {
            vector(prefix + ".gate.e_score_correction_bias", moe.experts());
        }
        for (String projection : List.of("gate_proj", "up_proj", "down_proj")) {
            boolean down = projection.equals("down_proj");
            TensorType type = catalog.experts(
                    prefix + ".experts",
                    projection,
                    moe.experts(),
                    down ? config.hiddenSize() : moe.intermediateSize(),
                    down ? moe.intermediateSize() : config.hiddenSize());
            types.put(prefix + ".experts." + projection + ".weight", type);
        }
        if (moe.sharedExperts() > 0) {
            mlp(prefix + ".shared_experts", moe.sharedIntermediateSize());
        }
    }

    private void mlp(String prefix, int width) {
        linear(prefix + ".gate_proj", width, config.hiddenSize());
        linear(prefix + ".up_proj", width, config.hiddenSize());
        linear(prefix + ".down_proj", config.hiddenSize(), width);
    }

    private void linear(String module, long rows, long columns) {
        types.put(module + ".weight", catalog.linear(module, rows, columns));
    }

    private void vector(String name, long length) {
        types.put(name, catalog.vector(name, length));
    }
}
