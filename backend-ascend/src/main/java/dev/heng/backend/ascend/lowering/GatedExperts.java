package dev.heng.backend.ascend.lowering;

import dev.heng.backend.ascend.device.TensorView;
import dev.heng.spi.graph.Node;
import dev.heng.spi.graph.Value;
import java.util.List;
import java.util.Optional;

/** The experts' two products of the same rows and the gated activation of their results, as {@link GatedProduct}. */
record GatedExperts(Node gate, Node up, Node swiglu) implements Unit {

    @Override
    public List<Node> nodes() {
        return List.of(gate, up, swiglu);
    }

    @Override
    public List<Value> results() {
        return List.of(swiglu.result());
    }

    @Override
    public String kernel() {
        return "aclnnGroupedMatmulV4+aclnnSwiGlu";
    }

    @Override
    public Optional<Pair> pair() {
        return Optional.of(new Pair(gate.operand(2), up.operand(2)));
    }

    @Override
    public void run(Run run) {
        TensorView rows = run.in(gate, 0);
        TensorView out = run.out(swiglu);
        TensorView both = run.stage().temporary(out.dtype(), rows.dim(0), 2 * out.dim(1));
        Experts experts = new Experts(run.basics());
        experts.grouped(rows, experts.groups(run, gate), run.weights().together(gate, up), both);
        // Rows that no expert has hold what was there before: nobody reads what becomes of them.
        run.operators().run("aclnnSwiGlu", both, -1L, out);
    }
}
