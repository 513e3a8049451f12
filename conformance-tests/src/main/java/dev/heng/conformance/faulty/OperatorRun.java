package dev.heng.conformance.faulty;

import dev.heng.conformance.suite.HostTensor;
import dev.heng.spi.graph.Node;
import dev.heng.spi.graph.Op;
import dev.heng.spi.graph.Value;
import java.util.Map;
import java.util.Optional;

/**
 * One node of a run whose operands are inputs, weights or states and whose results are outputs, so that a fault can do its work
 * again and do it wrong.
 *
 * @param <O> the operator
 * @param run the run
 * @param node the node
 * @param op its operator
 */
public record OperatorRun<O extends Op>(RunAccess run, Node node, O op) {

    /** Returns the node as a run of {@code op}, or nothing if it is another operator or its values stay inside the graph. */
    static <O extends Op> Optional<OperatorRun<O>> of(RunAccess run, Node node, Class<O> op) {
        if (!op.isInstance(node.op())) {
            return Optional.empty();
        }
        for (Value operand : node.operands()) {
            if (operand.role() == Value.Role.RESULT) {
                return Optional.empty();
            }
        }
        for (Value result : node.results()) {
            if (!run.graph().outputs().containsValue(result)) {
                return Optional.empty();
            }
        }
        return Optional.of(new OperatorRun<>(run, node, op.cast(node.op())));
    }

    /** Returns how many operands the node has. */
    public int operands() {
        return node.operands().size();
    }

    /** Returns an operand's type is that of a plain tensor or weight. */
    public boolean isPlain(int operand) {
        return node.operand(operand).type().isPlain();
    }

    /** Reads an operand: an input, or a plain weight. */
    public HostTensor operand(int operand) {
        Value value = node.operand(operand);
        return value.role() == Value.Role.WEIGHT
                ? StoredMatrix.plain(value, run.weights().data(value))
                : run.read(value.name(), value);
    }

    /** Reads an operand's numbers, with quantised weights dequantised. */
    public double[] numbers(int operand) {
        Value value = node.operand(operand);
        return value.role() == Value.Role.WEIGHT
                ? StoredMatrix.numbers(value.type(), run.weights().data(value))
                : run.read(value.name(), value).doubles();
    }

    /** Reads an integer operand. */
    public int[] integers(int operand) {
        return operand(operand).integers();
    }

    /** Returns the name of the output that a result is. */
    public String output(int result) {
        for (Map.Entry<String, Value> output : run.graph().outputs().entrySet()) {
            if (output.getValue().equals(node.results().get(result))) {
                return output.getKey();
            }
        }
        throw new IllegalStateException("result " + result + " of " + node.name() + " is no output");
    }

    /** Reads a result as the real device left it. */
    public HostTensor result(int result) {
        return run.output(output(result));
    }

    /** Writes a result, rounding each number once to its type. */
    public void write(int result, double... values) {
        HostTensor shape = result(result);
        run.write(
                output(result),
                HostTensor.floats(shape.dtype(), shape.shape(), values).bytes());
    }

    /** Writes an I32 result. */
    public void write(int result, int... values) {
        run.write(
                output(result), HostTensor.ints(result(result).shape(), values).bytes());
    }

    /** Writes a result from the bits of its elements. */
    public void writeBits(int result, long... bits) {
        run.write(output(result), result(result).withBits(bits).bytes());
    }
}
