package dev.heng.conformance.faulty;

import dev.heng.spi.graph.Node;
import dev.heng.spi.graph.Op;
import java.util.List;

/** A kernel that computes something else: after the real run, its results are written over by the fault's own. */
final class OperatorFault<O extends Op> extends RunFault {

    private final Class<O> op;
    private final Kernel<O> kernel;

    /** What the faulty kernel does; it may leave the real results where the fault does not show. */
    @FunctionalInterface
    interface Kernel<O extends Op> {
        void run(OperatorRun<O> run);
    }

    OperatorFault(String id, String description, String rule, Class<O> op, Kernel<O> kernel) {
        super(id, description, rule, List.of(op));
        this.op = op;
        this.kernel = kernel;
    }

    @Override
    protected void afterRun(RunAccess run) {
        for (Node node : run.graph().nodes()) {
            OperatorRun.of(run, node, op).ifPresent(kernel::run);
        }
    }
}
