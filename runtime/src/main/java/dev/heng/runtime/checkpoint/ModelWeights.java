package dev.heng.runtime.checkpoint;

import dev.heng.spi.WeightSource;
import dev.heng.spi.graph.ActivationFormat;
import dev.heng.spi.tensor.TensorType;

/**
 * Where the weights of a model come from: a checkpoint's {@link WeightCatalog}, or random numbers where only the speed is asked for. A family asks by module and shape
 * and gets the type for its graph; a backend asks {@link #source} by the graph's value and gets the bytes. Values are called as {@link WeightCatalog} says.
 *
 * <p>Asking twice for one weight is the same as asking once. Threading: one thread asks; the source may be used by several afterwards.
 */
public interface ModelWeights {

    /**
     * Returns the type of W[rows, columns] of a linear module or an embedding.
     *
     * @param module the module's name, for example "model.layers.0.self_attn.o_proj"
     * @throws dev.heng.runtime.HengException if there is none of this shape
     */
    TensorType linear(String module, long rows, long columns);

    /**
     * Returns the type of the stacked W[experts, rows, columns] of all routed experts of a layer.
     *
     * @param prefix for example "model.layers.3.mlp.experts"
     * @param projection "gate_proj", "up_proj" or "down_proj"
     * @throws dev.heng.runtime.HengException if there are none of this shape
     */
    TensorType experts(String prefix, String projection, int experts, long rows, long columns);

    /**
     * Returns the type of a plain vector: a norm, a bias.
     *
     * @param name the tensor's whole name
     * @throws dev.heng.runtime.HengException if there is none of this length
     */
    TensorType vector(String name, long length);

    /**
     * Returns how the products with a weight that was asked for round their activations.
     *
     * @param module as given to {@link #linear}, or {@code PREFIX.PROJECTION} of {@link #experts}
     * @throws IllegalArgumentException if it was not asked for
     */
    ActivationFormat activation(String module);

    /** Returns the bytes behind the weights that were asked for. */
    WeightSource source();

    /**
     * Checks that nothing was left unasked for, which would mean a model of another architecture.
     *
     * @throws dev.heng.runtime.HengException naming what was left
     */
    void requireAllUsed();
}
