package dev.heng.spi;

import dev.heng.spi.graph.Graph;
import dev.heng.spi.graph.Node;
import java.util.List;
import java.util.stream.Collectors;

/**
 * A compiled graph on one device.
 *
 * @since 1.0
 */
public interface Program extends AutoCloseable {

    /** Returns the graph that was compiled. */
    Graph graph();

    /** Returns what became of each node: every node appears in exactly one step. */
    List<Step> plan();

    /**
     * Enqueues one execution and returns; reading an output waits. A failure that the device reports later surfaces at the next read.
     *
     * @param bindings a buffer for every input, state and output, and the sizes of this run
     * @throws IllegalArgumentException if a binding is missing, too small, or out of the bounds given at compile
     * @throws BackendException if the device refuses
     */
    void run(Bindings bindings);

    /** Waits for queued runs and releases the program with its weights. Idempotent. */
    @Override
    void close();

    /**
     * One piece of work of the device.
     *
     * @param kernel the kernel or library call, as the vendor names it
     * @param nodes the nodes that it executes; copied
     * @param executedBy {@link DeviceInfo#address()} of where it runs
     */
    record Step(String kernel, List<Node> nodes, String executedBy) {
        public Step {
            nodes = List.copyOf(nodes);
        }

        @Override
        public String toString() {
            return executedBy + " " + kernel + ": "
                    + nodes.stream().map(Node::name).collect(Collectors.joining(", "));
        }
    }
}
