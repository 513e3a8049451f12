package dev.heng.runtime.family;

import dev.heng.runtime.checkpoint.ModelWeights;
import dev.heng.spi.graph.ActivationFormat;
import dev.heng.spi.graph.GraphBuilder;
import dev.heng.spi.graph.GraphBuilder.Paging;
import dev.heng.spi.graph.Value;
import dev.heng.spi.tensor.DType;
import dev.heng.spi.tensor.TensorType;
import java.util.HashMap;
import java.util.Map;

/**
 * What the blocks of one graph share: the builder, the catalogue, the activation type and the inputs that place rows in the caches.
 *
 * <p>Nodes are named like the checkpoint's modules without {@code model.}, so that a report leads to the weight.
 */
final class Scope {

    private final GraphBuilder builder;
    private final ModelWeights weights;
    private final GraphOptions options;
    private final Paging paging;
    private final Map<String, Value> declared = new HashMap<>();

    Scope(GraphBuilder builder, ModelWeights weights, GraphOptions options, Paging paging) {
        this.builder = builder;
        this.weights = weights;
        this.options = options;
        this.paging = paging;
    }

    GraphBuilder builder() {
        return builder;
    }

    Paging paging() {
        return paging;
    }

    DType activations() {
        return options.activations();
    }

    /** Returns the type of router logits: F32 whatever the activations are, so that choices do not hang on their rounding. */
    DType routerType() {
        return options.activations() == DType.F64 ? DType.F64 : DType.F32;
    }

    /** Declares a cache of this graph's page size and activation type. */
    Value cache(String name, int width) {
        return builder.cache(name, options.activations(), options.pageSize(), width);
    }

    /** Returns W[rows, columns] of a module; the same value for the same module. */
    Value matrix(String module, long rows, long columns) {
        return declare(module + ".weight", weights.linear(module, rows, columns));
    }

    /** Returns W[experts, rows, columns]; {@code prefix} is the module that holds the experts by number. */
    Value experts(String prefix, String projection, int experts, long rows, long columns) {
        return declare(
                prefix + "." + projection + ".weight", weights.experts(prefix, projection, experts, rows, columns));
    }

    /** Returns a plain vector by the tensor's whole name. */
    Value vector(String name, long length) {
        return declare(name, weights.vector(name, length));
    }

    /** Returns how products with {@code module} round their activations. */
    ActivationFormat activation(String module) {
        return weights.activation(module);
    }

    /** Adds the product of {@code x} with a module's weight, and its bias where it has one. */
    Value linear(String node, String module, Value x, int rows, boolean bias) {
        Value weight = matrix(module, rows, width(x));
        return bias
                ? builder.linear(
                        node, x, weight, vector(module + ".bias", rows), activation(module), options.activations())
                : builder.linear(node, x, weight, activation(module), options.activations());
    }

    /** Adds the RMS norm of each run of {@code length} elements by the weight of {@code module}. */
    Value norm(String node, String module, Value x, long length, double epsilon) {
        return builder.rmsNorm(node, x, vector(module + ".weight", length), epsilon);
    }

    /** Returns the elements of one row. */
    static long width(Value x) {
        return x.type().shape().dim(-1).size();
    }

    private Value declare(String name, TensorType type) {
        Value known = declared.get(name);
        if (known == null) {
            known = builder.weight(name, type);
            declared.put(name, known);
        }
        return known;
    }
}
