package dev.heng.cli;

import org.jspecify.annotations.Nullable;

/** Where the user's messages come from. */
interface ChatInput extends AutoCloseable {

    /** Returns the next line without its end, or null at the end of the input. */
    @Nullable
    String next();

    /** Returns whether a person types. */
    boolean isInteractive();

    /** Begins an answer, during which an interrupt of the user's stops the answer and nothing else. */
    Interruption interruption();

    @Override
    void close();

    /** The time of one answer. */
    interface Interruption extends AutoCloseable {

        /** Returns whether the user wants no more of this answer. */
        boolean requested();

        @Override
        void close();
    }
}
