package dev.heng.backend.ascend.lowering;

import dev.heng.spi.graph.Node;
import dev.heng.spi.graph.Value;
import dev.heng.spi.tensor.DType;
import java.util.ArrayList;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Optional;
import java.util.Set;

/** One or several nodes of a graph that become operators of CANN together. */
public interface Unit {

    /** Returns the nodes, in the graph's order. */
    List<Node> nodes();

    /** Returns what the plan calls it: operators as the vendor names them. */
    String kernel();

    /** Queues its work. Sizes of this run are not 0. */
    void run(Run run);

    /** Returns the results that others read, which is what needs memory; values in between have none. */
    List<Value> results();

    /** Answers whether a recorded run of it is right for other data of the same shape. */
    default boolean isRepeatable() {
        return true;
    }

    /** Answers whether a history is gathered whose length decides what is recorded. */
    default boolean gathersHistory() {
        return false;
    }

    /** Two weights that have to lie one after the other, expert by expert if they are stacked. */
    record Pair(Value first, Value second) {}

    /** Returns the weights that this unit takes as one. */
    default Optional<Pair> pair() {
        return Optional.empty();
    }

    /** A latent attention, and the type in which it takes the parts of {@code kvB}. */
    record LatentParts(Node attention, DType type) {}

    /** Returns the attention whose {@code kvB} has to be taken apart. */
    default Optional<LatentParts> latentParts() {
        return Optional.empty();
    }

    /** Returns what it reads, without what its own nodes make. */
    default List<Value> operands() {
        Set<Value> inner = new LinkedHashSet<>();
        nodes().forEach(node -> inner.addAll(node.results()));
        List<Value> operands = new ArrayList<>();
        for (Node node : nodes()) {
            for (Value operand : node.operands()) {
                if (!inner.contains(operand)) {
                    operands.add(operand);
                }
            }
        }
        return operands;
    }

    /** Returns the value whose size decides whether there is anything to do (RUN-011). */
    default Value decisive() {
        return nodes().getLast().result();
    }
}
