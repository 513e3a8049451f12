package dev.heng.runtime.tokenizer;

import java.util.Objects;

/**
 * Holds a stretch of a prompt and says who wrote it.
 *
 * @param text the text
 * @param source who wrote it
 */
public record PromptSegment(String text, Source source) {

    /** Says who wrote a stretch of a prompt. */
    public enum Source {
        /** The model's chat template: control tokens in it are control tokens. */
        TEMPLATE,
        /** A message, a tool description or another value given to the template: everything in it is plain text. */
        VALUE
    }

    /** Checks the components. */
    public PromptSegment {
        Objects.requireNonNull(text, "text");
        Objects.requireNonNull(source, "source");
    }
}
