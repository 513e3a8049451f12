package dev.heng.cli;

import java.io.FileDescriptor;
import java.io.FileInputStream;
import java.io.FileOutputStream;
import java.io.InputStream;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;

/**
 * Where the command reads and writes. Text is UTF-8 whatever the locale says: a poem that is piped into a file must not depend on it.
 *
 * @param in standard input
 * @param out standard output: results and nothing else
 * @param err standard error: messages, statistics, progress
 * @param inputIsTerminal whether a person types
 * @param outputIsTerminal whether a person reads the results
 * @param errorIsTerminal whether a person reads the messages; progress is shown only then
 */
record Streams(
        InputStream in,
        PrintStream out,
        PrintStream err,
        boolean inputIsTerminal,
        boolean outputIsTerminal,
        boolean errorIsTerminal) {

    /**
     * Returns the process's own. Java can ask about a terminal on input and output together only, so the launcher says it for each as
     * {@code heng.terminal}, the numbers of the descriptors that are terminals.
     */
    static Streams ofProcess() {
        String terminals = System.getProperty("heng.terminal", "");
        return new Streams(
                new FileInputStream(FileDescriptor.in),
                new PrintStream(new FileOutputStream(FileDescriptor.out), false, StandardCharsets.UTF_8),
                new PrintStream(new FileOutputStream(FileDescriptor.err), true, StandardCharsets.UTF_8),
                terminals.contains("0"),
                terminals.contains("1"),
                terminals.contains("2"));
    }

    /**
     * Writes a piece of the result at once.
     *
     * @throws ReaderGoneException if whoever read the output has closed it
     */
    void write(String text) {
        out.print(text);
        flush();
    }

    /**
     * Sends on what was written.
     *
     * @throws ReaderGoneException if whoever read the output has closed it
     */
    void flush() {
        if (out.checkError()) {
            throw new ReaderGoneException();
        }
    }
}
