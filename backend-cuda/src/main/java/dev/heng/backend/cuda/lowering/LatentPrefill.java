package dev.heng.backend.cuda.lowering;

import dev.heng.spi.graph.ActivationFormat;
import dev.heng.spi.graph.Node;
import dev.heng.spi.graph.Op;
import dev.heng.spi.graph.Value;
import dev.heng.spi.tensor.DType;

/**
 * Latent attention of many rows on the matrix unit: the slots that the run looks at are gathered, expanded to keys and values of as many heads as fit, and attended to 128 rows
 * at a time. Expanding costs one product of the context for each run and spares two thirds of what attention on the latents themselves would multiply.
 */
final class LatentPrefill {

    /** Widest head that the kernel's registers hold: LatentShape. */
    private static final long WIDEST_KEY = 192;

    private static final long WIDEST_VALUE = 128;

    /** Slots are padded to tiles of so many for each sequence: SLOT_TILE of latent_gather.cu. */
    private static final long SLOT_TILE = 64;

    /** Rows of a block, and its shared memory: LatentShape. */
    private static final long ROWS = 128;

    private static final long SHARED = 81_920;

    /** What one pass over heads may take for expanded slots, and all of it with the gathered ones. */
    private static final long PASS_BYTES = 256L << 20;

    private static final long MOST_BYTES = 1536L << 20;

    /** Rows for each sequence from which on rows share their slots often enough. */
    private static final long ROWS_OF_SEQUENCE = 4;

    private LatentPrefill() {}

    private static long slots(Lowering to, Node node) {
        Value table = node.operand(5);
        long pageSize = node.operand(1).type().shape().dim(1).size();
        long capacity = Math.ceilDiv(to.width(table) * pageSize, SLOT_TILE) * SLOT_TILE;
        return Math.min(to.rows(table), to.rows(node.result())) * capacity;
    }

    /** Returns whether a node of this run is taken. */
    static boolean takes(Lowering to, Node node, Op.MlaAttention op) {
        Value state = node.operand(1);
        Value kvB = node.operand(2);
        long latent = kvB.type().shape().dim(-1).size();
        long rows = to.rows(node.result());
        boolean halves = node.operand(0).type().dtype() == DType.BF16
                && state.type().dtype() == DType.BF16
                && node.result().type().dtype() == DType.BF16;
        boolean whole = latent % 8 == 0 && op.nopeDim() % 8 == 0 && op.ropeDim() % 8 == 0 && op.valueDim() % 8 == 0;
        long slots = slots(to, node);
        long bytes = 2 * slots * (latent + op.ropeDim() + op.nopeDim() + op.valueDim());
        return halves
                && whole
                && op.nopeDim() + op.ropeDim() <= WIDEST_KEY
                && op.valueDim() <= WIDEST_VALUE
                && rows > Unit.FEW_ROWS
                && rows >= ROWS_OF_SEQUENCE * to.rows(node.operand(5))
                && bytes <= MOST_BYTES
                && slots <= Integer.MAX_VALUE
                && MatrixProducts.takes(
                        to.setting.matrices(), node.operand(0), kvB, DType.BF16, ActivationFormat.FLOAT);
    }

    static String attend(Lowering to, Node node, Op.MlaAttention op) {
        Value state = node.operand(1);
        Value table = node.operand(5);
        MatrixProducts.Ready kvB = MatrixProducts.ready(to, to.weight(node.operand(2)));
        int latent = (int) kvB.k();
        int width = latent + op.ropeDim();
        long rows = to.rows(node.result());
        long sequences = to.rows(table);
        long slots = slots(to, node);
        long headWidth = op.nopeDim() + (long) op.valueDim();
        int heads = Math.clamp(PASS_BYTES / Math.max(1, 2 * slots * headWidth), 1, op.heads());
        Located q = MatrixProducts.aligned(to, to.where(node.operand(0)), rows);
        Located y = to.place(node.result());

        Gathered gathered = gather(to, node, state, table, rows, slots, width);
        Located latents = new Located(gathered.rows(), width, DType.BF16, latent, node.operand(1));
        long expanded = to.temporary(2 * slots * heads * headWidth);
        String product = "";
        String kernel = op.nopeDim() + op.ropeDim() == WIDEST_KEY && op.valueDim() == WIDEST_VALUE
                ? "heng_latent_attend_192_128"
                : "heng_latent_attend";
        for (int head = 0; head < op.heads(); head += heads) {
            int count = Math.min(heads, op.heads() - head);
            product = MatrixProducts.multiply(
                    to,
                    kvB,
                    head * headWidth,
                    count * headWidth,
                    MatrixProducts.Tokens.of(latents, slots),
                    new MatrixProducts.Groups(1, gathered.offsets(), slots),
                    expanded);
            Arguments arguments = to.arguments("LatentAttendArgs")
                    .set("q", q.address() + 2L * head * (op.nopeDim() + op.ropeDim()))
                    .set("expanded", expanded)
                    .set("gathered", gathered.rows())
                    .set("lengths", gathered.lengths())
                    .set("bases", gathered.bases())
                    .set("positions", to.where(node.operand(3)).address())
                    .set("sequences", to.where(node.operand(4)).address())
                    .set("y", y.address() + 2L * head * op.valueDim())
                    .set("q_stride", q.stride())
                    .set("y_stride", y.stride())
                    .real("scale", op.scale())
                    .set("rows", rows)
                    .set("sequence_count", sequences)
                    .set("heads", count)
                    .set("nope", op.nopeDim())
                    .set("rope", op.ropeDim())
                    .set("value", op.valueDim())
                    .set("latent", latent);
            to.launch(kernel, count, Math.ceilDiv(rows, ROWS), 1, 256, SHARED, arguments);
        }
        return "latent_lengths+latent_gather+" + product + "+" + kernel;
    }

    /** Cache rows side by side, a sequence's from its base on. */
    private record Gathered(long rows, long lengths, long bases, long offsets) {}

    private static Gathered gather(Lowering to, Node node, Value state, Value table, long rows, long slots, int width) {
        long sequences = to.rows(table);
        long pageSize = state.type().shape().dim(1).size();
        long capacity = to.width(table) * pageSize;
        Gathered gathered = new Gathered(
                to.temporary(2 * slots * width),
                to.temporary(4 * sequences),
                to.temporary(4 * sequences),
                to.temporary(8));
        Arguments lengths = to.arguments("LatentLengthsArgs")
                .set("positions", to.where(node.operand(3)).address())
                .set("sequences", to.where(node.operand(4)).address())
                .set("lengths", gathered.lengths())
                .set("bases", gathered.bases())
                .set("offsets", gathered.offsets())
                .set("rows", rows)
                .set("sequence_count", sequences)
                .set("capacity", capacity);
        to.launch("latent_lengths", 1, 1, 1, 1024, 0, lengths);
        Arguments copy = AttentionKernels.cache(to, to.arguments("LatentGatherArgs"), "cache", state, node, 3, 0)
                .set("lengths", gathered.lengths())
                .set("bases", gathered.bases())
                .set("gathered", gathered.rows())
                .set("table_operand", 5);
        to.launch("latent_gather", Math.ceilDiv(capacity, SLOT_TILE), sequences, 1, 256, 0, copy);
        return gathered;
    }
}
