package dev.heng.runtime.generate;

import dev.heng.runtime.HengException;
import java.util.List;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/**
 * What to continue, and until when.
 *
 * @param prompt the tokens of the whole text so far, at least one
 * @param sampling how tokens are chosen
 * @param endTokens tokens that end the text and are no part of it
 * @param stopStrings strings before which the text ends
 * @param maxTokens the most tokens to generate, or null for as many as the context holds
 */
public record GenerationRequest(
        List<Integer> prompt,
        Sampling sampling,
        Set<Integer> endTokens,
        List<String> stopStrings,
        @Nullable Integer maxTokens) {

    public GenerationRequest {
        prompt = List.copyOf(prompt);
        endTokens = Set.copyOf(endTokens);
        stopStrings = List.copyOf(stopStrings);
        if (prompt.isEmpty()) {
            throw new HengException("the prompt has no tokens", "give at least one character of text");
        }
        if (maxTokens != null && maxTokens < 0) {
            throw new HengException("the most tokens to generate are " + maxTokens, "use a number of at least 0");
        }
    }

    /** Returns the prompt as an array. */
    int[] promptIds() {
        return prompt.stream().mapToInt(Integer::intValue).toArray();
    }
}
