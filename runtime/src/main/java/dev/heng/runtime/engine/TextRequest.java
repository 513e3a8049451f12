package dev.heng.runtime.engine;

import dev.heng.runtime.generate.Sampling;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * A prompt, and how it is to be continued.
 *
 * @param prompt what the model continues
 * @param sampling how tokens are chosen
 * @param stopStrings strings before which the text ends; copied
 * @param maxTokens the most tokens to generate, or null for as many as the context holds
 */
public record TextRequest(
        Prompt prompt,
        Sampling sampling,
        List<String> stopStrings,
        @Nullable Integer maxTokens) {

    public TextRequest {
        stopStrings = List.copyOf(stopStrings);
    }

    /** Returns the same request for another prompt. */
    public TextRequest withPrompt(Prompt other) {
        return new TextRequest(other, sampling, stopStrings, maxTokens);
    }
}
