package dev.heng.runtime.template;

import java.util.Objects;

/**
 * Is one turn of a conversation.
 *
 * @param role who speaks: {@code system}, {@code user}, {@code assistant} or what else the model's template knows
 * @param content what is said, taken literally
 */
public record ChatMessage(String role, String content) {

    /** Checks the components. */
    public ChatMessage {
        Objects.requireNonNull(role, "role");
        Objects.requireNonNull(content, "content");
    }
}
