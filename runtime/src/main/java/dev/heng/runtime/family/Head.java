package dev.heng.runtime.family;

import dev.heng.runtime.config.ModelConfig;
import dev.heng.spi.graph.GraphBuilder;
import dev.heng.spi.graph.Value;
import dev.heng.spi.tensor.DType;
import dev.heng.spi.tensor.Dim;
import dev.heng.spi.tensor.TensorType;

/** The end of a model: final norm, logits of the rows that are asked for, and the choice of a token. */
final class Head {

    private final Scope scope;
    private final ModelConfig config;
    private final GraphOptions options;

    Head(Scope scope, ModelConfig config, GraphOptions options) {
        this.scope = scope;
        this.config = config;
        this.options = options;
    }

    /** Adds the head over the residual [tokens, hidden] after the last layer. */
    void add(Value residual) {
        GraphBuilder builder = scope.builder();
        Value rows = builder.input(Names.OUTPUT_ROWS, TensorType.of(DType.I32, Dim.of(Dim.OUTPUTS)));
        Value logits = logits(normalisedRows(residual, rows));
        if (options.logits()) {
            builder.output(Names.LOGITS, logits);
        }
        if (options.sampling()) {
            builder.output(Names.NEXT_TOKEN, sample(logits));
        }
    }

    /** Adds the norm of the wanted rows; of all rows only where the last hidden state is an output. */
    private Value normalisedRows(Value residual, Value rows) {
        GraphBuilder builder = scope.builder();
        if (!options.hiddenStates()) {
            return norm(builder.selectRows("head_rows", residual, rows));
        }
        Value normalised = norm(residual);
        builder.output(Names.hiddenStates(config.layers()), normalised);
        return builder.selectRows("head_rows", normalised, rows);
    }

    private Value norm(Value x) {
        return scope.norm("norm", "model.norm", x, config.hiddenSize(), config.normEpsilon());
    }

    private Value logits(Value x) {
        String module = config.tiedEmbeddings() ? "model.embed_tokens" : "lm_head";
        Value weight = scope.matrix(module, config.vocabularySize(), config.hiddenSize());
        return scope.builder().linear("lm_head", x, weight, scope.activation(module), options.activations());
    }

    private Value sample(Value logits) {
        return scope.builder()
                .sample(
                        "sample",
                        logits,
                        perOutput(Names.TEMPERATURE, DType.F32),
                        perOutput(Names.TOP_K, DType.I32),
                        perOutput(Names.TOP_P, DType.F32),
                        perOutput(Names.SEED, DType.I64),
                        perOutput(Names.COUNTER, DType.I32));
    }

    private Value perOutput(String name, DType dtype) {
        return scope.builder().input(name, TensorType.of(dtype, Dim.of(Dim.OUTPUTS)));
    }
}
