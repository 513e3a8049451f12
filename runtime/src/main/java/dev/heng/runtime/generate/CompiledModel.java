package dev.heng.runtime.generate;

import dev.heng.runtime.HengException;
import dev.heng.runtime.checkpoint.ModelWeights;
import dev.heng.runtime.checkpoint.SharedWeights;
import dev.heng.runtime.config.ModelConfig;
import dev.heng.runtime.fallback.Placement;
import dev.heng.runtime.family.GraphOptions;
import dev.heng.runtime.family.ModelGraph;
import dev.heng.spi.Backend;
import dev.heng.spi.BackendOptions;
import dev.heng.spi.CompileOptions;
import dev.heng.spi.Program;
import dev.heng.spi.graph.Graph;

/**
 * A model on a device, ready to run.
 *
 * <p>Threading: as the backend's. Ownership: the caller closes it, after its sessions and before the checkpoint and the backend.
 */
public final class CompiledModel implements AutoCloseable {

    private final Backend backend;
    private final ModelConfig config;
    private final RunLimits limits;

    /** Kept because it owns what a share of the weights had to be copied into. */
    @SuppressWarnings({"unused", "FieldCanBeLocal"})
    private final ModelWeights weights;

    private final Program program;

    private CompiledModel(
            Backend backend, ModelConfig config, RunLimits limits, ModelWeights weights, Program program) {
        this.backend = backend;
        this.config = config;
        this.limits = limits;
        this.weights = weights;
        this.program = program;
    }

    /**
     * Builds the model's graph, checks that the device can run and hold it, and compiles it there.
     *
     * @param backend one device, or a {@link dev.heng.runtime.fallback.FallbackBackend} of two
     * @param weights the weights that belong to {@code config}; what is behind them, a checkpoint, stays open until the model is closed
     * @param options what the graph is built for; of a share of the model, {@code backend} is a rank (package parallel)
     * @param limits what runs will need
     * @param settings the backend's own settings
     * @throws HengException if a weight is wrong or left over, the context is longer than the model's, a node is declined, or memory does not suffice
     * @throws dev.heng.spi.BackendException if the device fails
     */
    public static CompiledModel compile(
            Backend backend,
            ModelConfig config,
            ModelWeights weights,
            GraphOptions options,
            RunLimits limits,
            BackendOptions settings) {
        if (limits.contextTokens() > config.maxPositions()) {
            throw new HengException(
                    "a context of " + limits.contextTokens() + " tokens is longer than the model's "
                            + config.maxPositions() + " (max_position_embeddings in " + config.file() + ")",
                    "ask for at most " + config.maxPositions());
        }
        ModelWeights own = options.share().isWhole() ? weights : new SharedWeights(weights, options.share());
        Graph graph = ModelGraph.of(config, own, options);
        own.requireAllUsed();
        CompileOptions compile = new CompileOptions(limits.maxima(options.pageSize()), settings);
        Placement.requireSupported(graph, backend, compile);
        MemoryEstimate.of(graph, compile.maxima()).requireFits(backend);
        return new CompiledModel(backend, config, limits, own, backend.compile(graph, own.source(), compile));
    }

    /** Returns the device. */
    public Backend backend() {
        return backend;
    }

    /** Returns the config of the model. */
    public ModelConfig config() {
        return config;
    }

    /** Returns what runs may need. */
    public RunLimits limits() {
        return limits;
    }

    /** Returns the compiled graph, whose plan says what executes which node. */
    public Program program() {
        return program;
    }

    /** Opens a session; the caller closes it. */
    public Session open() {
        return Session.open(backend, program, limits);
    }

    /** Releases the program and its weights. Idempotent. */
    @Override
    public void close() {
        program.close();
    }
}
