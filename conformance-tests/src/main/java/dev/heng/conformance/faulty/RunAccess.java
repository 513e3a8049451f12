package dev.heng.conformance.faulty;

import dev.heng.conformance.suite.HostTensor;
import dev.heng.spi.Bindings;
import dev.heng.spi.WeightSource;
import dev.heng.spi.graph.Graph;
import dev.heng.spi.graph.Node;
import dev.heng.spi.graph.Op;
import dev.heng.spi.graph.Value;
import java.lang.foreign.MemorySegment;
import java.util.List;
import java.util.Map;

/**
 * What a fault sees of one run.
 *
 * @param graph the graph
 * @param bindings the run's bindings
 * @param weights the original weights
 * @param memory whatever the fault wants to remember from run to run of this program
 */
public record RunAccess(Graph graph, Bindings bindings, WeightSource weights, Map<String, Object> memory) {

    /** Returns the nodes of one operator. */
    public List<Node> nodes(Class<? extends Op> op) {
        return graph.nodes().stream().filter(node -> op.isInstance(node.op())).toList();
    }

    /** Reads what the buffer bound to {@code name} holds of {@code value}. */
    public HostTensor read(String name, Value value) {
        byte[] bytes = new byte[Math.toIntExact(value.type().bytes(bindings.dims()))];
        bindings.buffer(name).read(0, MemorySegment.ofArray(bytes));
        int[] shape = value.type().shape().dims().stream()
                .mapToInt(dim -> Math.toIntExact(dim.size(bindings.dims())))
                .toArray();
        return new HostTensor(value.type().dtype(), shape, bytes);
    }

    /** Reads an input. */
    public HostTensor input(String name) {
        return read(name, graph.value(name));
    }

    /** Reads an output. */
    public HostTensor output(String name) {
        Value value = graph.outputs().get(name);
        if (value == null) {
            throw new IllegalArgumentException("graph '" + graph.name() + "' has no output '" + name + "'");
        }
        return read(name, value);
    }

    /** Overwrites the buffer bound to {@code name} from its start. */
    public void write(String name, byte[] bytes) {
        bindings.buffer(name).write(MemorySegment.ofArray(bytes), 0);
    }
}
