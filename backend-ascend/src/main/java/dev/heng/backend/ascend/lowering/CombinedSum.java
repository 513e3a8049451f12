package dev.heng.backend.ascend.lowering;

import dev.heng.backend.ascend.device.TensorView;
import dev.heng.spi.graph.Node;
import dev.heng.spi.graph.Value;
import java.util.List;

/** Combine and the Add of the shared experts' result, which MoeFinalizeRoutingV2 takes as x1: the sum is rounded once instead of twice. */
record CombinedSum(Node combine, Node add) implements Unit {

    @Override
    public List<Node> nodes() {
        return List.of(combine, add);
    }

    @Override
    public List<Value> results() {
        return List.of(add.result());
    }

    @Override
    public String kernel() {
        return "aclnnMoeFinalizeRoutingV2";
    }

    @Override
    public void run(Run run) {
        int other = add.operand(0).equals(combine.result()) ? 1 : 0;
        TensorView out = run.out(add);
        new Experts(run.basics()).combine(run, combine, run.in(add, other), out);
    }
}
