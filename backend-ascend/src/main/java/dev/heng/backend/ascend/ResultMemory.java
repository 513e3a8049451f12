package dev.heng.backend.ascend;

import dev.heng.backend.ascend.lowering.Unit;
import dev.heng.kernels.ScratchPlan;
import dev.heng.spi.graph.Graph;
import dev.heng.spi.graph.Op;
import dev.heng.spi.graph.Value;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/**
 * Where the results of a graph's units lie: in blocks that are used again after the last reader. The stream is in order, so no more than that is needed.
 *
 * @param offsets of each result in bytes, multiples of 64; results that alias a state, or stay inside a unit, have none
 * @param bytes the size of everything
 */
record ResultMemory(Map<Value, Long> offsets, long bytes) {

    private static final long ALIGNMENT = 64;

    static ResultMemory of(List<Unit> units, Graph graph, Map<String, Long> maxima) {
        Map<Value, Integer> lastReader = new HashMap<>();
        for (int i = 0; i < units.size(); i++) {
            // A replay draws tokens after everything was queued: logits have to be there still.
            boolean drawn = units.get(i).nodes().getLast().op() instanceof Op.Sample;
            for (Value operand : units.get(i).operands()) {
                lastReader.merge(operand, drawn ? Integer.MAX_VALUE : i, Math::max);
            }
        }
        graph.outputs().values().forEach(output -> lastReader.put(output, Integer.MAX_VALUE));
        Map<Value, Long> offsets = new HashMap<>();
        Map<Value, Long> living = new HashMap<>();
        ScratchPlan plan = new ScratchPlan(ALIGNMENT);
        for (int i = 0; i < units.size(); i++) {
            for (Value result : units.get(i).results()) {
                long offset = plan.take(result.type().bytes(maxima));
                offsets.put(result, offset);
                living.put(result, offset);
            }
            int now = i;
            Map.copyOf(living).forEach((value, offset) -> {
                if (lastReader.getOrDefault(value, now) <= now) {
                    plan.give(offset);
                    living.remove(value);
                }
            });
        }
        return new ResultMemory(offsets, plan.sizeBytes());
    }

    /** Returns where a result lies, in bytes. */
    long offset(Value result) {
        Long offset = offsets.get(result);
        if (offset == null) {
            throw new IllegalStateException("value '" + result.name() + "' has no memory of its own");
        }
        return offset;
    }
}
