package dev.heng.conformance.faulty;

import dev.heng.conformance.suite.HostTensor;
import dev.heng.spi.Bindings;
import dev.heng.spi.WeightSource;
import dev.heng.spi.graph.Graph;
import dev.heng.spi.graph.Node;
import dev.heng.spi.graph.Value;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/**
 * What a fault sees of one run.
 *
 * @param graph the graph
 * @param bindings the run's bindings
 * @param weights the original weights
 */
public record RunAccess(Graph graph, Bindings bindings, WeightSource weights) {

    /** Returns the first node, the only one of most cases. */
    public Node node() {
        return graph.nodes().getFirst();
    }

    /** Reads an input, or an output that was declared for {@code value}. */
    public HostTensor read(String name, Value value) {
        byte[] bytes = new byte[Math.toIntExact(value.type().bytes(bindings.dims()))];
        bindings.buffer(name).read(0, MemorySegment.ofArray(bytes));
        int[] shape = value.type().shape().dims().stream()
                .mapToInt(dim -> Math.toIntExact(dim.size(bindings.dims())))
                .toArray();
        return new HostTensor(value.type().dtype(), shape, bytes);
    }

    /** Reads the operand of the first node that is an input of the graph. */
    public HostTensor operand(int operand) {
        Value value = node().operand(operand);
        return read(value.name(), value);
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

    /** Returns the stored bytes of a plain weight. */
    public HostTensor weight(int operand) {
        Value value = node().operand(operand);
        byte[] bytes = weights.data(value).parts().getFirst().elements().toArray(ValueLayout.JAVA_BYTE);
        return new HostTensor(
                value.type().dtype(),
                new int[] {bytes.length * 8 / value.type().dtype().bits()},
                bytes);
    }
}
