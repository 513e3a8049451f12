package dev.heng.runtime.generate;

import dev.heng.runtime.HengException;
import dev.heng.runtime.checkpoint.SafetensorsWriter;
import dev.heng.runtime.checkpoint.SafetensorsWriter.Declaration;
import dev.heng.runtime.family.Names;
import dev.heng.spi.graph.Graph;
import dev.heng.spi.graph.Value;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;

/**
 * Writes the logits and hidden states of given tokens to a safetensors file, chunk by chunk, so that the length of the text costs no memory.
 *
 * <p>The file holds {@code tokens} I32 [T] and, as F32 whatever the activations were, {@code logits} [T, V] and {@code hidden_states.N} [T, H].
 */
public final class LogitsRun {

    private static final String TOKENS = "tokens";

    private final CompiledModel model;

    /**
     * Makes a run.
     *
     * @param model compiled with {@link dev.heng.runtime.family.GraphOptions#logits} and as many outputs as rows; with hidden states if they are wanted
     */
    public LogitsRun(CompiledModel model) {
        RunLimits limits = model.limits();
        if (!model.program().graph().outputs().containsKey(Names.LOGITS) || limits.outputs() < limits.chunkTokens()) {
            throw new IllegalArgumentException("a logits run needs a graph with logits, and an output for each row");
        }
        this.model = model;
    }

    /**
     * Computes {@code tokens} as one sequence and writes {@code file}, which is replaced only when it is whole.
     *
     * @throws HengException if there is no token, one is not of the vocabulary, they are longer than the context, or the file cannot be written
     */
    public void write(int[] tokens, Path file) {
        if (tokens.length == 0) {
            throw new HengException("there are no tokens to compute", "give at least one token id");
        }
        if (tokens.length > model.limits().contextTokens()) {
            throw new HengException(
                    tokens.length + " tokens are longer than the context of "
                            + model.limits().contextTokens(),
                    "give fewer, or load the model for a longer context");
        }
        try (Session session = model.open()) {
            session.requireTokens(tokens);
            try (SafetensorsWriter writer = SafetensorsWriter.create(file, declarations(tokens.length), metadata())) {
                writer.append(TOKENS, tokens);
                int chunk = model.limits().chunkTokens();
                for (int start = 0; start < tokens.length; start += chunk) {
                    int[] piece = Arrays.copyOfRange(tokens, start, Math.min(tokens.length, start + chunk));
                    session.run(List.of(new Feed(0, piece, Feed.Wanted.ALL)));
                    for (String output : floatOutputs()) {
                        writer.append(output, session.floats(output));
                    }
                }
                writer.finish();
            }
        }
    }

    private List<String> floatOutputs() {
        return model.program().graph().outputs().keySet().stream()
                .filter(output -> output.equals(Names.LOGITS) || Names.isHiddenStates(output))
                .toList();
    }

    private List<Declaration> declarations(int length) {
        Map<String, Value> outputs = model.program().graph().outputs();
        List<Declaration> declarations = new ArrayList<>();
        declarations.add(Declaration.i32(TOKENS, length));
        for (String output : floatOutputs()) {
            Value value = outputs.get(output);
            if (value != null) {
                declarations.add(Declaration.f32(
                        output, length, value.type().shape().dim(-1).size()));
            }
        }
        return declarations;
    }

    private Map<String, String> metadata() {
        Graph graph = model.program().graph();
        Value logits = graph.value("lm_head");
        return Map.of(
                "model", graph.name(),
                "device", model.backend().device().address(),
                "simulated", Boolean.toString(model.backend().device().simulated()),
                "activations", logits.type().dtype().name());
    }
}
