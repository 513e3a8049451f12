package dev.heng.runtime.config;

import dev.heng.spi.tensor.DType;
import java.nio.file.Path;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * What a family needs to know to build a model's graph. Sizes are in elements.
 *
 * <p>Read from config.json in the hub's original form or in that of transformers 5, with the end-of-text ids of generation_config.json.
 *
 * @param file the config.json that this was read from
 * @param family the family
 * @param vocabularySize rows of embedding and head
 * @param hiddenSize width of the residual
 * @param layers decoder layers, without those that predict further tokens
 * @param intermediateSize width of the MLP of a dense layer
 * @param normEpsilon epsilon of every norm but those of latent attention
 * @param tiedEmbeddings whether the head is the embedding table
 * @param maxPositions the longest sequence, in tokens
 * @param predictionLayers layers behind the last one that predict further tokens (MTP); their weights are not used
 * @param attention the attention of every layer
 * @param rope its rotary embedding
 * @param moe the experts of sparse layers, or null for a dense model
 * @param quantization how weights may be quantised
 * @param dtype the activation type that the publisher names, or null
 * @param beginId the id of the token that begins a text, or null
 * @param endIds ids of the tokens that end one, of config.json and generation_config.json together, ascending; may be empty
 */
public record ModelConfig(
        Path file,
        Family family,
        int vocabularySize,
        int hiddenSize,
        int layers,
        int intermediateSize,
        double normEpsilon,
        boolean tiedEmbeddings,
        int maxPositions,
        int predictionLayers,
        Attention attention,
        RopeConfig rope,
        @Nullable Moe moe,
        QuantizationConfig quantization,
        @Nullable DType dtype,
        @Nullable Integer beginId,
        List<Integer> endIds) {

    public ModelConfig {
        endIds = List.copyOf(endIds);
        int rotary = switch (attention) {
            case Attention.Latent latent -> latent.ropeDim();
            case Attention.GroupedQuery grouped -> grouped.rotaryDim();
        };
        if (rope.dims() != rotary) {
            throw new IllegalArgumentException(
                    "the rotary embedding has " + rope.dims() + " dimensions, the attention rotates " + rotary);
        }
        for (int id : endIds) {
            requireToken("eos_token_id", id, vocabularySize);
        }
        if (beginId != null) {
            requireToken("bos_token_id", beginId, vocabularySize);
        }
    }

    /**
     * Reads config.json and, where there is one, generation_config.json of a model's folder.
     *
     * @throws dev.heng.runtime.HengException naming file, field and remedy if anything is missing, unknown or impossible
     */
    public static ModelConfig read(Path folder) {
        return ModelConfigReader.of(folder).read();
    }

    /**
     * Reads the text of a config.json that is in no folder.
     *
     * @param name what errors call it
     * @throws dev.heng.runtime.HengException naming the field and remedy if anything is missing, unknown or impossible
     */
    public static ModelConfig parse(String name, String json) {
        return ModelConfigReader.ofText(name).parse(json);
    }

    /**
     * Returns this model with its first layers only.
     *
     * @param count how many, 1 to {@link #layers}
     */
    public ModelConfig withLayers(int count) {
        if (count < 1 || count > layers) {
            throw new IllegalArgumentException("a model of " + layers + " layers has no first " + count);
        }
        return new ModelConfig(
                file,
                family,
                vocabularySize,
                hiddenSize,
                count,
                intermediateSize,
                normEpsilon,
                tiedEmbeddings,
                maxPositions,
                predictionLayers,
                attention,
                rope,
                moe == null ? null : moe.withLayers(count),
                quantization,
                dtype,
                beginId,
                endIds);
    }

    /** Returns whether layer {@code layer} has experts. */
    public boolean sparse(int layer) {
        return moe != null && moe.layers().contains(layer);
    }

    /** Returns what query-key products are multiplied with before the softmax, YaRN's mscale of latent attention included. */
    public double softmaxScale() {
        return switch (attention) {
            case Attention.Latent latent -> rope.softmaxFactor() / Math.sqrt(latent.headDim());
            case Attention.GroupedQuery grouped -> 1 / Math.sqrt(grouped.headDim());
        };
    }

    private static void requireToken(String field, int id, int vocabularySize) {
        if (id < 0 || id >= vocabularySize) {
            throw new IllegalArgumentException(
                    field + " " + id + " is not one of the vocabulary's ids 0.." + (vocabularySize - 1));
        }
    }
}
