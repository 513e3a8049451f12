package dev.heng.backend.ascend.lowering;

import dev.heng.backend.ascend.device.Operators;
import dev.heng.backend.ascend.device.TensorView;
import dev.heng.spi.graph.Node;
import dev.heng.spi.graph.Op;
import dev.heng.spi.graph.Value;
import dev.heng.spi.tensor.DType;
import java.util.List;
import java.util.Objects;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/**
 * MlaAttention in float32, absorbed: the query meets the latent itself. The rotation of the query belongs to it if nobody else reads that: the turned part goes
 * straight to where it meets the cache.
 */
final class UnfusedLatentAttention extends UnfusedAttention {

    private static final Operators.Integers BATCH_SECOND = new Operators.Integers(List.of(1L, 0L, 2L));
    private static final Operators.Integers AS_IT_IS = new Operators.Integers(List.of(0L, 1L, 2L));
    private static final Operators.Integers TURNED = new Operators.Integers(List.of(0L, 2L, 1L));

    private final @Nullable Node rope;
    private final Op.MlaAttention op;

    /** Describes the attention, with the rotation of its query or null. */
    UnfusedLatentAttention(@Nullable Node rope, Node node) {
        super(node, 3);
        this.rope = rope;
        this.op = (Op.MlaAttention) node.op();
    }

    @Override
    public List<Node> nodes() {
        return rope == null ? List.of(node) : List.of(rope, node);
    }

    @Override
    public String kernel() {
        return (rope == null ? "" : "aclnnRotaryPositionEmbedding+") + super.kernel();
    }

    @Override
    public Optional<LatentParts> latentParts() {
        return Optional.of(new LatentParts(node, DType.F32));
    }

    @Override
    public boolean isRepeatable() {
        return super.isRepeatable() && (rope == null || rope.operand(1).role() == Value.Role.INPUT);
    }

    @Override
    long slotBytes(Run run) {
        return 4L * run.in(node, 1).dim(2);
    }

    @Override
    void attend(Run run, PagedCache cache, int from, int rows, int slots) {
        TensorView pages = run.in(node, 1);
        long heads = op.heads();
        long width = pages.dim(2);
        long latent = width - op.ropeDim();
        long perHead = (long) op.nopeDim() + op.ropeDim();
        Node source = rope == null ? node : rope;
        TensorView queries = run.basics().in(DType.F32, run.in(source, 0)).rows(from, rows);
        WeightViews.LatentWeights kvB = run.weights().latent(node);
        TensorView meets = run.stage().temporary(DType.F32, rows, heads, width);
        TensorView absorbed = run.stage().temporary(DType.F32, rows, heads, latent);
        run.operators()
                .run(
                        "aclnnTransposeBatchMatMul",
                        queries.strided(
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
        run.basics().store(absorbed, meets.strided(0, new long[] {rows, heads, latent}, new long[] {
            heads * width, width, 1
        }));
        TensorView keyPart = meets.reshaped(rows, heads * width);
        if (rope == null) {
            run.basics()
                    .store(
                            queries.strided(op.nopeDim(), new long[] {rows, heads, op.ropeDim()}, new long[] {
                                heads * perHead, perHead, 1
                            }),
                            meets.strided(
                                    latent, new long[] {rows, heads, op.ropeDim()}, new long[] {heads * width, width, 1
                                    }));
        } else {
            Op.Rope turning = (Op.Rope) rope.op();
            Rotation rotation = new Rotation(run.basics());
            TensorView turned = turned(run, rotation, turning);
            // Heads of the query are as wide as a cache row here, and their rotated part begins behind the latent.
            Op.Rope placed = new Op.Rope((int) width, (int) latent, turning.pairing(), turning.frequencies());
            rotation.store(placed, turned.rows(from, rows), keyPart);
        }
        History history = new History(cache, from, rows, slots);
        TensorView seen = history.gather(run, node, pages, 1).reshaped(rows, slots, width);
        TensorView probabilities = weigh(run, meets, seen.transposed(), op.scale(), history);
        // The rotated keys are summed too, and left out below: taking them out of the history would copy it.
        TensorView context = run.stage().temporary(DType.F32, rows, heads, width);
        run.operators().run("aclnnBatchMatMul", probabilities, seen, context, Basics.KEEP_DTYPE);
        TensorView out = run.out(node).rows(from, rows);
        boolean direct = out.dtype() == DType.F32;
        TensorView result = (direct ? out : run.stage().temporary(DType.F32, rows, out.dim(1)))
                .reshaped(rows, heads, op.valueDim());
        run.operators()
                .run(
                        "aclnnTransposeBatchMatMul",
                        context.strided(0, new long[] {rows, heads, latent}, new long[] {heads * width, width, 1}),
                        kvB.values(),
                        null,
                        null,
                        BATCH_SECOND,
                        TURNED,
                        BATCH_SECOND,
                        Basics.KEEP_DTYPE,
                        1,
                        result);
        if (!direct) {
            run.basics().store(result.reshaped(rows, out.dim(1)), out);
        }
    }

    private @Nullable TensorView turnedOfRun;

    @Override
    void begin(Run run) {
        turnedOfRun = null;
    }

    /** All rows are turned at once, for the first piece. */
    private TensorView turned(Run run, Rotation rotation, Op.Rope turning) {
        TensorView known = turnedOfRun;
        if (known == null) {
            Node turner = Objects.requireNonNull(rope);
            known = rotation.turned(turning, run.in(turner, 0), turner.operand(1), run);
            turnedOfRun = known;
        }
        return known;
    }
}
