package dev.heng.backend.cuda.lowering;

import dev.heng.spi.graph.Value;

/**
 * A weight in device memory, as the checkpoint stores it; experts lie at equal distances.
 *
 * @param value the weight
 * @param elements address of the first expert's elements
 * @param scales address of the first expert's scales, or 0
 * @param zeros address of the first expert's zero points, or 0
 * @param expertBytes from expert to expert, and likewise for scales and zero points
 */
public record StoredWeight(
        Value value,
        long elements,
        long scales,
        long zeros,
        long expertBytes,
        long expertScaleBytes,
        long expertZeroBytes) {

    /** Returns the rows N of a matrix; 1 for a vector. */
    public long rows() {
        return value.type().shape().rank() >= 2 ? value.type().shape().dim(-2).size() : 1;
    }

    /** Returns the columns K. */
    public long columns() {
        return value.type().shape().dim(-1).size();
    }
}
