package dev.heng.backend.cuda.lowering;

import dev.heng.spi.graph.Node;
import dev.heng.spi.graph.Op;
import dev.heng.spi.graph.Value;

/** Launches around experts, and the collectives of a single rank. */
final class ExpertKernels {

    private ExpertKernels() {}

    /** Shared memory that needs no permission. */
    private static final long PLAIN_SHARED = 48L << 10;

    static String route(Lowering to, Node node, Op.Route op) {
        Located logits = to.where(node.operand(0));
        Arguments arguments = choice(to, to.arguments("RouteArgs"), "", node, op, logits.address(), logits.stride());
        long warps = Math.clamp(PLAIN_SHARED / choiceBytes(op), 1, 4);
        to.launchOverlapping(
                "route",
                Math.ceilDiv(to.rows(node.operand(0)), warps),
                1,
                1,
                (int) (32 * warps),
                warps * choiceBytes(op),
                arguments);
        return "route";
    }

    /** Returns the shared memory of the warp that chooses for a row: ROUTE_FLOATS of route.cuh. */
    static long choiceBytes(Op.Route op) {
        return 4 * (3L * op.experts() + 2L * op.groups());
    }

    /** Writes a {@code RouteArgs}. */
    static Arguments choice(
            Lowering to, Arguments arguments, String prefix, Node node, Op.Route op, long logits, long stride) {
        Value bias = node.operands().size() == 2 ? node.operand(1) : null;
        return arguments
                .set(prefix + "logits", logits)
                .set(prefix + "bias", bias == null ? 0 : to.weight(bias).elements())
                .set(prefix + "ids", to.place(node.results().get(0)).address())
                .set(prefix + "weights", to.place(node.results().get(1)).address())
                .set(prefix + "stride", stride)
                .set(prefix + "rows", to.rows(node.operand(0)))
                .real(prefix + "scale", op.scale())
                .set(prefix + "experts", op.experts())
                .set(prefix + "top_k", op.topK())
                .set(
                        prefix + "score",
                        switch (op.score()) {
                            case SIGMOID -> 0;
                            case SOFTMAX -> 1;
                            case SQRT_SOFTPLUS -> 2;
                        })
                .set(prefix + "groups", op.groups())
                .set(prefix + "kept_groups", op.keptGroups())
                .set(prefix + "two_sum", op.groupScore() == Op.Route.GroupScore.TOP_TWO_SUM)
                .set(prefix + "masked_zero", op.masked() == Op.Route.Masked.ZERO)
                .set(prefix + "normalize", op.normalize());
    }

    static String dispatch(Lowering to, Node node, Op.Dispatch op) {
        Value ids = node.operand(1);
        Located origins = to.place(node.results().get(2));
        Arguments arguments = to.arguments("DispatchArgs")
                .set("ids", to.where(ids).address())
                .set("offsets", to.place(node.results().get(1)).address())
                .set("origins", origins.address())
                .set("slots", ids.type().shape().elements(to.dims))
                .set("first_expert", op.firstExpert())
                .set("experts", op.localExperts());
        to.launch("dispatch", op.localExperts() + 1L, 1, 1, 256, 0, arguments);
        RowKernels.gather(
                to, node.operand(0), origins.address(), node.results().get(0), Math.max(1, to.width(ids)), true);
        return "dispatch+gather_rows";
    }

    static String combine(Lowering to, Node node) {
        Value origins = node.operand(1);
        long slots = origins.type().shape().elements(to.dims);
        long places = to.temporary(slots * 4);
        to.fill(places, 0xff, slots * 4);
        Arguments invert = to.arguments("InvertArgs")
                .set("origins", to.where(origins).address())
                .set("places", places)
                .set("rows", slots);
        to.launch("invert", Math.ceilDiv(slots, 256L), 1, 1, 256, 0, invert);
        Located y = to.place(node.result());
        Arguments arguments = to.arguments("CombineArgs")
                .rows("x", to.where(node.operand(0)))
                .rows("y", y)
                .set("places", places)
                .set("weights", to.where(node.operand(2)).address())
                .set("top_k", to.width(node.operand(2)));
        to.launch("combine", to.rows(node.result()), Math.ceilDiv(y.columns(), 256), 1, 256, 0, arguments);
        return "invert+combine";
    }

    /** Over one rank a sum is a copy (COMM-001). */
    static String allReduce(Lowering to, Node node) {
        RowKernels.copy(to, to.where(node.operand(0)), to.place(node.result()), to.rows(node.result()));
        return "copy_rows";
    }

    /** Over one rank every row stays where it is (COMM-002). */
    static String allToAll(Lowering to, Node node, Op.AllToAll op) {
        RowKernels.copy(to, to.where(node.operand(0)), to.place(node.results().get(0)), to.rows(node.operand(0)));
        Arguments arguments = to.arguments("ReceiptArgs")
                .set("offsets", to.where(node.operand(1)).address())
                .set("received", to.place(node.results().get(1)).address())
                .set("receipt", to.place(node.results().get(2)).address())
                .set("experts", op.localExperts());
        to.launch("receipt", 1, 1, 1, 256, 0, arguments);
        return "copy_rows+receipt";
    }

    static String allToAllReturn(Lowering to, Node node) {
        RowKernels.copy(to, to.where(node.operand(0)), to.place(node.result()), to.rows(node.result()));
        return "copy_rows";
    }
}
