package dev.heng.backend.ascend.lowering;

import dev.heng.backend.ascend.device.TensorView;
import dev.heng.spi.graph.Node;
import dev.heng.spi.graph.Op;
import dev.heng.spi.tensor.DType;
import java.util.List;

/** GroupedQueryAttention in float32: a batch for each row and key head. */
final class UnfusedGroupedAttention extends UnfusedAttention {

    private final Op.GroupedQueryAttention op;

    UnfusedGroupedAttention(Node node) {
        super(node, 3);
        this.op = (Op.GroupedQueryAttention) node.op();
    }

    @Override
    public List<Node> nodes() {
        return List.of(node);
    }

    @Override
    long slotBytes(Run run) {
        return 4L * op.kvHeads() * Math.max(op.headDim(), op.valueDim());
    }

    @Override
    void attend(Run run, PagedCache cache, int from, int rows, int slots) {
        int groups = op.kvHeads();
        long shared = op.heads() / groups;
        History history = new History(cache, from, rows, slots);
        TensorView query = run.wide(node, 0).rows(from, rows).reshaped((long) rows * groups, shared, op.headDim());
        TensorView keys =
                history.gather(run, node, run.in(node, 1), groups).reshaped((long) rows * groups, slots, op.headDim());
        TensorView probabilities = weigh(run, query, keys.transposed(), op.scale(), history);
        TensorView values =
                history.gather(run, node, run.in(node, 2), groups).reshaped((long) rows * groups, slots, op.valueDim());
        TensorView out = run.out(node).rows(from, rows);
        boolean direct = out.dtype() == DType.F32;
        TensorView result = (direct ? out : run.stage().temporary(DType.F32, rows, out.dim(1)))
                .reshaped((long) rows * groups, shared, op.valueDim());
        run.operators().run("aclnnBatchMatMul", probabilities, values, result, Basics.KEEP_DTYPE);
        if (!direct) {
            run.basics().store(result.reshaped(rows, out.dim(1)), out);
        }
    }
}
