package dev.heng.backend.cuda.lowering;

import dev.heng.spi.graph.Node;
import dev.heng.spi.graph.Op;
import dev.heng.spi.graph.Value;
import dev.heng.spi.tensor.DType;

/** Launches of caches and attention. */
final class AttentionKernels {

    /** Bytes of intermediate results that one pass over rows may take. */
    private static final long PASS_BYTES = 256L << 20;

    /** Blocks of attention that fill a large GPU. */
    private static final long ENOUGH_BLOCKS = 528;

    private static final long LEAST_SLOTS = 64;

    /** Heads of a block of attend_latent, the widest latent that its registers hold, and as many blocks as run at once on a large GPU. */
    private static final int HEADS = 16;

    private static final int WIDEST_LATENT = 512;

    private static final long ENOUGH_SHARED = 264;

    private AttentionKernels() {}

    /** Writes a {@code Cache}: a state with the positions, sequences and page table that stand in a node's operands from {@code first} on. */
    static Arguments cache(
            Lowering to, Arguments arguments, String field, Value state, Node node, int first, long row) {
        Value table = node.operand(first + 2);
        return arguments
                .set(field + ".data", to.state(state))
                .set(field + ".positions", to.where(node.operand(first)).address() + 4 * row)
                .set(field + ".sequences", to.where(node.operand(first + 1)).address() + 4 * row)
                .set(field + ".page_table", to.where(table).address())
                .set(field + ".width", state.type().shape().dim(2).size())
                .set(field + ".pages", state.type().shape().dim(0).size(to.dims))
                .set(field + ".type", Arguments.typeOf(state.type().dtype()))
                .set(field + ".page_size", state.type().shape().dim(1).size())
                .set(field + ".sequence_count", to.rows(table))
                .set(field + ".table_stride", to.width(table));
    }

    static String append(Lowering to, Node node, Op.KvAppend append) {
        Value state = node.operand(0);
        int positions = 1 + append.parts();
        long rows = to.rows(node.operand(positions));
        if (rows == 0) {
            return "kv_append";
        }
        Arguments check = cache(to, to.arguments("KvCheckArgs"), "cache", state, node, positions, 0)
                .set("rows", rows)
                .set("positions_operand", positions);
        to.launch("kv_check", 1, 1, 1, 256, 0, check);
        int offset = 0;
        for (int part = 1; part <= append.parts(); part++) {
            Located from = to.where(node.operand(part));
            Arguments arguments = cache(to, to.arguments("KvAppendArgs"), "cache", state, node, positions, 0)
                    .rows("part", from)
                    .set("offset", offset);
            to.launch("kv_append", rows, Math.ceilDiv(from.columns(), 128), 1, 128, 0, arguments);
            offset += from.columns();
        }
        return "kv_append";
    }

    private record Splits(int count, int slots) {}

    private static Splits splits(
            Lowering to, Value table, int pageSize, long heads, long rows, long enough, long least) {
        long capacity = Math.max(1, (long) to.width(table) * pageSize);
        long wanted = Math.clamp(enough / Math.max(1, heads * rows), 1, Math.ceilDiv(capacity, least));
        long slots = Math.ceilDiv(Math.ceilDiv(capacity, wanted), 32L) * 32;
        return new Splits((int) Math.ceilDiv(capacity, slots), (int) slots);
    }

    private static long passRows(long rows, long bytesOfRow) {
        return Math.clamp(PASS_BYTES / Math.max(1, bytesOfRow), 1, Math.min(rows, 65535));
    }

