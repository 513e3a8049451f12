package dev.heng.spi;

import dev.heng.spi.tensor.TensorType;
import java.util.Map;

/**
 * A buffer to allocate.
 *
 * @param name for messages
 * @param usage what it is for
 * @param type the type of the value that will be bound to it
 * @param dims the sizes of the type's symbols at their largest; copied. A run may use less: buffers keep their addresses
 * @since 1.0
 */
public record BufferRequest(String name, Usage usage, TensorType type, Map<String, Long> dims) {

    public BufferRequest {
        dims = Map.copyOf(dims);
    }

    /** What a buffer is for. */
    public enum Usage {
        /** Bound to inputs and outputs: row-major and dense in the declared type. */
        TENSOR,
        /** Bound to a state: the layout is the backend's own, and only the same backend reads it. */
        STATE
    }
}
