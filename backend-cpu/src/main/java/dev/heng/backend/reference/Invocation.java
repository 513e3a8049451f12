package dev.heng.backend.reference;

import dev.heng.spi.BackendException;
import dev.heng.spi.graph.Node;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * One execution of one node: its operands and results in memory, and how to round and to share out the work.
 *
 * @param node the node
 * @param operands one for each operand; null for a quantised weight, which is not a dense matrix
 * @param weights one for each operand; null for one that is not a weight
 * @param results one for each result
 * @param rounding how results are rounded
 * @param workers who computes rows
 */
record Invocation(
        Node node,
        List<@Nullable Tensor> operands,
        List<@Nullable Weight> weights,
        List<Tensor> results,
        Rounding rounding,
        Workers workers) {

    /** Returns an operand as a dense matrix. */
    Tensor operand(int position) {
        Tensor tensor = operands.get(position);
        if (tensor == null) {
            throw new IllegalStateException("node '" + node.name() + "': operand " + position + " is not dense");
        }
        return tensor;
    }

    /** Returns an operand as a weight; one that is bound at run time counts too. */
    Weight weight(int position) {
        Weight weight = weights.get(position);
        return weight == null ? Weight.of(node.operand(position), operand(position)) : weight;
    }

    /** Returns a result to fill. */
    Tensor result(int position) {
        return results.get(position);
    }

    /** Returns the number of rows of an operand that is a matrix with a row for each token. */
    int rows(int position) {
        return Math.toIntExact(operand(position).rows());
    }

    /**
     * Returns the error for data out of range (RUN-005).
     *
     * @param operand the operand that holds it
     * @param index where in it, for people
     * @param value what stands there
     * @param legal what may stand there
     */
    BackendException invalidData(int operand, String index, Object value, String legal) {
        return BackendException.of(
                BackendException.Code.INVALID_DATA,
                "node '" + node.name() + "' (" + node.op().name() + "): '"
                        + node.operand(operand).name() + "'[" + index + "] is " + value,
                legal);
    }
}
