package dev.heng.cli;

import dev.heng.runtime.HengException;
import dev.heng.runtime.engine.Engine;
import dev.heng.runtime.registry.BackendRegistry;
import java.nio.file.Files;
import java.nio.file.Path;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** Writes logits and hidden states. */
@Command(
        name = "logits",
        description = "Compute the logits and hidden states of given tokens and write them to a safetensors file.",
        footer = {
            "",
            "The file holds tokens I32 [T], logits F32 [T, V] and hidden_states.N F32 [T, H]: N = 0 for the embedding up to"
                    + " the number of layers, the last one after the final norm."
        })
final class LogitsCommand implements Runnable {

    private final Streams streams;

    @Mixin
    StandardOptions standard = new StandardOptions();

    @Mixin
    ModelOptions model = new ModelOptions();

    @Mixin
    DeviceOptions device = new DeviceOptions();

    @Option(
            names = "--tokens",
            paramLabel = "IDS.json",
            required = true,
            description = "A JSON array of token ids: one text.")
    Path tokens = Path.of("");

    @Option(
            names = {"-o", "--out"},
            paramLabel = "OUT.safetensors",
            required = true,
            description = "The file to write; it is replaced only when it is whole.")
    Path out = Path.of("");

    LogitsCommand(Streams streams) {
        this.streams = streams;
    }

    @Override
    public void run() {
        int[] ids = TokenIds.read(tokens);
        Path parent = out.toAbsolutePath().getParent();
        if (Files.isDirectory(out) || parent == null || !Files.isDirectory(parent)) {
            throw new HengException(
                    out + (Files.isDirectory(out) ? " is a folder" : " is in a folder that does not exist"),
                    "name a file in a folder that exists");
        }
        BackendRegistry registry = device.plugins.registry();
        Path folder = model.folder();
        String report;
        try (ProgressLine progress = new ProgressLine(streams, false)) {
            report = Engine.writeLogits(registry, device.engine(folder, null, false), ids, out, progress::show);
        }
        streams.err().println(report);
        streams.err().println(ids.length + " tokens written to " + out);
    }
}
