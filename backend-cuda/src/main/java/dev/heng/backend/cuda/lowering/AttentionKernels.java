package dev.heng.backend.cuda.lowering;

import dev.heng.spi.graph.Node;
import dev.heng.spi.graph.Op;
import dev.heng.spi.graph.Value;
import dev.heng.spi.tensor.DType;
import org.jspecify.annotations.Nullable;

/** Launches of caches and attention. */
final class AttentionKernels {

    /** Bytes of intermediate results that one pass over rows may take. */
    private static final long PASS_BYTES = 256L << 20;

    /** Blocks of attention that fill a large GPU, and the slots that make a block's work worth while. */
    private static final long ENOUGH_BLOCKS = 528;

    private static final long ENOUGH_LATENT_BLOCKS = 256;

    private static final long LEAST_SLOTS = 32;

    /** Heads of a block of latent attention: few while the cache is read often enough from near by, many otherwise. */
    private static final int FEW_HEADS = 4;

    private static final int MANY_HEADS = 16;

    /** The widest latent and key that the fast kernel takes: its registers hold two columns and three words a thread. */
    private static final int WIDEST_LATENT = 512;

    private static final int WIDEST_KEY = 768;

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

    /** Returns over how many blocks a row's slots are dealt out at most; slots_per_split of cache.cuh says which has how many. */
    private static int splits(Lowering to, Value table, int pageSize, long groups, long rows, long enough) {
        long capacity = Math.max(1, (long) to.width(table) * pageSize);
        return (int) Math.clamp(enough / Math.max(1, groups * rows), 1, Math.ceilDiv(capacity, LEAST_SLOTS));
    }

    private static long passRows(long rows, long bytesOfRow) {
        return Math.clamp(PASS_BYTES / Math.max(1, bytesOfRow), 1, Math.min(rows, 65535));
    }

    /** Returns whether the fast kernel takes an attention. */
    static boolean isFast(Op.MlaAttention op, Value kvB) {
        long latent = kvB.type().shape().dim(-1).size();
        long keyWidth = latent + op.ropeDim();
        return latent <= WIDEST_LATENT && latent % 2 == 0 && keyWidth % 8 == 0 && keyWidth <= WIDEST_KEY;
    }

    static String latent(Lowering to, Unit.Latent unit) {
        return latent(to, unit.attention(), (Op.MlaAttention) unit.attention().op(), unit);
    }

