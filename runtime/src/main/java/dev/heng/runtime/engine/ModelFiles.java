package dev.heng.runtime.engine;

import dev.heng.runtime.HengException;
import dev.heng.runtime.checkpoint.ActivationRounding;
import dev.heng.runtime.checkpoint.Checkpoint;
import dev.heng.runtime.checkpoint.WeightCatalog;
import dev.heng.runtime.config.ModelConfig;
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

    /** Returns a fresh catalogue of the weights. */
    WeightCatalog weights(ActivationRounding rounding) {
        return new WeightCatalog(checkpoint, config, rounding);
    }

    /** Builds the model's graph without a device. */
    Graph graph(GraphOptions options) {
        WeightCatalog weights = weights(ActivationRounding.AS_CONFIGURED);
        Graph graph = ModelGraph.of(config, weights, options);
        weights.requireAllUsed();
        return graph;
    }

    @Override
    public void close() {
        checkpoint.close();
    }
}
