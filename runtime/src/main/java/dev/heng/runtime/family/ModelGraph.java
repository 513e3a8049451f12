package dev.heng.runtime.family;

import dev.heng.runtime.HengException;
import dev.heng.runtime.checkpoint.ModelWeights;
import dev.heng.runtime.config.Attention;
import dev.heng.runtime.config.ModelConfig;
import dev.heng.runtime.config.Moe;
import dev.heng.spi.graph.Graph;
import dev.heng.spi.graph.GraphBuilder;
import dev.heng.spi.graph.GraphBuilder.Paging;
import dev.heng.spi.graph.Value;
import dev.heng.spi.tensor.DType;
import dev.heng.spi.tensor.Dim;
import dev.heng.spi.tensor.TensorType;
import java.util.Locale;

/**
 * Builds the graph of a model: which blocks each family is made of.
 *
 * <p>Inputs and outputs are called as {@link Names} says, weights by the checkpoint's tensors, caches {@code layers.L.latent_cache} or {@code layers.L.key_cache} and
 * {@code layers.L.value_cache}, nodes like the modules that they compute.
 */
public final class ModelGraph {

    private ModelGraph() {}

    /**
     * Builds the graph that {@code options} describe.
     *
     * @param weights the weights that belong to {@code config}; afterwards they know every weight of the graph
     * @throws HengException if a weight is missing or not as it must be
     */
    public static Graph of(ModelConfig config, ModelWeights weights, GraphOptions options) {
        GraphBuilder builder = new GraphBuilder(config.family().name().toLowerCase(Locale.ROOT));
        Value tokens = builder.input(Names.TOKENS, perToken());
        Paging paging = new Paging(
                builder.input(Names.POSITIONS, perToken()),
                builder.input(Names.SEQUENCES, perToken()),
                builder.input(
                        Names.PAGE_TABLE,
                        TensorType.of(DType.I32, Dim.of(Dim.SEQUENCES), Dim.of(Dim.PAGES_PER_SEQUENCE))));
        Scope scope = new Scope(builder, weights, options, paging);
        decoder(scope, config).add(scope, config, options, tokens);
        return builder.build();
    }

    private static Decoder decoder(Scope scope, ModelConfig config) {
        LayerBlock dense = new DenseMlp(scope, "mlp", config.intermediateSize());
        return switch (config.family()) {
            case DEEPSEEK_V3, KIMI_K2, DEEPSEEK_V2 ->
                new Decoder(latent(scope, config), dense, sparse(scope, config, dense));
            case DEEPSEEK, GLM4_MOE, QWEN3_MOE ->
                new Decoder(grouped(scope, config), dense, sparse(scope, config, dense));
            case LLAMA -> new Decoder(grouped(scope, config), dense, dense);
        };
    }

    private static LayerBlock latent(Scope scope, ModelConfig config) {
        return switch (config.attention()) {
            case Attention.Latent attention -> new MlaBlock(scope, config, attention);
            case Attention.GroupedQuery _ -> throw wrongAttention(config, "latent");
        };
    }

    private static LayerBlock grouped(Scope scope, ModelConfig config) {
        return switch (config.attention()) {
            case Attention.GroupedQuery attention -> new GqaBlock(scope, config, attention);
            case Attention.Latent _ -> throw wrongAttention(config, "grouped-query");
        };
    }

    private static LayerBlock sparse(Scope scope, ModelConfig config, LayerBlock dense) {
        Moe moe = config.moe();
        return moe == null ? dense : new MoeMlp(scope, moe, Routes.of(moe));
    }

    private static IllegalArgumentException wrongAttention(ModelConfig config, String wanted) {
        return new IllegalArgumentException(
                "a config of family " + config.family() + " without " + wanted + " attention: " + config.file());
    }

    private static TensorType perToken() {
        return TensorType.of(DType.I32, Dim.of(Dim.TOKENS));
    }
}
