package dev.heng.backend.cuda.lowering;

import dev.heng.spi.graph.ActivationFormat;
import dev.heng.spi.graph.Node;
import dev.heng.spi.graph.Op;
import dev.heng.spi.graph.Value;
import dev.heng.spi.tensor.DType;

/** All experts for many rows on the matrix unit: rows are sorted by expert, multiplied, and summed for each token, without a count ever reaching the host. */
final class MatrixExperts {

    /** Slots of a token that the quantisation on the way to experts can hold: quantize.cu. */
    private static final long MOST_SLOTS = 64;

    /** Items of a block that sorts: CHUNK of dispatch.cu. */
    private static final long CHUNK = 1024;

    private MatrixExperts() {}

    /** Returns whether the matrix unit takes a whole set of experts, by types and shapes alone. */
    static boolean takes(MatrixUnit unit, Unit.Experts experts) {
        Op.GroupedLinear first = (Op.GroupedLinear) experts.gate().op();
        Op.GroupedLinear last = (Op.GroupedLinear) experts.down().op();
        Value x = experts.dispatch().operand(0);
        Value middle = experts.swiglu().result();
        Value addend = experts.addend();
        boolean rounded = first.out() == DType.BF16
                && last.out() == DType.BF16
                && middle.type().dtype() == DType.BF16
                && experts.combine().result().type().dtype() == DType.BF16
                && experts.result().type().dtype() == DType.BF16
                && (addend == null || addend.type().dtype() == DType.BF16);
        return rounded
                && experts.dispatch().operand(1).type().shape().dim(-1).size() <= MOST_SLOTS
                && x.type().shape().dim(-1).size() % 8 == 0
                && experts.result().type().shape().dim(-1).size() % 8 == 0
                && MatrixProducts.takes(unit, x, experts.gate().operand(2), first.out(), first.activation())
                && MatrixProducts.takes(unit, middle, experts.down().operand(2), last.out(), last.activation());
    }

    static String experts(Lowering to, Unit.Experts unit) {
        Op.Dispatch dispatch = (Op.Dispatch) unit.dispatch().op();
        Op.GroupedLinear first = (Op.GroupedLinear) unit.gate().op();
        Op.GroupedLinear last = (Op.GroupedLinear) unit.down().op();
        Value ids = unit.dispatch().operand(1);
        long tokens = to.rows(ids);
        long slots = to.width(ids);
        long items = tokens * slots;
        Sorted sorted = sort(to, ids, items, dispatch);
        MatrixProducts.Groups groups = new MatrixProducts.Groups(dispatch.localExperts(), sorted.offsets(), items);

        Located x = to.where(unit.dispatch().operand(0));
        MatrixProducts.Tokens rows = first.activation() == ActivationFormat.FLOAT
                ? scatter(to, x, tokens, slots, sorted)
                : MatrixProducts.e4m3(to, x, tokens, sorted.inverse(), slots, groups, first.activation());
        StoredWeight gate = to.weight(unit.gate().operand(2));
        StoredWeight up = to.weight(unit.up().operand(2));
        StoredWeight down = to.weight(unit.down().operand(2));
        Value middle = unit.swiglu().result();
        Located h = to.temporaryRows(items, to.width(middle), DType.BF16, middle);
        String upward = MatrixProducts.multiply(to, gate, up, rows, groups, h.address(), false);
        Located y = to.temporaryRows(
                items, Math.toIntExact(down.rows()), DType.BF16, unit.down().result());
        String downward = MatrixProducts.grouped(to, last, down, h, groups, y);
        combine(to, unit, sorted, y, slots);
        return "group+" + upward + "+" + downward + "+heng_group_combine";
    }

    /** Where items went: offsets of the experts, and the row of each item, -1 where it has none. */
    private record Sorted(long offsets, long inverse) {}

    private static Sorted sort(Lowering to, Value ids, long items, Op.Dispatch dispatch) {
        long experts = dispatch.localExperts();
        long chunks = Math.ceilDiv(items, CHUNK);
        long counts = to.temporary(4 * chunks * experts);
        long offsets = to.temporary(4 * (experts + 1));
        long origins = to.temporary(4 * items);
        long inverse = to.temporary(4 * items);
        long from = to.where(ids).address();
        Arguments count = to.arguments("GroupCountArgs")
                .set("ids", from)
                .set("counts", counts)
                .set("items", items)
                .set("first", dispatch.firstExpert())
                .set("experts", experts);
        to.launch("heng_group_count", chunks, 1, 1, 1024, 4 * experts, count);
        Arguments scan = to.arguments("GroupScanArgs")
                .set("counts", counts)
                .set("offsets", offsets)
                .set("chunks", chunks)
                .set("experts", experts);
        to.launch("heng_group_scan", 1, 1, 1, 1024, 0, scan);
        Arguments place = to.arguments("GroupPlaceArgs")
                .set("ids", from)
                .set("starts", counts)
                .set("offsets", offsets)
                .set("origins", origins)
                .set("inverse", inverse)
                .set("items", items)
                .set("first", dispatch.firstExpert())
                .set("experts", experts);
        to.launch("heng_group_place", chunks, 1, 1, 1024, 64 * experts, place);
        return new Sorted(offsets, inverse);
    }

    private static MatrixProducts.Tokens scatter(Lowering to, Located from, long tokens, long slots, Sorted sorted) {
        Located x = MatrixProducts.aligned(to, from, tokens);
        Located rows = to.temporaryRows(tokens * slots, x.columns(), DType.BF16, x.root());
        Arguments arguments = to.arguments("ScatterRowsArgs")
                .set("x", x.address())
                .set("inverse", sorted.inverse())
                .set("rows", rows.address())
                .set("tokens", tokens)
                .set("slots", slots)
                .set("pitch", x.stride() / 8)
                .set("pieces", x.columns() / 8);
        long blocks = Math.min(tokens, 8L * to.setting.matrices().multiprocessors());
        to.launch("heng_scatter_rows", blocks, 1, 1, 256, 0, arguments);
        return MatrixProducts.Tokens.of(rows, tokens * slots);
    }

    private static void combine(Lowering to, Unit.Experts unit, Sorted sorted, Located y, long slots) {
        Node combine = unit.combine();
        long tokens = to.rows(combine.result());
        Value addend = unit.addend();
        Located added = addend == null ? null : dense(to, to.where(addend), tokens);
        Arguments arguments = to.arguments("GroupCombineArgs")
                .set("rows", y.address())
                .set("inverse", sorted.inverse())
                .set("weights", to.where(combine.operand(2)).address())
                .set("addend", added == null ? 0 : added.address())
                .set("y", to.place(unit.result()).address())
                .set("slots", slots)
                .set("width", y.columns());
        to.launch("heng_group_combine", tokens, Math.ceilDiv(y.columns(), 2048), 1, 256, 0, arguments);
    }

    private static Located dense(Lowering to, Located x, long rows) {
        if (x.stride() == x.columns() && x.address() % 16 == 0) {
            return x;
        }
        Located copy = to.temporaryRows(rows, x.columns(), x.type(), x.root());
        RowKernels.copy(to, x, copy, rows);
        return copy;
    }
}
