package dev.heng.runtime.family;

import dev.heng.spi.graph.Value;

/** Half of a decoder layer, between the norm before it and the residual sum after it. */
@FunctionalInterface
interface LayerBlock {

    /**
     * Adds this block's nodes to the graph.
     *
     * @param layer the layer, from 0
     * @param x [tokens, hidden], normalised
     * @return [tokens, hidden], to be added to the residual
     */
    Value add(int layer, Value x);
}
