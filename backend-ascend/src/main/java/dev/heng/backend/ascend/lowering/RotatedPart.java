package dev.heng.backend.ascend.lowering;

import dev.heng.spi.graph.Node;
import dev.heng.spi.graph.Op;
import dev.heng.spi.graph.Value;
import java.util.List;
import org.jspecify.annotations.Nullable;

/** Rope, and the Slice that it reads from if nobody else does: columns of a tensor are turned where they lie. */
record RotatedPart(@Nullable Node slice, Node rope) implements Unit {

    @Override
    public List<Node> nodes() {
        return slice == null ? List.of(rope) : List.of(slice, rope);
    }

    @Override
    public List<Value> results() {
        return List.of(rope.result());
    }

    @Override
    public String kernel() {
        return "aclnnRotaryPositionEmbedding";
    }

    @Override
    public boolean isRepeatable() {
        return rope.operand(1).role() == Value.Role.INPUT;
    }

    @Override
    public void run(Run run) {
        new Rotation(run.basics())
                .rope((Op.Rope) rope.op(), Columns.of(run, slice, rope), rope.operand(1), run, run.out(rope));
    }
}
