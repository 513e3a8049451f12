package dev.heng.cli;

import dev.heng.runtime.HengException;
import dev.heng.runtime.engine.Engine;
import dev.heng.runtime.engine.Prompt;
import dev.heng.runtime.engine.TextRequest;
import dev.heng.runtime.generate.Generation;
import dev.heng.runtime.registry.BackendRegistry;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** Talks with a model. */
@Command(
        name = "chat",
        description =
                "Talk with a model, one line for each message; with standard input from a pipe, one answer for each line.",
        footer = {"", ChatCommand.HELP})
final class ChatCommand implements Runnable {

    static final String HELP = "/reset forgets the conversation, /exit (or Ctrl-D) leaves, /help shows this."
            + " Ctrl-C stops an answer and not the program.";

    private final Streams streams;
    private final List<Prompt.Turn> history = new ArrayList<>();

    @Mixin
    StandardOptions standard = new StandardOptions();

    @Mixin
    ModelOptions model = new ModelOptions();

    @Mixin
    DeviceOptions device = new DeviceOptions();

    @Mixin
    TextOptions text = new TextOptions();

    @Option(names = "--system", paramLabel = "TEXT", description = "What the model is told before the conversation.")
    @Nullable
    String system;

    ChatCommand(Streams streams) {
        this.streams = streams;
    }

    @Override
    public void run() {
        // Only to have flags checked before a long loading; each message gets its own prompt.
        TextRequest settings = text.request(new Prompt.Raw("-"));
        Path folder = model.folder();
        BackendRegistry registry = device.plugins.registry();
        reset();
        boolean interactive = streams.inputIsTerminal() && streams.outputIsTerminal();
        try (Engine engine = open(registry, folder)) {
            Statistics statistics = new Statistics(streams, text.quiet);
            statistics.loaded(engine.report());
            statistics.tellChoice();
            if (interactive) {
                streams.err().println(HELP);
            }
            try (ChatInput input = interactive ? new TerminalChatInput() : new PipedChatInput(streams.in())) {
                converse(engine, settings, input);
            }
        }
    }

    private Engine open(BackendRegistry registry, Path folder) {
        try (ProgressLine progress = new ProgressLine(streams, text.quiet)) {
            return Engine.open(registry, device.engine(folder, text.context, true), progress::show);
        }
    }

    private void converse(Engine engine, TextRequest settings, ChatInput input) {
        for (String line = input.next(); line != null; line = input.next()) {
            switch (line.strip()) {
                case "" -> {}
                case "/exit", "/quit" -> {
                    return;
                }
                case "/reset" -> {
                    reset();
                    streams.err().println("The conversation is forgotten.");
                }
                case "/help" -> streams.err().println(HELP);
                default -> answer(engine, settings, input, line);
            }
        }
    }

    private void reset() {
        history.clear();
        if (system != null) {
            history.add(new Prompt.Turn(Prompt.Speaker.SYSTEM, system));
        }
    }

    private void answer(Engine engine, TextRequest settings, ChatInput input, String line) {
        List<Prompt.Turn> turns = new ArrayList<>(history);
        turns.add(new Prompt.Turn(Prompt.Speaker.USER, line));
        StringBuilder said = new StringBuilder();
        Statistics statistics = new Statistics(streams, text.quiet);
        Generation generation;
        try (ChatInput.Interruption interruption = input.interruption()) {
            generation = engine.generate(
                    settings.withPrompt(new Prompt.Conversation(turns)),
                    piece -> {
                        said.append(piece);
                        streams.write(piece);
                    },
                    interruption::requested);
        } catch (HengException tooLong) {
            // The conversation is as it was: the user may shorten the message, or begin anew.
            if (!input.isInteractive()) {
                throw tooLong;
            }
            ErrorReport.print(streams.err(), tooLong, standard.stacktrace);
            return;
        }
        streams.write("\n");
        statistics.finished(generation);
        turns.add(new Prompt.Turn(Prompt.Speaker.ASSISTANT, said.toString()));
        history.clear();
        history.addAll(turns);
    }
}
