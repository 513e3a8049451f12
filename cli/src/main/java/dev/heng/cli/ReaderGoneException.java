package dev.heng.cli;

/** The reader of standard output has closed it, as {@code head} does: the command stops without a word. */
final class ReaderGoneException extends RuntimeException {

    private static final long serialVersionUID = 1L;

    ReaderGoneException() {
        super("standard output is closed", null, false, false);
    }
}
