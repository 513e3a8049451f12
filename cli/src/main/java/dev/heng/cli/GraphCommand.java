package dev.heng.cli;

import dev.heng.runtime.engine.Engine;
import dev.heng.spi.graph.Graph;
import dev.heng.spi.graph.GraphText;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** Prints a model's graph. */
@Command(
        name = "graph",
        description = "Print the graph that a model is built as: what backends are given. No device is needed.",
        footer = {"", "Picture: heng graph --format dot | dot -Tsvg > graph.svg"})
final class GraphCommand implements Runnable {

    /** Forms of print. */
    enum Format {
        /** One line for each value and node. */
        TEXT,
        /** Graphviz. */
        DOT
    }

    private final Streams streams;

    @Mixin
    StandardOptions standard = new StandardOptions();

    @Mixin
    ModelOptions model = new ModelOptions();

    @Option(
            names = "--format",
            paramLabel = "text|dot",
            defaultValue = "text",
            description = "The form: ${COMPLETION-CANDIDATES}. Default: ${DEFAULT-VALUE}.")
    Format format = Format.TEXT;

    @Option(
            names = "--activations",
            paramLabel = "TYPE",
            defaultValue = "f32",
            description = "The type of activations: ${COMPLETION-CANDIDATES}. Default: ${DEFAULT-VALUE}.")
    DeviceOptions.Activations activations = DeviceOptions.Activations.F32;

    GraphCommand(Streams streams) {
        this.streams = streams;
    }

    @Override
    public void run() {
        Graph graph = Engine.graph(model.folder(), activations.dtype());
        streams.write(
                switch (format) {
                    case TEXT -> GraphText.of(graph);
                    case DOT -> GraphText.dot(graph);
                });
    }
}
