package dev.heng.runtime.generate;

import dev.heng.runtime.checkpoint.ActivationRounding;
import dev.heng.runtime.checkpoint.Checkpoint;
import dev.heng.runtime.checkpoint.WeightCatalog;
import dev.heng.runtime.config.ModelConfig;
import dev.heng.runtime.config.QuantizationConfig;
import dev.heng.runtime.family.GraphOptions;
import dev.heng.spi.Availability;
import dev.heng.spi.Backend;
import dev.heng.spi.BackendOptions;
import dev.heng.spi.BackendProvider;
import java.nio.file.Path;
import java.util.ServiceLoader;

/** A model of the repository on a backend, with everything that has to be closed afterwards. */
public final class TestModel implements AutoCloseable {

    private final Backend backend;
    private final boolean ownsBackend;
    private final Checkpoint checkpoint;
    private final CompiledModel compiled;

    private TestModel(Backend backend, boolean ownsBackend, Checkpoint checkpoint, CompiledModel compiled) {
        this.backend = backend;
        this.ownsBackend = ownsBackend;
        this.checkpoint = checkpoint;
        this.compiled = compiled;
    }

    /** Opens the oracle. */
    public static Backend reference() {
        return reference(BackendOptions.none());
    }

    /** Opens the oracle with settings of its own. */
    public static Backend reference(BackendOptions options) {
        BackendProvider provider = ServiceLoader.load(BackendProvider.class).stream()
                .map(ServiceLoader.Provider::get)
                .filter(candidate -> candidate.id().equals("reference"))
                .findFirst()
                .orElseThrow();
        return switch (provider.probe()) {
            case Availability.Available(var devices) -> provider.open(devices.getFirst(), options);
            case Availability.Unavailable no -> throw new IllegalStateException(no.toString());
        };
    }

    /** Compiles a model of the repository on a reference of its own. */
    public static TestModel load(Path folder, GraphOptions options, RunLimits limits) {
        return load(folder, options, limits, reference(), true);
    }

    /** Compiles a model of the repository on a backend that stays the caller's. */
    public static TestModel load(Path folder, GraphOptions options, RunLimits limits, Backend backend) {
        return load(folder, options, limits, backend, false);
    }

    private static TestModel load(
            Path folder, GraphOptions options, RunLimits limits, Backend backend, boolean ownsBackend) {
        ModelConfig config = ModelConfig.read(folder);
        Checkpoint checkpoint = Checkpoint.open(folder);
        WeightCatalog weights = new WeightCatalog(checkpoint, config, rounding(config));
        return new TestModel(
                backend,
                ownsBackend,
                checkpoint,
                CompiledModel.compile(backend, config, weights, options, limits, BackendOptions.none()));
    }

    /** Goldens of fp8 weights come from the decoded weights alone; those of int8 round activations where the config says so (goldens/README.md). */
    public static ActivationRounding rounding(ModelConfig config) {
        return config.quantization() instanceof QuantizationConfig.Fp8Blocks
                ? ActivationRounding.NONE
                : ActivationRounding.AS_CONFIGURED;
    }

    /** Returns the compiled model. */
    public CompiledModel compiled() {
        return compiled;
    }

    @Override
    public void close() {
        compiled.close();
        if (ownsBackend) {
            backend.close();
        }
        checkpoint.close();
    }
}
