package dev.heng.backend.ascend;

import dev.heng.kernels.ScratchPlan;
import dev.heng.spi.graph.Graph;
import dev.heng.spi.graph.Node;
import dev.heng.spi.graph.Op;
import dev.heng.spi.graph.Value;
import java.util.HashMap;
import java.util.Map;

/**
 * Where the results of a graph's nodes lie: in blocks that are used again after the last reader. The stream is in order, so no more than that is needed.
 *
 * @param offsets of each result in bytes, multiples of 64; results that alias a state have none
 * @param bytes the size of everything
 */
record ResultMemory(Map<Value, Long> offsets, long bytes) {

    private static final long ALIGNMENT = 64;

    static ResultMemory of(Graph graph, Map<String, Long> maxima) {
        Map<Value, Integer> lastReader = new HashMap<>();
        for (Node node : graph.nodes()) {
            node.operands().forEach(operand -> lastReader.put(operand, node.index()));
        }
        graph.outputs().values().forEach(output -> lastReader.put(output, Integer.MAX_VALUE));
        Map<Value, Long> offsets = new HashMap<>();
        Map<Value, Long> living = new HashMap<>();
        ScratchPlan plan = new ScratchPlan(ALIGNMENT);
        for (Node node : graph.nodes()) {
            if (!(node.op() instanceof Op.KvAppend)) {
                for (Value result : node.results()) {
                    long offset = plan.take(result.type().bytes(maxima));
                    offsets.put(result, offset);
                    living.put(result, offset);
                }
            }
            Map.copyOf(living).forEach((value, offset) -> {
                if (lastReader.getOrDefault(value, node.index()) <= node.index()) {
                    plan.give(offset);
                    living.remove(value);
                }
            });
        }
        return new ResultMemory(offsets, plan.sizeBytes());
    }
}
