package dev.heng.backend.ascend.lowering;

import dev.heng.backend.ascend.device.Operators;
import dev.heng.backend.ascend.device.TensorView;
import dev.heng.spi.graph.Node;
import dev.heng.spi.graph.Value;
import dev.heng.spi.tensor.DType;
import java.util.Arrays;
import java.util.List;

/**
 * Attention in batched products and a softmax, in float32: for whatever the fused operator does not take, and where its rounding of probabilities is not wanted. All
 * rows of a run go together, in pieces whose gathered history stays below a bound.
 */
abstract class UnfusedAttention implements Unit {

    private static final long MOST_HISTORY_BYTES = 1L << 26;

    /** The attention's node. */
    final Node node;

    private final int first;

    /** Describes attention whose operands positions, sequences and page table begin at {@code first}. */
    UnfusedAttention(Node node, int first) {
        this.node = node;
        this.first = first;
    }

    @Override
    public List<Value> results() {
        return List.of(node.result());
    }

    @Override
    public String kernel() {
        return "aclnnBatchMatMul+aclnnSoftmax";
    }

    @Override
    public boolean isRepeatable() {
        return PagedCache.isKnown(node, first);
    }

    @Override
    public final boolean gathersHistory() {
        return true;
    }

    /** Bytes of F32 that one slot takes of one row. */
    abstract long slotBytes(Run run);

    /** Attends for some rows, [from, from + rows). */
    abstract void attend(Run run, PagedCache cache, int from, int rows, int slots);

    /** What is the same for all pieces. */
    void begin(Run run) {}

    @Override
    public void run(Run run) {
        PagedCache cache = PagedCache.of(run, node, 1, first);
        int[] positions = run.integers(cache.positions());
        int slots = History.slots(Arrays.stream(positions).max().orElse(0));
        int piece = (int) Math.max(1, Math.min(positions.length, MOST_HISTORY_BYTES / (slots * slotBytes(run))));
        begin(run);
        for (int from = 0; from < positions.length; from += piece) {
            attend(run, cache, from, Math.min(piece, positions.length - from), slots);
        }
        if (Arrays.stream(positions).anyMatch(position -> position < 0)) {
            zeroPadding(run, positions);
        }
    }

    /** MLA-007. Runs with padding are not replayed. */
    private void zeroPadding(Run run, int[] positions) {
        TensorView out = run.out(node);
        for (int row = 0; row < positions.length; row++) {
            if (positions[row] < 0) {
                run.operators().run("aclnnInplaceZero", out.rows(row, 1));
            }
        }
    }

    /** Returns softmax(scale * query . keys + mask), [batch, rows, slots]. */
    TensorView weigh(Run run, TensorView query, TensorView keys, double scale, History history) {
        long slots = history.slots();
        TensorView scores = run.stage().temporary(DType.F32, query.dim(0), query.dim(1), slots);
        run.operators().run("aclnnBatchMatMul", query, keys, scores, Basics.KEEP_DTYPE);
        TensorView scaled = run.stage().temporary(DType.F32, query.dim(0), query.dim(1), slots);
        run.operators().run("aclnnMuls", scores, new Operators.Scalar((float) scale), scaled);
        TensorView masked = run.stage().temporary(DType.F32, query.dim(0), query.dim(1), slots);
        long perRow = query.dim(0) * query.dim(1) / history.rows();
        run.operators()
                .run(
                        "aclnnAdd",
                        scaled.reshaped(history.rows(), perRow, slots),
                        history.mask(run, node),
                        new Operators.Scalar(1),
                        masked.reshaped(history.rows(), perRow, slots));
        TensorView probabilities = run.stage().temporary(DType.F32, query.dim(0), query.dim(1), slots);
        run.operators().run("aclnnSoftmax", masked, -1L, probabilities);
        return probabilities;
    }
}
