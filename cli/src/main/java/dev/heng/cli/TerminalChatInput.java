package dev.heng.cli;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.util.concurrent.atomic.AtomicBoolean;
import org.jline.reader.EndOfFileException;
import org.jline.reader.LineReader;
import org.jline.reader.LineReaderBuilder;
import org.jline.reader.UserInterruptException;
import org.jline.terminal.Terminal;
import org.jline.terminal.TerminalBuilder;
import org.jspecify.annotations.Nullable;

/** Messages typed at a terminal: lines can be edited and called back, and Ctrl-C is an event. */
final class TerminalChatInput implements ChatInput {

    private final Terminal terminal;
    private final LineReader reader;

    TerminalChatInput() {
        try {
            terminal = TerminalBuilder.builder()
                    .system(true)
                    .encoding(StandardCharsets.UTF_8)
                    .build();
        } catch (IOException e) {
            throw new UncheckedIOException("the terminal cannot be used", e);
        }
        reader = LineReaderBuilder.builder()
                .terminal(terminal)
                .appName("heng")
                // "!" begins a sentence here and no reference to an earlier line.
                .option(LineReader.Option.DISABLE_EVENT_EXPANSION, true)
                .build();
    }

    @Override
    public @Nullable String next() {
        while (true) {
            try {
                return reader.readLine("> ");
            } catch (UserInterruptException droppedLine) {
                terminal.writer().println("(/exit or Ctrl-D leaves)");
                terminal.flush();
            } catch (EndOfFileException end) {
                return null;
            }
        }
    }

    @Override
    public boolean isInteractive() {
        return true;
    }

    @Override
    public Interruption interruption() {
        AtomicBoolean requested = new AtomicBoolean();
        Terminal.SignalHandler before = terminal.handle(Terminal.Signal.INT, _ -> requested.set(true));
        return new Interruption() {
            @Override
            public boolean requested() {
                return requested.get();
            }

            @Override
            public void close() {
                terminal.handle(Terminal.Signal.INT, before);
            }
        };
    }

    @Override
    public void close() {
        try {
            terminal.close();
        } catch (IOException e) {
            throw new UncheckedIOException("the terminal cannot be restored", e);
        }
    }
}