    static String latent(Lowering to, Node node, Op.MlaAttention op) {
        if (LatentPrefill.takes(to, node, op)) {
            return LatentPrefill.attend(to, node, op);
        }
        Value state = node.operand(1);
        StoredWeight kvB = to.weight(node.operand(2));
        Value table = node.operand(5);
        int latent = (int) kvB.columns();
        int keyWidth = latent + op.ropeDim();
        long rows = to.rows(node.result());
        Located q = to.where(node.operand(0));
        Located y = to.place(node.result());
        if (rows == 0) {
            return "mla";
        }
        boolean shared = latent <= WIDEST_LATENT && latent % 2 == 0 && keyWidth % 16 == 0;
        String suffix = Arguments.suffixOf(kvB.value().type().dtype());
        long groups = shared ? Math.ceilDiv(op.heads(), HEADS) : op.heads();
        Splits splits = splits(
                to,
                table,
                pageSize(state),
                groups,
                rows,
                shared ? ENOUGH_SHARED : ENOUGH_BLOCKS,
                shared ? 32 : LEAST_SLOTS);
        long bytesOfRow = 4L * op.heads() * (keyWidth + (long) splits.count() * (latent + 2));
        long pass = passRows(rows, bytesOfRow);
        Located absorbed = to.temporaryRows(pass, Math.multiplyExact(op.heads(), keyWidth), DType.F32, node.operand(0));
        long partial = to.temporary(pass * op.heads() * splits.count() * (latent + 2) * 4L);
        for (long row = 0; row < rows; row += pass) {
            long count = Math.min(pass, rows - row);
            Arguments absorb = to.arguments("AbsorbArgs")
                    .weight("kv_b", kvB)
                    .rows("q", q.from(row))
                    .set("absorbed", absorbed.address())
                    .set("heads", op.heads())
                    .set("nope", op.nopeDim())
                    .set("rope", op.ropeDim())
                    .set("value", op.valueDim())
                    .set("latent", latent);
            to.launchOverlapping(
                    "absorb_" + suffix,
                    op.heads(),
                    count,
                    Math.ceilDiv(latent, 128),
                    256,
                    4L * ((long) op.nopeDim() + op.ropeDim()),
                    absorb);
            Arguments attend = to.arguments("AttendArgs");
            cache(to, attend, "keys", state, node, 3, row);
            cache(to, attend, "values", state, node, 3, row);
            attend.rows("q", absorbed)
                    .set("partial", partial)
                    .real("scale", op.scale())
                    .set("heads", op.heads())
                    .set("group", op.heads())
                    .set("key_width", keyWidth)
                    .set("value_width", latent)
                    .set("splits", splits.count())
                    .set("slots_per_split", splits.slots())
                    .set("first_row", row)
                    .set("table_operand", 5);
            if (shared) {
                long bytes = 4L * (HEADS * (long) keyWidth + 32 * (keyWidth + 4L));
                to.launchOverlapping("attend_latent", splits.count(), groups, count, 256, bytes, attend);
            } else {
                to.launch("attend", splits.count(), groups, count, 128, 4L * keyWidth, attend);
            }
            Arguments values = to.arguments("MlaValuesArgs")
                    .weight("kv_b", kvB)
                    .set("partial", partial)
                    .set("positions", to.where(node.operand(3)).address() + 4 * row)
                    .rows("y", y.from(row))
                    .set("heads", op.heads())
                    .set("nope", op.nopeDim())
                    .set("value", op.valueDim())
                    .set("latent", latent)
                    .set("splits", splits.count())
                    .set("slots_per_split", splits.slots());
            to.launchOverlapping(
                    "mla_values_" + suffix,
                    op.heads(),
                    count,
                    Math.ceilDiv(op.valueDim(), 32),
                    256,
                    4L * (Math.ceilDiv(latent, 32L) * 32 + roundedUp(splits.count())),
                    values);
        }
        return "absorb_" + suffix + (shared ? "+attend_latent" : "+attend") + "+mla_values_" + suffix;
    }

    /** Returns the floats of shared memory for so many factors: the compiler reads them four at a time. */
    private static long roundedUp(int factors) {
        return Math.ceilDiv((long) factors, 4L) * 4;
    }

    private static int pageSize(Value state) {
        return Math.toIntExact(state.type().shape().dim(1).size());
    }

    static String grouped(Lowering to, Node node, Op.GroupedQueryAttention op) {
        Value keys = node.operand(1);
        Value values = node.operand(2);
        Value table = node.operand(5);
        long rows = to.rows(node.result());
        Located q = to.where(node.operand(0));
        Located y = to.place(node.result());
        if (rows == 0) {
            return "attend";
        }
        Splits splits = splits(to, table, pageSize(keys), op.heads(), rows, ENOUGH_BLOCKS, LEAST_SLOTS);
        long pass = passRows(rows, 4L * op.heads() * splits.count() * (op.valueDim() + 2));
        long partial = to.temporary(pass * op.heads() * splits.count() * (op.valueDim() + 2) * 4L);
        for (long row = 0; row < rows; row += pass) {
            long count = Math.min(pass, rows - row);
            Arguments attend = to.arguments("AttendArgs");
            cache(to, attend, "keys", keys, node, 3, row);
            cache(to, attend, "values", values, node, 3, row);
            attend.rows("q", q.from(row))
                    .set("partial", partial)
                    .real("scale", op.scale())
                    .set("heads", op.heads())
                    .set("group", op.heads() / op.kvHeads())
                    .set("key_width", op.headDim())
                    .set("value_width", op.valueDim())
                    .set("splits", splits.count())
                    .set("slots_per_split", splits.slots())
                    .set("first_row", row)
                    .set("table_operand", 5);
            to.launch("attend", splits.count(), op.heads(), count, 128, 4L * op.headDim(), attend);
            Arguments merge = to.arguments("MergeArgs")
                    .set("partial", partial)
                    .set("positions", to.where(node.operand(3)).address() + 4 * row)
                    .rows("y", y.from(row))
                    .set("heads", op.heads())
                    .set("width", op.valueDim())
                    .set("splits", splits.count())
                    .set("slots_per_split", splits.slots());
            to.launch("merge_heads", op.heads(), count, 1, 128, 4L * roundedUp(splits.count()), merge);
        }
        return "attend+merge_heads";
    }
}
