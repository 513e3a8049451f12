package dev.heng.cli;

/** One line on standard error that says what is going on and disappears; nothing where nobody looks. */
final class ProgressLine implements AutoCloseable {

    private final Streams streams;
    private final boolean shown;

    ProgressLine(Streams streams, boolean quiet) {
        this.streams = streams;
        this.shown = streams.errorIsTerminal() && !quiet;
    }

    /** Replaces the line. */
    void show(String text) {
        if (shown) {
            // Carriage return, text, erase to the end of the line (ECMA-48 EL).
            streams.err().print("\r" + text + " ...\033[K");
            streams.err().flush();
        }
    }

    /** Erases the line. */
    @Override
    public void close() {
        if (shown) {
            streams.err().print("\r\033[K");
            streams.err().flush();
        }
    }
}
