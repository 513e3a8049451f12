package dev.heng.backend.ascend.lowering;

import dev.heng.backend.ascend.device.TensorView;
import dev.heng.spi.graph.Node;
import dev.heng.spi.graph.Value;
import java.util.List;
import java.util.Optional;

/** Two products of one operand and the gated activation of their results: one product with both weights, which lie side by side, and SwiGlu. */
record GatedProduct(Node gate, Node up, Node swiglu) implements Unit {

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
        return "aclnnMatmul+aclnnSwiGlu";
    }

    @Override
    public Optional<Pair> pair() {
        return Optional.of(new Pair(gate.operand(1), up.operand(1)));
    }

    @Override
    public void run(Run run) {
        TensorView x = run.in(gate, 0);
        TensorView out = run.out(swiglu);
        TensorView both = run.stage().temporary(out.dtype(), x.dim(0), 2 * out.dim(1));
        run.basics().linear(x, run.weights().together(gate, up), null, both);
        run.operators().run("aclnnSwiGlu", both, -1L, out);
    }
}
