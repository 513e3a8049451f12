package dev.heng.conformance.faulty;

import dev.heng.conformance.suite.HostTensor;
import dev.heng.spi.graph.Graph;
import dev.heng.spi.graph.GraphBuilder;
import dev.heng.spi.graph.Node;
import dev.heng.spi.graph.Op;
import dev.heng.spi.graph.Value;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/**
 * A kernel that reads something else than its operand: the operators of one kind get an input of their own, whose content follows
 * from the real one's, while all other operators go on reading the real one.
 */
final class OperandFault<O extends Op> extends RunFault {

    private final Class<O> op;
    private final int operand;
    private final Reading<O> reading;

    /** What the kernel reads where {@code real} stands. */
    @FunctionalInterface
    interface Reading<O extends Op> {
        HostTensor of(OperandRun<O> run, HostTensor real);
    }

    /** The run and node that an operand is read for. */
    record OperandRun<O extends Op>(RunAccess run, Node node, O op) {}

    /**
     * Describes a fault.
     *
     * @param operand counts from the front, or from the back if negative: -1 is the last
     */
    OperandFault(String id, String description, String rule, Class<O> op, int operand, Reading<O> reading) {
        super(id, description, rule, List.of(op));
        this.op = op;
        this.operand = operand;
        this.reading = reading;
    }

    private int position(Node node) {
        return Math.floorMod(operand, node.operands().size());
    }

    private boolean applies(Node node) {
        return op.isInstance(node.op()) && node.operand(position(node)).role() == Value.Role.INPUT;
    }

    private static String alias(Node node, Value value) {
        return value.name() + "_of_" + node.name();
    }

    @Override
    protected Graph graph(Graph graph) {
        Map<String, Value> own = new HashMap<>();
        return GraphFault.rewritten(graph, (GraphBuilder builder, Node node, Value[] operands) -> {
            if (applies(node)) {
                Value real = node.operand(position(node));
                operands[position(node)] =
                        own.computeIfAbsent(alias(node, real), name -> builder.input(name, real.type()));
            }
            return builder.add(node.name(), node.op(), operands);
        });
    }

    @Override
    protected Map<String, HostTensor> inputs(RunAccess run) {
        Map<String, HostTensor> read = new HashMap<>();
        for (Node node : run.graph().nodes()) {
            if (applies(node)) {
                Value real = node.operand(position(node));
                read.put(
                        alias(node, real),
                        reading.of(new OperandRun<>(run, node, op.cast(node.op())), run.read(real.name(), real)));
            }
        }
        return read;
    }
}
