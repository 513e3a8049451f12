package dev.heng.spi;

import java.util.Map;

/**
 * What one run works on.
 *
 * @param dims the size of each symbol in this run, in elements; zero is legal; copied
 * @param batch the host's knowledge of positions and sequences; {@link Batch#NONE} for a graph without a cache
 * @param buffers by name: inputs and states by the value's name, outputs by the output's; copied. An output may share a buffer with an input
 *     of the next run, so that a sampled token never leaves the device
 * @since 1.0
 */
public record Bindings(Map<String, Long> dims, Batch batch, Map<String, Buffer> buffers) {

    public Bindings {
        dims = Map.copyOf(dims);
        buffers = Map.copyOf(buffers);
    }

    /**
     * Returns the buffer bound to {@code name}.
     *
     * @throws IllegalArgumentException if there is none
     */
    public Buffer buffer(String name) {
        Buffer buffer = buffers.get(name);
        if (buffer == null) {
            throw new IllegalArgumentException("no buffer is bound to '" + name + "'");
        }
        return buffer;
    }
}
