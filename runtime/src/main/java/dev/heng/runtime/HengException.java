package dev.heng.runtime;

import java.util.Objects;

/**
 * A mistake in what Heng was given: a checkpoint, a config, tokens, a flag, an environment, a library version. The message says what was wrong
 * and where; the remedy says what to do. The command prints both and no stack trace.
 */
public final class HengException extends RuntimeException {

    private static final long serialVersionUID = 1L;

    private final String remedy;

    /**
     * Makes an exception.
     *
     * @param message what was wrong and where, in one sentence without a final full stop
     * @param remedy what to do about it, in one clause
     */
    public HengException(String message, String remedy) {
        super(message);
        this.remedy = remedy;
    }

    /** Makes an exception with a cause, which only {@code --stacktrace} shows. */
    public HengException(String message, String remedy, Throwable cause) {
        super(message, cause);
        this.remedy = remedy;
    }

    /** Returns what was wrong and where. */
    @Override
    public String getMessage() {
        return Objects.requireNonNull(super.getMessage());
    }

    /** Returns what to do about it. */
    public String remedy() {
        return remedy;
    }
}
