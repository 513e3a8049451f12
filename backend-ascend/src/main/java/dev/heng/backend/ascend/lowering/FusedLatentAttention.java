package dev.heng.backend.ascend.lowering;

import dev.heng.backend.ascend.device.Operators;
import dev.heng.backend.ascend.device.TensorView;
import dev.heng.spi.graph.Node;
import dev.heng.spi.graph.Op;
import dev.heng.spi.graph.Value;
import java.util.List;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/**
 * MlaAttention as FusedInferAttentionScore over the paged cache, the query absorbed into the latent before and the values expanded after: two TransposeBatchMatMul.
 * Every row of the run is a sequence of its own with a row of the page table and a length, which is right for prompts as well as for single steps, and causal because
 * a row's length ends with its own position. Sources: see {@link FusedAttention}.
 */
record FusedLatentAttention(@Nullable Node rope, Node node, FusedAttention operator) implements Unit {

    private static final Operators.Integers BATCH_SECOND = new Operators.Integers(List.of(1L, 0L, 2L));
    private static final Operators.Integers AS_IT_IS = new Operators.Integers(List.of(0L, 1L, 2L));
    private static final Operators.Integers TURNED = new Operators.Integers(List.of(0L, 2L, 1L));

    @Override
    public List<Node> nodes() {
        return rope == null ? List.of(node) : List.of(rope, node);
    }

    @Override
    public List<Value> results() {
        return List.of(node.result());
    }

    @Override
    public String kernel() {
        return (rope == null ? "" : "aclnnRotaryPositionEmbedding+") + operator.name();
    }

    @Override
    public Optional<LatentParts> latentParts() {
        return Optional.of(new LatentParts(node, node.result().type().dtype()));
    }

    @Override
    public boolean isRepeatable() {
        return PagedCache.isKnown(node, 3) && (rope == null || rope.operand(1).role() == Value.Role.INPUT);
    }

    @Override
    public void run(Run run) {
        Op.MlaAttention op = (Op.MlaAttention) node.op();
        PagedCache cache = PagedCache.of(run, node, 1, 3);
        TensorView out = run.out(node);
        long rows = out.dim(0);
        long heads = op.heads();
        long perHead = (long) op.nopeDim() + op.ropeDim();
        TensorView pages = run.in(node, 1);
        long latent = pages.dim(2) - op.ropeDim();
        TensorView query = run.in(rope == null ? node : rope, 0);
        WeightViews.LatentWeights kvB = run.weights().latent(node);
        TensorView absorbed = run.stage().temporary(out.dtype(), rows, heads, latent);
        run.operators()
                .run(
                        "aclnnTransposeBatchMatMul",
                        query.strided(
                                0, new long[] {rows, heads, op.nopeDim()}, new long[] {heads * perHead, perHead, 1}),
                        kvB.keys(),
                        null,
                        null,
                        BATCH_SECOND,
                        AS_IT_IS,
                        BATCH_SECOND,
                        Basics.KEEP_DTYPE,
                        1,
                        absorbed);
        TensorView turned = run.stage().temporary(out.dtype(), rows, heads * op.ropeDim());
        if (rope == null) {
            run.basics()
                    .store(
                            query.strided(op.nopeDim(), new long[] {rows, heads, op.ropeDim()}, new long[] {
                                heads * perHead, perHead, 1
                            }),
                            turned.reshaped(rows, heads, op.ropeDim()));
        } else {
            Op.Rope turning = (Op.Rope) rope.op();
            Rotation rotation = new Rotation(run.basics());
            TensorView part = rotation.turned(turning, query, rope.operand(1), run);
            rotation.store(new Op.Rope(op.ropeDim(), 0, turning.pairing(), turning.frequencies()), part, turned);
        }
        TensorView[] apart = Caches.apart(pages, latent);
        TensorView context = run.stage().temporary(out.dtype(), rows, heads, latent);
        operator.attend(
                run,
                node,
                cache,
                absorbed.reshaped(rows, 1, heads, latent),
                apart[0].reshaped(pages.dim(0), pages.dim(1), latent),
                apart[0].reshaped(pages.dim(0), pages.dim(1), latent),
                turned.reshaped(rows, 1, heads, op.ropeDim()),
                apart[1].reshaped(pages.dim(0), pages.dim(1), op.ropeDim()),
                1,
                op.scale(),
                context.reshaped(rows, 1, heads, latent));
        run.operators()
                .run(
                        "aclnnTransposeBatchMatMul",
                        context,
                        kvB.values(),
                        null,
                        null,
                        BATCH_SECOND,
                        TURNED,
                        BATCH_SECOND,
                        Basics.KEEP_DTYPE,
                        1,
                        out.reshaped(rows, heads, op.valueDim()));
    }
}
