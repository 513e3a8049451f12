package dev.heng.runtime.family;

import dev.heng.runtime.config.ModelConfig;
import dev.heng.spi.graph.Op;

/** Says which elements of a head rotate together. */
final class RopePairing {

    private RopePairing() {}

    /**
     * Returns the config's pairing. Results stay as they are paired: transformers moves interleaved pairs apart first, which gives the same products and another
     * order of the cached key.
     */
    static Op.Pairing of(ModelConfig config) {
        return config.rope().interleaved() ? Op.Pairing.INTERLEAVED : Op.Pairing.HALF;
    }
}
