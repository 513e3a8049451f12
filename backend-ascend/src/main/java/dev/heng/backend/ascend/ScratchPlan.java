package dev.heng.backend.ascend;

import dev.heng.spi.graph.Graph;
import dev.heng.spi.graph.Node;
import dev.heng.spi.graph.Op;
import dev.heng.spi.graph.Value;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * Where the results of a graph's nodes lie: in blocks that are used again after the last reader. The stream is in order, so no more than that is needed.
 *
 * @param offsets of each result in bytes, multiples of 64; results that alias a state have none
 * @param bytes the size of everything
 */
record ScratchPlan(Map<Value, Long> offsets, long bytes) {

    private static final class Block {
        private final long offset;
        private final long bytes;

        Block(long offset, long bytes) {
            this.offset = offset;
            this.bytes = bytes;
        }
    }

    static ScratchPlan of(Graph graph, Map<String, Long> maxima) {
        Map<Value, Integer> lastReader = new HashMap<>();
        for (Node node : graph.nodes()) {
            node.operands().forEach(operand -> lastReader.put(operand, node.index()));
        }
        graph.outputs().values().forEach(output -> lastReader.put(output, Integer.MAX_VALUE));
        Map<Value, Long> offsets = new HashMap<>();
        Map<Value, Block> blocks = new HashMap<>();
        List<Block> free = new ArrayList<>();
        long end = 0;
        for (Node node : graph.nodes()) {
            if (!(node.op() instanceof Op.KvAppend)) {
                for (Value result : node.results()) {
                    long bytes = Math.ceilDiv(Math.max(1, result.type().bytes(maxima)), 64L) * 64;
                    Block block = smallest(free, bytes);
                    if (block == null) {
                        block = new Block(end, bytes);
                        end += bytes;
                    } else {
                        free.remove(block);
                    }
                    offsets.put(result, block.offset);
                    blocks.put(result, block);
                }
            }
            for (Value value : List.copyOf(blocks.keySet())) {
                if (lastReader.getOrDefault(value, node.index()) <= node.index()) {
                    free.add(blocks.remove(value));
                }
            }
        }
        return new ScratchPlan(offsets, end);
    }

    private static @Nullable Block smallest(List<Block> free, long bytes) {
        Block best = null;
        for (Block block : free) {
            if (block.bytes >= bytes && (best == null || block.bytes < best.bytes)) {
                best = block;
            }
        }
        return best;
    }
}
