package dev.heng.spi.graph;

import java.util.List;
import java.util.stream.Collectors;

/**
 * One operator applied to operands.
 *
 * @param index the position in the graph's order of execution, from 0
 * @param name unique within the graph, for example {@code layers.3.mlp.router}
 * @param op the operator with its attributes
 * @param operands in the order that the operator documents; copied
 * @param results in the order that the operator documents; copied
 * @since 1.0
 */
public record Node(int index, String name, Op op, List<Value> operands, List<Value> results) {

    public Node {
        operands = List.copyOf(operands);
        results = List.copyOf(results);
    }

    /** Returns operand {@code position}. */
    public Value operand(int position) {
        return operands.get(position);
    }

    /** Returns the first result. */
    public Value result() {
        return results.getFirst();
    }

    @Override
    public String toString() {
        return results.stream().map(value -> "%" + value.name()).collect(Collectors.joining(", "))
                + " = "
                + op
                + operands.stream().map(value -> "%" + value.name()).collect(Collectors.joining(", ", "(", ")"));
    }
}
