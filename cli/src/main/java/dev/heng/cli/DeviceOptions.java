package dev.heng.cli;

import dev.heng.runtime.engine.EngineOptions;
import dev.heng.runtime.registry.BackendWish;
import dev.heng.spi.BackendOptions;
import dev.heng.spi.tensor.DType;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Map;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** Which device, and how the graph is built for it. */
final class DeviceOptions {

    /** Names that people write for activation types. */
    enum Activations {
        F64(DType.F64),
        F32(DType.F32),
        BF16(DType.BF16),
        F16(DType.F16);

        private final DType dtype;

        Activations(DType dtype) {
            this.dtype = dtype;
        }

        DType dtype() {
            return dtype;
        }
    }

    @Option(
            names = {"-b", "--backend"},
            paramLabel = "ID[:N]",
            defaultValue = "auto",
            description =
                    "The backend and the number of its device, or auto for the best one available (see 'heng backends')."
                            + " Default: ${DEFAULT-VALUE}.")
    String backend = "auto";

    @Option(
            names = "--fallback",
            paramLabel = "error|cpu",
            defaultValue = "error",
            description =
                    "What happens to nodes that the backend declines: ${COMPLETION-CANDIDATES}. Default: ${DEFAULT-VALUE}.")
    EngineOptions.Declined fallback = EngineOptions.Declined.ERROR;

    @Option(
            names = "--activations",
            paramLabel = "TYPE",
            defaultValue = "f32",
            description =
                    "The type of activations and caches: ${COMPLETION-CANDIDATES}; F64 is known to 'reference' alone."
                            + " Default: ${DEFAULT-VALUE}.")
    Activations activations = Activations.F32;

    @Option(
            names = "--backend-option",
            paramLabel = "NAME=VALUE",
            description = "A setting of the backend's own, for example threads=2. May be repeated.")
    Map<String, String> settings = new LinkedHashMap<>();

    @Mixin
    PluginOptions plugins = new PluginOptions();

    EngineOptions engine(Path model, @Nullable Integer contextTokens, boolean conversations) {
        return new EngineOptions(
                model,
                BackendWish.parse(backend),
                new BackendOptions(settings),
                fallback,
                activations.dtype(),
                contextTokens,
                conversations);
    }
}
