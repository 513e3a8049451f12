package dev.heng.backend.ascend.lowering;

import dev.heng.backend.ascend.device.TensorView;
import dev.heng.spi.graph.Node;
import dev.heng.spi.graph.Op;
import dev.heng.spi.graph.Value;
import java.util.List;

/** GroupedQueryAttention as FusedInferAttentionScore over the paged caches, every row a sequence of its own as in {@link FusedLatentAttention}. */
record FusedGroupedAttention(Node node, FusedAttention operator) implements Unit {

    @Override
    public List<Node> nodes() {
        return List.of(node);
    }

    @Override
    public List<Value> results() {
        return List.of(node.result());
    }

    @Override
    public String kernel() {
        return operator.name();
    }

    @Override
    public boolean isRepeatable() {
        return PagedCache.isKnown(node, 3);
    }

    @Override
    public void run(Run run) {
        Op.GroupedQueryAttention op = (Op.GroupedQueryAttention) node.op();
        TensorView out = run.out(node);
        long rows = out.dim(0);
        operator.attend(
                run,
                node,
                PagedCache.of(run, node, 1, 3),
                run.in(node, 0).reshaped(rows, 1, op.heads(), op.headDim()),
                run.in(node, 1),
                run.in(node, 2),
                null,
                null,
                op.kvHeads(),
                op.scale(),
                out.reshaped(rows, 1, op.heads(), op.valueDim()));
    }
}
