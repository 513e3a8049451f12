package dev.heng.backend.ascend.lowering;

import dev.heng.backend.ascend.device.TensorView;
import dev.heng.spi.graph.Node;
import dev.heng.spi.graph.Value;

/** A program's weights as units ask for them. */
public interface WeightViews {

    /** Returns a weight in the form that a node takes. */
    DeviceWeight of(Node node, Value weight);

    /** Returns the plain weights of two products as one: [2N, K], or [E, 2N, K], the second after the first. */
    TensorView together(Node first, Node second);

    /** Returns the two parts of {@code kvB} [heads * (nope + value), L] apart. */
    LatentWeights latent(Node attention);

    /**
     * The parts of {@code kvB}, dense.
     *
     * @param keys [heads, nope, L]
     * @param values [heads, value, L]
     */
    record LatentWeights(TensorView keys, TensorView values) {}
}
