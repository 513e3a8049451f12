package dev.heng.runtime.family;

import dev.heng.runtime.HengException;
import dev.heng.runtime.checkpoint.ModelWeights;
import dev.heng.runtime.checkpoint.Share;
import dev.heng.spi.graph.ActivationFormat;
import dev.heng.spi.graph.GraphBuilder;
import dev.heng.spi.graph.GraphBuilder.Paging;
import dev.heng.spi.graph.Value;
import dev.heng.spi.tensor.DType;
import dev.heng.spi.tensor.Shape;
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

    /**
     * Returns this rank's part of W[experts, rows, columns].
     *
     * @param prefix the module that holds the experts by number
     * @param part the shape of the rank's part
     */
    Value experts(String prefix, String projection, Shape whole, Shape part) {
        TensorType type = weights.experts(
                prefix,
                projection,
                Math.toIntExact(whole.dim(0).size()),
                whole.dim(1).size(),
                whole.dim(2).size());
        return declare(prefix + "." + projection + ".weight", shaped(type, part));
    }

    /** Returns which part of the model this graph computes. */
    Share share() {
        return options.share();
    }

    /** Returns what this rank has of heads or an inner width: all of it unless tensors are split. */
    int split(int whole, String what) {
        return share().tensors() ? share().of(whole, what) : whole;
    }

    /** Returns this rank's rows of W[rows, columns]. */
    Value rowsOf(String module, int rows, long columns, String what) {
        TensorType whole = weights.linear(module, rows, columns);
        return declare(module + ".weight", shaped(whole, Shape.of(split(rows, what), columns)));
    }

    /** Adds the product of {@code x} with this rank's rows of a module's weight, and of its bias where it has one. */
    Value splitRows(String node, String module, Value x, int rows, boolean bias, String what) {
        Value weight = rowsOf(module, rows, width(x), what);
        if (!bias) {
            return builder.linear(node, x, weight, activation(module), options.activations());
        }
        TensorType whole = weights.vector(module + ".bias", rows);
        Value own = declare(module + ".bias", shaped(whole, Shape.of(split(rows, what))));
        return builder.linear(node, x, weight, own, activation(module), options.activations());
    }

    /**
     * Adds the product of {@code x}, this rank's columns of the activations, with the same columns of a module's weight: a part of the sum over ranks. One rank adds the bias.
     *
     * @param columns those of all ranks
     */
    Value splitColumns(String node, String module, Value x, int rows, int columns, boolean bias) {
        TensorType whole = weights.linear(module, rows, columns);
        requireWholeRowsUnrounded(module);
        Value weight = declare(module + ".weight", shaped(whole, Shape.of(rows, width(x))));
        if (!bias) {
            return builder.linear(node, x, weight, activation(module), options.activations());
        }
        TensorType offset = weights.vector(module + ".bias", rows);
        return share().tensors() && share().rank() > 0
                ? builder.linear(node, x, weight, activation(module), options.activations())
                : builder.linear(
                        node, x, weight, declare(module + ".bias", offset), activation(module), options.activations());
    }

    /** A part of a row has another largest number than the row, so that rounding by it would be another model. */
    void requireWholeRowsUnrounded(String module) {
        if (share().tensors() && activation(module) != ActivationFormat.FLOAT) {
            throw new HengException(
                    "the activations of '" + module + "' are rounded by whole rows (" + activation(module)
                            + "), of which a rank would have a part",
                    "split experts only");
        }
    }

    /** Adds the sum over all ranks, if there are several. */
    Value reduce(String node, Value part) {
        return share().isWhole() ? part : builder.allReduce(node, part, share().ranks());
    }

    private static TensorType shaped(TensorType type, Shape shape) {
        return new TensorType(type.dtype(), shape, type.quantization());
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
