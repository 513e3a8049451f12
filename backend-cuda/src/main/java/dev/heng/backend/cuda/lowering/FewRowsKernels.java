package dev.heng.backend.cuda.lowering;

import dev.heng.spi.graph.Node;
import dev.heng.spi.graph.Op;
import dev.heng.spi.graph.Value;

/** Launches of what a step of few rows is made of: fused chains that read every weight once and sort nothing. */
final class FewRowsKernels {

    /** Outputs of a block. */
    private static final long OUTPUTS = 8;

    /** Outputs of a block of the experts' second half: DOWN_OUTPUTS of experts.cu. */
    private static final long DOWN_OUTPUTS = 4;

    private FewRowsKernels() {}

    private static String suffix(StoredWeight weight) {
        return Arguments.suffixOf(weight.value().type().dtype());
    }

    static String gated(Lowering to, Unit.Gated unit) {
        Op.Linear op = (Op.Linear) unit.gate().op();
        StoredWeight gate = to.weight(unit.gate().operand(1));
        long rows = to.rows(unit.swiglu().result());
        Located x = to.where(unit.gate().operand(0));
        Arguments arguments = to.arguments("GatedArgs")
                .weight("gate", gate)
                .weight("up", to.weight(unit.up().operand(1)))
                .set("ids", 0)
                .rows("x", x)
                .rows("y", to.place(unit.swiglu().result()))
                .set("rows", rows)
                .set("top_k", 1)
                .set("first_expert", 0)
                .set("experts", 1)
                .set("round_to", Arguments.typeOf(op.out()));
        to.launchOverlapping(
                "gated_" + suffix(gate),
                Math.ceilDiv(gate.rows(), OUTPUTS),
                rows,
                1,
                256,
                ProductKernels.stagedBytes(gate.columns(), 1),
                arguments);
        return "gated_" + suffix(gate);
    }

    static String experts(Lowering to, Unit.Experts unit) {
        Op.Dispatch dispatch = (Op.Dispatch) unit.dispatch().op();
        Op.GroupedLinear first = (Op.GroupedLinear) unit.gate().op();
        Op.GroupedLinear last = (Op.GroupedLinear) unit.down().op();
        StoredWeight gate = to.weight(unit.gate().operand(2));
        StoredWeight down = to.weight(unit.down().operand(2));
        Value ids = unit.dispatch().operand(1);
        int topK = to.width(ids);
        long rows = to.rows(ids);
        Value middle = unit.swiglu().result();
        Located h =
                to.temporaryRows(rows * topK, to.width(middle), middle.type().dtype(), middle);
        Arguments arguments = to.arguments("GatedArgs")
                .weight("gate", gate)
                .weight("up", to.weight(unit.up().operand(2)))
                .set("ids", to.where(ids).address())
                .rows("x", to.where(unit.dispatch().operand(0)))
                .rows("y", h)
                .set("rows", rows)
                .set("top_k", topK)
                .set("first_expert", dispatch.firstExpert())
                .set("experts", dispatch.localExperts())
                .set("round_to", Arguments.typeOf(first.out()));
        to.launchOverlapping(
                "gated_" + suffix(gate),
                Math.ceilDiv(gate.rows(), OUTPUTS),
                rows * topK,
                1,
                256,
                ProductKernels.stagedBytes(gate.columns(), 1),
                arguments);
        Value addend = unit.addend();
        Arguments combine = to.arguments("ExpertDownArgs")
                .weight("down", down)
                .set("ids", to.where(ids).address())
                .set("weights", to.where(unit.combine().operand(2)).address())
                .rows("h", h)
                .rows("addend", addend == null ? null : to.where(addend))
                .rows("y", to.place(unit.result()))
                .set("top_k", topK)
                .set("first_expert", dispatch.firstExpert())
                .set("experts", dispatch.localExperts())
                .set("round_to", Arguments.typeOf(last.out()))
                .set(
                        "sum_round_to",
                        Arguments.typeOf(unit.combine().result().type().dtype()));
        long padded = Math.ceilDiv(down.columns(), 32L) * 32;
        to.launchOverlapping(
                "expert_down_" + suffix(down),
                Math.ceilDiv(down.rows(), DOWN_OUTPUTS),
                rows,
                1,
                32 * topK,
                4L * topK * (DOWN_OUTPUTS + padded),
                combine);
        return "gated_" + suffix(gate) + "+expert_down_" + suffix(down);
    }

    static String latent(Lowering to, Unit.Latent unit) {
        Node append = unit.append();
        Op.Rope rope = (Op.Rope) unit.queryRope().op();
        Op.RmsNorm norm = (Op.RmsNorm) unit.norm().op();
        long table = RowKernels.ropeTable(to, append.operand(3), rope);
        Located q = to.where(unit.queryRope().operand(0));
        long rows = to.rows(append.operand(3));
        int heads = q.columns() / rope.headDim();
        Arguments arguments = AttentionKernels.cache(
                        to, to.arguments("LatentArgs"), "cache", append.operand(0), append, 3, 0)
                .weight("norm", to.weight(unit.norm().operand(1)))
                .rows("latent", to.where(unit.norm().operand(0)))
                .rows("rope_key", to.where(unit.keyRope().operand(0)))
                .rows("q", q)
                .rows("rotated", to.place(unit.queryRope().result()))
                .set("table", table)
                .real("epsilon", norm.epsilon())
                .set("rows", rows)
                .set("positions_operand", 3)
                .set("heads", heads)
                .set("nope", rope.offset())
                .set("pairs", rope.frequencies().pairs())
                .set("interleaved", rope.pairing() == Op.Pairing.INTERLEAVED);
        to.launchOverlapping("latent_prologue", rows, 1L + heads, 1, 128, 0, arguments);
        return "latent_prologue";
    }
}
