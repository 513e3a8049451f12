package dev.heng.backend.ascend.lowering;

import dev.heng.backend.ascend.device.TensorView;
import dev.heng.spi.graph.Node;
import dev.heng.spi.graph.Op;
import org.jspecify.annotations.Nullable;

/** Adjacent columns of a matrix, seen where they lie. */
final class Columns {

    private Columns() {}

    /** Returns what a node reads first: its operand, or the columns of the slice that makes it. */
    static TensorView of(Run run, @Nullable Node slice, Node reader) {
        if (slice == null) {
            return run.in(reader, 0);
        }
        Op.Slice op = (Op.Slice) slice.op();
        return of(run.in(slice, 0), op.from(), op.length());
    }

    /** Returns columns of [rows, width]. */
    static TensorView of(TensorView matrix, long from, long length) {
        return matrix.strided(from, new long[] {matrix.dim(0), length}, new long[] {matrix.stride(0), 1});
    }
}
