package dev.heng.runtime.engine;

import dev.heng.runtime.HengException;
import dev.heng.runtime.registry.BackendWish;
import dev.heng.spi.BackendOptions;
import dev.heng.spi.tensor.DType;
import java.nio.file.Path;
import org.jspecify.annotations.Nullable;

/**
 * What to open, and where.
 *
 * @param model the model's folder
 * @param backend which device
 * @param settings the backend's own settings
 * @param declined what happens to nodes that the device declines
 * @param activations the type of every activation
 * @param contextTokens the longest text, prompt and answer together, in tokens; null for the model's own limit, at most {@link #DEFAULT_CONTEXT}
 * @param conversations whether prompts are going to be conversations: then the model must have a chat template
 */
public record EngineOptions(
        Path model,
        BackendWish backend,
        BackendOptions settings,
        Declined declined,
        DType activations,
        @Nullable Integer contextTokens,
        boolean conversations) {

    /** The context where nobody asks for one: caches take memory for all of it from the start. */
    public static final int DEFAULT_CONTEXT = 4096;

    public EngineOptions {
        if (contextTokens != null && contextTokens < 1) {
            throw new HengException(
                    "a context of " + contextTokens + " tokens holds no text", "ask for at least 1, or leave it out");
        }
        if (!activations.isActivation()) {
            throw new IllegalArgumentException(activations + " is not an activation type");
        }
    }

    /** What happens to nodes that a device declines. */
    public enum Declined {
        /** Opening fails and names the first. */
        ERROR,
        /** They run on the best CPU backend, and the plan says so. */
        CPU
    }
}
