package dev.heng.cli;

import dev.heng.runtime.HengException;
import dev.heng.runtime.engine.Prompt;
import dev.heng.runtime.engine.TextRequest;
import dev.heng.runtime.generate.Sampling;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Option;

/** How a text is continued. */
final class TextOptions {

    @Option(
            names = {"-t", "--temperature"},
            paramLabel = "T",
            defaultValue = "0",
            description =
                    "What logits are divided by before a token is drawn; 0 takes the likeliest. Default: ${DEFAULT-VALUE}.")
    float temperature = 0;

    @Option(
            names = "--top-p",
            paramLabel = "P",
            defaultValue = "1",
            description =
                    "Draw among the likeliest tokens that have this probability together, 0 < P <= 1. Default: ${DEFAULT-VALUE}.")
    float topP = 1;

    @Option(
            names = "--top-k",
            paramLabel = "K",
            defaultValue = "0",
            description = "Draw among the K likeliest tokens; 0 for all. Default: ${DEFAULT-VALUE}.")
    int topK = 0;

    @Option(
            names = {"-s", "--seed"},
            paramLabel = "S",
            defaultValue = "0",
            description = "What chance depends on: the same seed gives the same text. Default: ${DEFAULT-VALUE}.")
    long seed = 0;

    @Option(
            names = {"-n", "--max-tokens"},
            paramLabel = "N",
            description = "The most tokens to generate. Default: until the text ends or the context is full.")
    @Nullable
    Integer maxTokens;

    @Option(names = "--stop", paramLabel = "STR", description = "End before this string. May be repeated.")
    List<String> stop = new ArrayList<>();

    @Option(
            names = {"-c", "--context"},
            paramLabel = "N",
            description =
                    "The longest text, prompt and answer together, in tokens. Default: the model's limit, at most 4096.")
    @Nullable
    Integer context;

    @Option(
            names = {"-q", "--quiet"},
            description = "Print no statistics and no progress.")
    boolean quiet;

    /** Returns the request, its values checked before anything is loaded. */
    TextRequest request(Prompt prompt) {
        if (maxTokens != null && maxTokens < 1) {
            throw new HengException("--max-tokens is " + maxTokens, "use at least 1, or leave it out");
        }
        if (context != null && context < 1) {
            throw new HengException("--context is " + context, "use at least 1, or leave it out");
        }
        for (String string : stop) {
            if (string.isEmpty()) {
                throw new HengException("--stop is an empty string", "give at least one character, or leave it out");
            }
        }
        return new TextRequest(prompt, new Sampling(temperature, topK, topP, seed), stop, maxTokens);
    }
}
