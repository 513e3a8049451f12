package dev.heng.spi.graph;

import dev.heng.spi.tensor.TensorType;

/**
 * A typed edge of a graph: written once, by the caller or by one node.
 *
 * @param id the position among the graph's values, from 0
 * @param name unique within the graph, stable across builds of one model; reports and bindings use it
 * @param role who provides the bytes
 * @param type element type, shape and quantisation
 * @since 1.0
 */
public record Value(int id, String name, Role role, TensorType type) {

    /** Who provides a value's bytes. */
    public enum Role {
        /** Bound anew for every run, row-major and dense. */
        INPUT,
        /** Handed over once, at compile, as stored in the checkpoint. */
        WEIGHT,
        /** Lives across runs in a buffer whose layout is the backend's own. */
        STATE,
        /** The result of a node. */
        RESULT
    }

    @Override
    public String toString() {
        return "%" + name + ": " + type;
    }
}
