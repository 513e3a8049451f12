package dev.heng.cli;

import dev.heng.runtime.engine.Engine;
import dev.heng.runtime.engine.Prompt;
import dev.heng.runtime.engine.TextRequest;
import dev.heng.runtime.generate.Generation;
import dev.heng.runtime.registry.BackendRegistry;
import java.nio.file.Path;
import java.util.List;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** Continues one prompt. */
@Command(
        name = "generate",
        description =
                "Answer a prompt. The text alone goes to standard output, as it is made; statistics to standard error.",
        footer = {
            "",
            "Examples:",
            "  heng generate \"请写一首题为《秋夜》的诗。\"",
            "  printf '李白《静夜思》\\n' | heng generate --raw --temperature 0.8 --seed 7 -"
        })
final class GenerateCommand implements Runnable {

    private final Streams streams;

    @Mixin
    StandardOptions standard = new StandardOptions();

    @Mixin
    ModelOptions model = new ModelOptions();

    @Mixin
    DeviceOptions device = new DeviceOptions();

    @Mixin
    TextOptions text = new TextOptions();

    @Option(names = "--raw", description = "Continue the prompt as it is, without the model's chat template.")
    boolean raw;

    @Option(names = "--plan", description = "Show on standard error which backend executes which nodes.")
    boolean plan;

    @Parameters(paramLabel = "PROMPT", description = "The prompt; - reads it from standard input.")
    String prompt = "";

    GenerateCommand(Streams streams) {
        this.streams = streams;
    }

    @Override
    public void run() {
        String asked = PromptText.of(prompt, streams.in(), !raw);
        TextRequest request = text.request(
                raw
                        ? new Prompt.Raw(asked)
                        : new Prompt.Conversation(List.of(new Prompt.Turn(Prompt.Speaker.USER, asked))));
        Path folder = model.folder();
        BackendRegistry registry = device.plugins.registry();
        Statistics statistics = new Statistics(streams, text.quiet);
        try (Engine engine = open(registry, folder)) {
            statistics.loaded(engine.report());
            if (plan) {
                engine.plan().forEach(step -> streams.err().println(step));
            }
            Generation generation =
                    engine.generate(request, piece -> statistics.piece(() -> streams.write(piece)), () -> false);
            if (streams.outputIsTerminal()) {
                streams.write("\n");
            }
            statistics.finished(generation);
        }
    }

    private Engine open(BackendRegistry registry, Path folder) {
        try (ProgressLine progress = new ProgressLine(streams, text.quiet)) {
            return Engine.open(registry, device.engine(folder, text.context, !raw), progress::show);
        }
    }
}
