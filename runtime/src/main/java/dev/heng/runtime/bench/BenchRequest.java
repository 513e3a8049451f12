package dev.heng.runtime.bench;

import dev.heng.runtime.HengException;
import dev.heng.runtime.config.ModelConfig;
import dev.heng.runtime.generate.RunLimits;
import dev.heng.runtime.registry.BackendWish;
import dev.heng.spi.BackendOptions;
import dev.heng.spi.tensor.DType;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;

/**
 * What to measure.
 *
 * @param shape how the user called the model's shape
 * @param config the shape itself, with all its layers
 * @param layers how many of its layers, from the first
 * @param formats how weights are stored
 * @param activations the type of activations and caches
 * @param work what is measured in each round
 * @param rounds how often, and from which random numbers
 * @param targets where, at least one; two are measured in turns, so that a machine that drifts drifts for both
 */
public record BenchRequest(
        String shape,
        ModelConfig config,
        int layers,
        WeightFormats formats,
        DType activations,
        Work work,
        Rounds rounds,
        List<Target> targets) {

    /** The most sequences of a batch, rows of a prompt and rounds that are believed to be meant. */
    private static final int MOST = 1 << 20;

    public BenchRequest {
        targets = List.copyOf(targets);
        if (layers < 1 || layers > config.layers()) {
            throw new HengException(
                    "--layers is " + layers + ", and shape '" + shape + "' has 1 to " + config.layers(),
                    "leave it out for all layers");
        }
        if (config.tiedEmbeddings() && formats.head() != plainOf(formats.body())) {
            throw new HengException(
                    "shape '" + shape + "' uses its embedding table as head, which is stored as "
                            + plainOf(formats.body()).label() + " and not as "
                            + formats.head().label(),
                    "leave --head-weights out for this shape");
        }
        if (targets.isEmpty()) {
            throw new IllegalArgumentException("nowhere to measure");
        }
        int longest = work.longestContext();
        if (longest > config.maxPositions()) {
            throw new HengException(
                    "sequences of " + longest
                            + " tokens (context, the token fed and the generated ones, or a prompt and"
                            + " one more) are longer than the " + config.maxPositions() + " of shape '" + shape + "'",
                    "use a smaller --context, --prompt or --tokens");
        }
    }

    private static WeightFormat plainOf(WeightFormat body) {
        return WeightFormats.of(body).head();
    }

    /** Returns the config of the layers that are measured. */
    public ModelConfig measuredConfig() {
        return config.withLayers(layers);
    }

    /** Returns what programs have to be compiled for. */
    RunLimits limits() {
        int batch = work.batches().isEmpty() ? 1 : Collections.max(work.batches());
        int prompt = work.prompts().isEmpty() ? 1 : Collections.max(work.prompts());
        int chunk = Math.max(batch, Math.min(work.chunk(), prompt));
        return new RunLimits(work.longestContext(), chunk, batch, batch);
    }

    /**
     * A device.
     *
     * @param backend which
     * @param settings the backend's own settings
     */
    public record Target(BackendWish backend, BackendOptions settings) {}

    /**
     * What is measured in each round.
     *
     * @param prompts lengths of the prompts that are read, in tokens; may be empty; copied
     * @param chunk the most rows of a prompt that are computed at once
     * @param contexts positions before decoding; empty together with {@code batches} for no decoding; copied
     * @param batches sequences that are decoded together; copied
     * @param tokens tokens that are decoded for each sequence
     * @param sync when the host waits while decoding
     */
    public record Work(
            List<Integer> prompts, int chunk, List<Integer> contexts, List<Integer> batches, int tokens, Sync sync) {

        public Work {
            prompts = List.copyOf(prompts);
            contexts = List.copyOf(contexts);
            batches = List.copyOf(batches);
            prompts.forEach(prompt -> require("--prompt", prompt, 1));
            contexts.forEach(context -> require("--context", context, 0));
            batches.forEach(batch -> require("--batch", batch, 1));
            require("--chunk", chunk, 1);
            require("--tokens", tokens, 1);
            if (prompts.isEmpty() && (contexts.isEmpty() || batches.isEmpty())) {
                throw new HengException(
                        "neither prompts nor contexts are left to measure",
                        "give --prompt, or both --context and --batch, something other than none");
            }
        }

        List<Measurement> measurements() {
            List<Measurement> all = new ArrayList<>();
            prompts.forEach(prompt -> all.add(new Measurement.Prefill(prompt)));
            for (int context : contexts) {
                for (int batch : batches) {
                    all.add(new Measurement.Decode(batch, context, tokens));
                }
            }
            return all;
        }

        /** The longest sequence: the prompt and the token after it, or the context, the first token and those that are timed. */
        int longestContext() {
            int longest = 0;
            for (Measurement measurement : measurements()) {
                longest = Math.max(
                        longest,
                        switch (measurement) {
                            case Measurement.Prefill prefill -> prefill.tokens();
                            case Measurement.Decode decode -> decode.context() + 1 + decode.tokens();
                        });
            }
            return longest;
        }
    }

    /** When the host waits for the device while decoding. */
    public enum Sync {
        /** After each token, which is what generating text does. */
        TOKEN,
        /** After the last one: what the device does when nobody waits. */
        END
    }

    /**
     * How often.
     *
     * @param warmup rounds that are not counted
     * @param repeat rounds that are
     * @param seed what all random numbers depend on
     * @param ceilings whether what devices can do at most is measured in each round
     */
    public record Rounds(int warmup, int repeat, long seed, boolean ceilings) {
        public Rounds {
            require("--warmup", warmup, 0);
            require("--repeat", repeat, 1);
        }
    }

    private static void require(String option, int value, int least) {
        if (value < least || value > MOST) {
            throw new HengException(
                    option + " is " + value + ", which is not a number from " + least + " to " + MOST,
                    "see 'heng help bench'");
        }
    }
}
