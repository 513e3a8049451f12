package dev.heng.backend.ascend.lowering;

import dev.heng.spi.graph.Node;
import dev.heng.spi.graph.Op;
import dev.heng.spi.graph.Value;
import java.util.List;

/** RmsNorm of columns of a tensor, which are not copied out first. */
record SlicedNorm(Node slice, Node norm) implements Unit {

    @Override
    public List<Node> nodes() {
        return List.of(slice, norm);
    }

    @Override
    public List<Value> results() {
        return List.of(norm.result());
    }

    @Override
    public String kernel() {
        return "aclnnRmsNorm";
    }

    @Override
    public void run(Run run) {
        Op.RmsNorm op = (Op.RmsNorm) norm.op();
        run.basics().rmsNorm(Columns.of(run, slice, norm), run.in(norm, 1), op.epsilon(), run.out(norm));
    }
}