    /** Launches latent attention; with {@code before}, what precedes it as well. */
    static String latent(Lowering to, Node node, Op.MlaAttention op, Unit.@Nullable Latent before) {
        if (before == null && LatentPrefill.takes(to, node, op)) {
            return LatentPrefill.attend(to, node, op);
        }
        Value state = node.operand(1);
        StoredWeight kvB = to.weight(node.operand(2));
        Value table = node.operand(5);
        int latent = (int) kvB.columns();
        int keyWidth = latent + op.ropeDim();
        long rows = to.rows(node.result());
        Located q =
                to.where(before == null ? node.operand(0) : before.queryRope().operand(0));
        Located y = to.place(node.result());
        if (rows == 0) {
            return "mla";
        }
        boolean fast = isFast(op, node.operand(2));
        boolean few = rows <= Unit.FEW_ROWS;
        int heads = few && op.heads() <= 2 * MANY_HEADS ? FEW_HEADS : MANY_HEADS;
        String suffix = Arguments.suffixOf(kvB.value().type().dtype());
        long groups = fast ? Math.ceilDiv(op.heads(), heads) : op.heads();
        int splits = splits(to, table, pageSize(state), groups, rows, fast ? ENOUGH_LATENT_BLOCKS : ENOUGH_BLOCKS);
        long bytesOfRow = 4L * op.heads() * (keyWidth + (long) splits * (latent + 2));
        long pass = passRows(rows, bytesOfRow);
        Located absorbed = to.temporaryRows(pass, Math.multiplyExact(op.heads(), keyWidth), DType.F32, node.operand(0));
        long partial = to.temporary(pass * op.heads() * splits * (latent + 2) * 4L);
        String first = before == null ? "absorb_" + suffix : "latent_query_" + suffix;
        String second = fast ? "attend_latent" + heads : "attend";
        for (long row = 0; row < rows; row += pass) {
            long count = Math.min(pass, rows - row);
            if (before != null) {
                latentQuery(to, before, kvB, q, absorbed, op, rows);
            } else {
                Arguments absorb = to.arguments("AbsorbArgs")
                        .weight("kv_b", kvB)
                        .rows("q", q.from(row))
                        .set("absorbed", absorbed.address())
                        .set("heads", op.heads())
                        .set("nope", op.nopeDim())
                        .set("rope", op.ropeDim())
                        .set("value", op.valueDim())
                        .set("latent", latent);
                long bytes = 4L * ((long) op.nopeDim() + op.ropeDim());
                to.launchOverlapping(first, op.heads(), count, Math.ceilDiv(latent, 128), 256, bytes, absorb);
            }
            to.originIs(node);
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
                    .set("splits", splits)
                    .set("first_row", row)
                    .set("table_operand", 5)
                    .set("all_rows", few && count == rows);
            if (fast) {
                long bytes = 4L * (heads * (long) keyWidth + 32 * (keyWidth + 4L));
                to.launchOverlapping(second, splits, groups, count, 256, bytes, attend);
            } else {
                to.launch(second, splits, groups, count, 128, 4L * keyWidth, attend);
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
                    .set("splits", splits);
            to.launchOverlapping(
                    "mla_values_" + suffix,
                    op.heads(),
                    count,
                    Math.ceilDiv(op.valueDim(), 32),
                    256,
                    4L * (FewRowsKernels.stagedFloats(latent) + roundedUp(splits))
                            + 8 * FewRowsKernels.ringBytes(kvB.value()),
                    values);
        }
        return first + "+" + second + "+mla_values_" + suffix;
    }

    private static void latentQuery(
            Lowering to,
            Unit.Latent unit,
            StoredWeight kvB,
            Located q,
            Located absorbed,
            Op.MlaAttention op,
            long rows) {
        Node append = unit.append();
        Op.Rope rope = (Op.Rope) unit.queryRope().op();
        long table = RowKernels.ropeTable(to, append.operand(3), rope);
        to.originIs(append);
        Arguments arguments = cache(to, to.arguments("LatentArgs"), "cache", append.operand(0), append, 3, 0)
                .weight("norm", to.weight(unit.norm().operand(1)))
                .weight("kv_b", kvB)
                .rows("latent", to.where(unit.norm().operand(0)))
                .rows("rope_key", to.where(unit.keyRope().operand(0)))
                .rows("q", q)
                .set("absorbed", absorbed.address())
                .set("table", table)
                .real("epsilon", ((Op.RmsNorm) unit.norm().op()).epsilon())
                .set("rows", rows)
                .set("positions_operand", 3)
                .set("heads", op.heads())
                .set("nope", op.nopeDim())
                .set("value", op.valueDim())
                .set("pairs", rope.frequencies().pairs())
                .set("interleaved", rope.pairing() == Op.Pairing.INTERLEAVED);
        long slices = Math.ceilDiv(kvB.columns(), 128L);
        to.launchOverlapping(
                "latent_query_" + Arguments.suffixOf(kvB.value().type().dtype()),
                1 + op.heads() * slices,
                rows,
                1,
                256,
                0,
                arguments);
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
        int splits = splits(to, table, pageSize(keys), op.heads(), rows, ENOUGH_BLOCKS);
        long pass = passRows(rows, 4L * op.heads() * splits * (op.valueDim() + 2));
        long partial = to.temporary(pass * op.heads() * splits * (op.valueDim() + 2) * 4L);
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
                    .set("splits", splits)
                    .set("first_row", row)
                    .set("table_operand", 5)
                    .set("all_rows", false);
            to.launch("attend", splits, op.heads(), count, 128, 4L * op.headDim(), attend);
            Arguments merge = to.arguments("MergeArgs")
                    .set("partial", partial)
                    .set("positions", to.where(node.operand(3)).address() + 4 * row)
                    .rows("y", y.from(row))
                    .set("heads", op.heads())
                    .set("width", op.valueDim())
                    .set("splits", splits);
            to.launch("merge_heads", op.heads(), count, 1, 128, 4L * roundedUp(splits), merge);
        }
        return "attend+merge_heads";
    }
}
