package dev.heng.spi;

import dev.heng.spi.graph.Value;
import dev.heng.spi.tensor.Quantization;
import java.lang.foreign.MemorySegment;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * Where a backend gets the bytes of weights from, as stored: usually slices of a mapped checkpoint.
 *
 * @since 1.0
 */
@FunctionalInterface
public interface WeightSource {

    /**
     * Returns the bytes of a weight. Segments stay valid, unchanged and readable by any thread until the program that was compiled from them is
     * closed, so that a backend may either repack them into device memory or read a mapped checkpoint where it lies.
     *
     * @param weight a weight of the graph that is being compiled
     */
    WeightData data(Value weight);

    /**
     * A stored weight: one part for W[N, K] and vectors, E parts for stacked experts W[E, N, K].
     *
     * @param parts in the order of the experts; copied
     */
    record WeightData(List<Part> parts) {
        public WeightData {
            parts = List.copyOf(parts);
        }

        /** Returns a weight of one part without scales. */
        public static WeightData of(MemorySegment elements) {
            return new WeightData(List.of(new Part(elements, null, null)));
        }
    }

    /**
     * One matrix or vector, laid out as the weight's {@link Quantization} says; segments are little-endian and need not be aligned.
     *
     * @param elements the elements
     * @param scales the scales of a quantised weight, else null
     * @param zeroPoints the zero points of {@link Quantization.Int4Groups} that has them, else null
     */
    record Part(
            MemorySegment elements,
            @Nullable MemorySegment scales,
            @Nullable MemorySegment zeroPoints) {}
}
