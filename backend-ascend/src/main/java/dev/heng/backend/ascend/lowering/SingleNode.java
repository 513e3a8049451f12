package dev.heng.backend.ascend.lowering;

import dev.heng.backend.ascend.device.TensorView;
import dev.heng.spi.graph.Node;
import dev.heng.spi.graph.Op;
import dev.heng.spi.graph.Value;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * A node that stands alone.
 *
 * @param lean for a dispatch: whether nobody reads its integers as the graph has them
 */
record SingleNode(Node node, boolean lean) implements Unit {

    @Override
    public List<Node> nodes() {
        return List.of(node);
    }

    @Override
    public List<Value> results() {
        return lean ? node.results().subList(0, 1) : node.results();
    }

    @Override
    public Value decisive() {
        // Without rows a dispatch still says that there are none.
        return node.op() instanceof Op.Dispatch ? node.results().get(1) : node.result();
    }

    @Override
    public boolean isRepeatable() {
        return switch (node.op()) {
            // What a node of the graph made is read back to be looked at.
            case Op.Embed _, Op.SelectRows _ -> node.operand(1).role() == Value.Role.INPUT;
            // The index is worked out of origins that the caller gives, and kept from the dispatch else.
            case Op.Combine _ -> node.operand(1).role() != Value.Role.INPUT;
            // The host reads logits from where they lay when the run was recorded; a caller's buffer may be another.
            case Op.Sample _ -> node.operand(0).role() == Value.Role.RESULT;
            case Op.Add _,
                    Op.Cast _,
                    Op.Slice _,
                    Op.RmsNorm _,
                    Op.Linear _,
                    Op.Rope _,
                    Op.KvAppend _,
                    Op.MlaAttention _,
                    Op.GroupedQueryAttention _,
                    Op.Route _,
                    Op.Dispatch _,
                    Op.GroupedLinear _,
                    Op.Swiglu _,
                    Op.AllReduce _,
                    Op.AllToAll _,
                    Op.AllToAllReturn _,
                    Op.Argmax _ -> true;
        };
    }

    @Override
    public String kernel() {
        return switch (node.op()) {
            case Op.Embed _ -> "aclnnEmbedding";
            case Op.Add _ -> "aclnnAdd";
            case Op.Cast _, Op.Slice _, Op.AllReduce _ -> "aclnnInplaceCopy";
            case Op.SelectRows _ -> "aclnnIndexSelect";
            case Op.RmsNorm _ -> "aclnnRmsNorm";
            case Op.Linear op ->
                Products.kernel(op.activation(), node.operand(1).type());
            case Op.Route _ -> "aclnnMoeGatingTopK";
            case Op.Dispatch _ -> "aclnnMoeInitRoutingV3";
            case Op.GroupedLinear op -> Products.groupedKernel(op.activation());
            case Op.Swiglu _ -> "aclnnSwiGlu";
            case Op.Combine _ -> "aclnnMoeFinalizeRoutingV2";
            case Op.Argmax _ -> "aclnnNanToNum+aclnnArgMax";
            case Op.Sample _ -> Sampler.KERNEL;
            case Op.Rope _,
                    Op.KvAppend _,
                    Op.MlaAttention _,
                    Op.GroupedQueryAttention _,
                    Op.AllToAll _,
                    Op.AllToAllReturn _ -> throw notAlone();
        };
    }

    private IllegalStateException notAlone() {
        return new IllegalStateException("node '" + node.name() + "' was declined, or is a unit of its own");
    }

    @Override
    public void run(Run run) {
        Basics basics = run.basics();
        switch (node.op()) {
            case Op.Embed _ -> {
                // An id out of range would give random numbers and no error (aclnnEmbedding.md), so the host looks
                // first.
                run.requireRange(node, 1, 0, run.in(node, 0).dim(0));
                basics.embed(run.in(node, 0), run.in(node, 1), run.out(node));
            }
            case Op.Add _ -> basics.add(run.in(node, 0), run.in(node, 1), run.out(node));
            case Op.Cast _, Op.AllReduce _ -> basics.store(run.in(node, 0), run.out(node));
            case Op.Slice op -> basics.slice(run.in(node, 0), op.from(), run.out(node));
            case Op.SelectRows _ -> {
                run.requireRange(node, 1, 0, run.in(node, 0).dim(0));
                basics.select(run.in(node, 0), run.in(node, 1), run.out(node));
            }
            case Op.RmsNorm op -> basics.rmsNorm(run.in(node, 0), run.in(node, 1), op.epsilon(), run.out(node));
            case Op.Linear op -> linear(run, op);
            case Op.Route op ->
                new Experts(basics)
                        .route(
                                op,
                                run.in(node, 0),
                                optional(run, 1),
                                run.view(node.results().get(0)),
                                run.view(node.results().get(1)));
            case Op.Dispatch _ -> new Experts(basics).dispatch(run, node, lean);
            case Op.GroupedLinear op -> grouped(run, op);
            case Op.Swiglu _ -> basics.swiglu(run.in(node, 0), run.in(node, 1), run.out(node));
            case Op.Combine _ -> new Experts(basics).combine(run, node, null, run.out(node));
            case Op.Argmax _ -> basics.argmax(run.in(node, 0), run.out(node));
            case Op.Sample _ -> Sampler.run(run, node);
            case Op.Rope _,
                    Op.KvAppend _,
                    Op.MlaAttention _,
                    Op.GroupedQueryAttention _,
                    Op.AllToAll _,
                    Op.AllToAllReturn _ -> throw notAlone();
        }
    }

    private @Nullable TensorView optional(Run run, int operand) {
        return node.operands().size() > operand ? run.in(node, operand) : null;
    }

    private void linear(Run run, Op.Linear op) {
        if (run.weight(node, 1).isPlain()) {
            run.basics().linear(run, node, optional(run, 2), run.out(node));
        } else {
            new Products(run.basics(), new Experts(run.basics()))
                    .linear(op.activation(), run.in(node, 0), run.weight(node, 1), optional(run, 2), run.out(node));
        }
    }

    private void grouped(Run run, Op.GroupedLinear op) {
        requireOffsets(run);
        Experts experts = new Experts(run.basics());
        new Products(run.basics(), experts)
                .grouped(
                        op.activation(),
                        run.in(node, 0),
                        experts.groups(run, node),
                        run.weight(node, 2),
                        run.out(node));
    }

    /** Offsets that the caller gives are looked at before the device counts by them; a dispatch's own are right. */
    private void requireOffsets(Run run) {
        Value value = node.operand(1);
        if (value.role() != Value.Role.INPUT) {
            return;
        }
        long rows = run.in(node, 0).dim(0);
        run.check(value, inputs -> {
            int before = 0;
            int[] offsets = inputs.integers(value);
            for (int i = 0; i < offsets.length; i++) {
                if (offsets[i] < before || offsets[i] > rows || (i == 0 && offsets[i] != 0)) {
                    throw run.invalid(
                            node,
                            "offset " + i + " is " + offsets[i] + " after " + before + ", with " + rows + " rows");
                }
                before = offsets[i];
            }
        });
    }
}
