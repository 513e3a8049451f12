package dev.heng.runtime.bench;

import dev.heng.runtime.generate.MemoryEstimate;
import dev.heng.spi.graph.Graph;
import dev.heng.spi.graph.Node;
import dev.heng.spi.graph.Op;
import dev.heng.spi.graph.Value;
import dev.heng.spi.tensor.Dim;
import dev.heng.spi.tensor.Shape;
import java.util.HashSet;
import java.util.Map;
import java.util.Set;

/**
 * What one run has to read and to multiply, counted from the graph; no device can do with less but by sharing.
 *
 * @param weightBytes weights as stored, each once; of routed experts those that are chosen by at least one row. With one row that is exact; with more it is the
 *     expectation for rows that choose independently and uniformly, E (1 - (1 - k/E)^rows) of E experts
 * @param cacheBytes cached keys and values, once for each row: rows of one sequence could share them, which prompts do, and for those it is 0
 * @param operations multiplications and additions of products with weights and of attention's scores and sums, keys and values of latent attention expanded once
 */
record Cost(double weightBytes, double cacheBytes, double operations) {

    /**
     * Counts one run of {@code graph}.
     *
     * @param rows tokens of the run
     * @param outputs rows that pass the head
     * @param attended positions that a row attends to, on average
     * @param decoding whether each row is a sequence of its own
     */
    static Cost of(Graph graph, long rows, long outputs, double attended, boolean decoding) {
        Map<String, Long> sizes = Map.of(
                Dim.TOKENS, rows, Dim.OUTPUTS, outputs, Dim.SEQUENCES, 1L, Dim.PAGES, 1L, Dim.PAGES_PER_SEQUENCE, 1L);
        Set<Value> counted = new HashSet<>();
        double weights = 0;
        double operations = 0;
        for (Node node : graph.nodes()) {
            double used = 1;
            switch (node.op()) {
                case Op.Embed _ -> used = (double) rows / rowsOf(node.operand(0));
                case Op.Linear _ -> operations += 2 * elements(node.operand(0), sizes) * rowsOf(node.operand(1));
                case Op.GroupedLinear _ -> {
                    operations += 2 * elements(node.operand(0), sizes) * rowsOf(node.operand(2));
                    long experts = node.operand(2).type().shape().dim(0).size();
                    double chosen =
                            (double) node.operand(0).type().shape().dim(0).factor() / experts;
                    used = 1 - Math.pow(1 - Math.min(1, chosen), (double) rows);
                }
                case Op.MlaAttention mla -> {
                    operations +=
                            2 * (double) rows * node.operand(2).type().shape().elements();
                    operations += 2
                            * (double) rows
                            * attended
                            * mla.heads()
                            * (mla.nopeDim() + mla.ropeDim() + mla.valueDim());
                }
                case Op.GroupedQueryAttention gqa ->
                    operations += 2 * (double) rows * attended * gqa.heads() * (gqa.headDim() + gqa.valueDim());
                case Op.Add _,
                        Op.Cast _,
                        Op.Slice _,
                        Op.SelectRows _,
                        Op.RmsNorm _,
                        Op.Rope _,
                        Op.KvAppend _,
                        Op.Route _,
                        Op.Dispatch _,
                        Op.Swiglu _,
                        Op.Combine _,
                        Op.Argmax _,
                        Op.Sample _,
                        Op.AllReduce _,
                        Op.AllToAll _,
                        Op.AllToAllReturn _ -> {}
            }
            for (Value operand : node.operands()) {
                // A table that is also the head is read whole there, and a few rows of it here are among those.
                if (operand.role() == Value.Role.WEIGHT
                        && !(node.op() instanceof Op.Embed && isHead(graph, operand))
                        && counted.add(operand)) {
                    weights += used * MemoryEstimate.storedBytes(operand.type());
                }
            }
        }
        return new Cost(weights, decoding ? cacheBytes(graph, rows, attended) : 0, operations);
    }

    private static boolean isHead(Graph graph, Value table) {
        return graph.nodes().stream()
                .anyMatch(node ->
                        node.op() instanceof Op.Linear && node.operand(1).equals(table));
    }

    private static double cacheBytes(Graph graph, long rows, double attended) {
        double bytes = 0;
        for (Value state : graph.states()) {
            Shape shape = state.type().shape();
            bytes += rows * attended * state.type().dtype().bytes(shape.dim(-1).size());
        }
        return bytes;
    }

    private static double elements(Value value, Map<String, Long> sizes) {
        return value.type().shape().elements(sizes);
    }

    private static long rowsOf(Value weight) {
        return weight.type().shape().dim(-2).size();
    }

    Cost plus(Cost other) {
        return new Cost(weightBytes + other.weightBytes, cacheBytes + other.cacheBytes, operations + other.operations);
    }
}
