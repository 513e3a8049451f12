package dev.heng.runtime.engine;

import dev.heng.runtime.HengException;
import dev.heng.runtime.checkpoint.ActivationRounding;
import dev.heng.runtime.checkpoint.Checkpoint;
import dev.heng.runtime.checkpoint.WeightCatalog;
import dev.heng.runtime.config.ModelConfig;
import dev.heng.runtime.config.QuantizationConfig;
import dev.heng.runtime.family.GraphOptions;
import dev.heng.runtime.family.ModelGraph;
import dev.heng.spi.graph.Graph;
import java.nio.file.Files;
import java.nio.file.Path;

/**
 * The config and the mapped weights of a model.
 *
 * @param folder the model's folder
 * @param config what config.json says
 * @param checkpoint the mapped weights
 */
record ModelFiles(Path folder, ModelConfig config, Checkpoint checkpoint) implements AutoCloseable {

    /**
     * Reads the config and maps the weights.
     *
     * @throws HengException naming the file and what is wrong
     */
    static ModelFiles open(Path folder) {
        if (!Files.isDirectory(folder)) {
            throw new HengException(
                    "model " + folder + (Files.exists(folder) ? " is not a folder" : " does not exist"),
                    "give the folder that holds the model's config.json and safetensors files");
        }
        return new ModelFiles(folder, ModelConfig.read(folder), Checkpoint.open(folder));
    }

    /**
     * Returns a fresh catalogue of the weights.
     *
     * <p>Activations are rounded where rounding is part of the checkpoint's meaning: int8 by token, for which it was calibrated. Beside fp8 weights it is a shortcut of the
     * kernels that the weights were published with, and full precision is what a backend is compared in.
     */
    WeightCatalog weights() {
        ActivationRounding rounding = config.quantization() instanceof QuantizationConfig.Fp8Blocks
                ? ActivationRounding.NONE
                : ActivationRounding.AS_CONFIGURED;
        return new WeightCatalog(checkpoint, config, rounding);
    }

    /** Builds the model's graph without a device. */
    Graph graph(GraphOptions options) {
        WeightCatalog weights = weights();
        Graph graph = ModelGraph.of(config, weights, options);
        weights.requireAllUsed();
        return graph;
    }

    @Override
    public void close() {
        checkpoint.close();
    }
}
