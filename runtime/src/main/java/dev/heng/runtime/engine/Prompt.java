package dev.heng.runtime.engine;

import dev.heng.runtime.HengException;
import java.util.List;

/** What the model continues. */
public sealed interface Prompt {

    /**
     * Text as the model sees it, in which control tokens mean themselves, after the token that begins every text.
     *
     * @param text at least one character
     */
    record Raw(String text) implements Prompt {
        public Raw {
            requireText(text);
        }
    }

    /**
     * A conversation that the model's chat template turns into text. What its messages say is never read as control tokens.
     *
     * @param turns in order, the last one the user's; copied
     */
    record Conversation(List<Turn> turns) implements Prompt {
        public Conversation {
            turns = List.copyOf(turns);
            if (turns.isEmpty()) {
                throw new HengException("the conversation is empty", "say something");
            }
            requireText(turns.getLast().text());
        }
    }

    /**
     * One message of a conversation.
     *
     * @param speaker who says it
     * @param text what
     */
    record Turn(Speaker speaker, String text) {}

    /** Who says something. */
    enum Speaker {
        /** Whoever set the assistant up. */
        SYSTEM("system"),
        /** The user. */
        USER("user"),
        /** The model. */
        ASSISTANT("assistant");

        private final String role;

        Speaker(String role) {
            this.role = role;
        }

        /** Returns the name that chat templates use. */
        public String role() {
            return role;
        }
    }

    private static void requireText(String text) {
        if (text.isEmpty()) {
            throw new HengException("the prompt is empty", "give at least one character of text");
        }
    }
}
