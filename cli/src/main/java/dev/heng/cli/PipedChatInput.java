package dev.heng.cli;

import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStream;
import java.io.InputStreamReader;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import org.jspecify.annotations.Nullable;

/** Messages from a pipe or a file, one in each line. An interrupt ends the program, as it does any other in a pipe. */
final class PipedChatInput implements ChatInput {

    private final BufferedReader lines;

    PipedChatInput(InputStream in) {
        this.lines = new BufferedReader(new InputStreamReader(in, StandardCharsets.UTF_8));
    }

    @Override
    public @Nullable String next() {
        try {
            return lines.readLine();
        } catch (IOException e) {
            throw new UncheckedIOException("standard input cannot be read", e);
        }
    }

    @Override
    public boolean isInteractive() {
        return false;
    }

    @Override
    public Interruption interruption() {
        return new Interruption() {
            @Override
            public boolean requested() {
                return false;
            }

            @Override
            public void close() {
                // Nothing was changed.
            }
        };
    }

    @Override
    public void close() {
        // Standard input is not ours to close.
    }
}
