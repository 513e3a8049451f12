package dev.heng.backend.cuda.lowering;

import dev.heng.spi.graph.Node;
import dev.heng.spi.graph.Op;
import dev.heng.spi.graph.Value;
import dev.heng.spi.tensor.DType;
import dev.heng.spi.tensor.Quantization;
import org.jspecify.annotations.Nullable;

/** Launches of what a step of few rows is made of: fused chains that read every weight once and sort nothing. */
final class FewRowsKernels {

    /** Warps of a block, and of one of the experts' second half, where two share outputs. */
    private static final int WARPS = 8;

    private static final int MOST_WARPS = 16;

    /** Blocks that fill a large GPU when each multiprocessor has two. */
    private static final long ENOUGH_BLOCKS = 264;

    /** Rows of the rings of most kernels, and of the experts' second half: what the kernels call RING. */
    private static final int RING = 16;

    private static final int DOWN_RING = 8;

    /** Outputs of two warps of the experts' second half: DOWN_OUTPUTS of experts.cu. */
    private static final long DOWN_OUTPUTS = 2;

    /** Shared memory of a block, with some left for what kernels declare themselves. */
    private static final long MOST_SHARED = 220L << 10;

    /** Floats of activations that a block stages at a time: STAGED of linear.cu and STAGED_ROW of experts.cu. */
    private static final int STAGED = 12288;

    private FewRowsKernels() {}

    // ---- sizes of the kernels
    // -------------------------------------------------------------------------------------------------------------

    private static boolean isScaled(Value weight) {
        return !(weight.type().quantization() instanceof Quantization.None);
    }

    /** Returns the bytes of a warp's ring of 16 rows: RING_BYTES of stream.cuh. */
    static long ringBytes(Value weight) {
        return ringBytes(weight, RING);
    }

    private static long ringBytes(Value weight, int rows) {
        return rows * (isScaled(weight) ? 640L : 512L);
    }

    /** Returns the floats that a staged row takes: staged_floats of stage.cuh. */
    static long stagedFloats(long columns) {
        return Math.ceilDiv(columns, 32L) * 32;
    }

    /** Returns how many rows a product takes at once. */
    private static int batch(long rows) {
        if (rows <= 2) {
            return (int) Math.max(1, rows);
        }
        return rows <= 4 ? 4 : 8;
    }

    /** Returns whether a product can stage whole rows and their norm, for as many rows as it takes at once. */
    static boolean fitsNorm(Value weight) {
        long columns = weight.type().shape().dim(-1).size();
        return 4 * 9 * stagedFloats(columns) + WARPS * ringBytes(weight) <= MOST_SHARED;
    }

    /** Returns whether a block can stage every slot's row of the experts' second half, and a shared expert's. */
    static boolean fitsDown(Value down, long topK, long sharedColumns) {
        long floats = topK * stagedFloats(down.type().shape().dim(-1).size()) + stagedFloats(sharedColumns);
        return 4 * floats + 2 * ringBytes(down, DOWN_RING) <= MOST_SHARED;
    }

    /** Returns whether there is a router kernel for a weight: those of published checkpoints are plain. */
    static boolean hasRouter(Value weight) {
        return !isScaled(weight)
                && (weight.type().dtype() == DType.F32 || weight.type().dtype() == DType.BF16);
    }

    private static String suffix(Value weight) {
        return Arguments.suffixOf(weight.type().dtype());
    }

    private static long pairs(@Nullable StoredWeight weight) {
        return weight == null ? 0 : Math.ceilDiv(weight.rows(), 2L);
    }

    // ---- products
    // -------------------------------------------------------------------------------------------------------------------------

    /** What a projection reads and writes beside its weight; whatever is null is not there. */
    private record Projection(
            Node linear,
            @Nullable StoredWeight bias,
            @Nullable Node other,
            @Nullable Node norm,
            @Nullable Located normed,
            Located y,
            @Nullable Located addend,
            @Nullable Located second,
            int sumRoundTo) {}

    private static Arguments project(
            Lowering to, Arguments arguments, String prefix, Projection what, Located x, long rows) {
        Op.Linear op = (Op.Linear) what.linear().op();
        Node norm = what.norm();
        Node other = what.other();
        return arguments
                .weight(prefix + "weight", to.weight(what.linear().operand(1)))
                .weight(prefix + "bias", what.bias())
                .weight(prefix + "other", other == null ? null : to.weight(other.operand(1)))
                .weight(prefix + "norm", norm == null ? null : to.weight(norm.operand(1)))
                .rows(prefix + "x", x)
                .rows(prefix + "normed", what.normed())
                .rows(prefix + "y", what.y())
                .rows(prefix + "other_y", other == null ? null : to.place(other.result()))
                .rows(prefix + "addend", what.addend())
                .rows(prefix + "second", what.second())
                .real(prefix + "epsilon", norm != null && norm.op() instanceof Op.RmsNorm n ? n.epsilon() : 0)
                .set(prefix + "rows", rows)
                .set(prefix + "round_to", Arguments.typeOf(op.out()))
                .set(prefix + "sum_round_to", what.sumRoundTo())
                .set(
                        prefix + "norm_round_to",
                        norm == null ? 0 : Arguments.typeOf(norm.result().type().dtype()));
    }

    private record Shape(long blocks, long batches, int threads, long sharedBytes) {}

    private static Shape shape(StoredWeight weight, @Nullable StoredWeight other, boolean normed, long rows) {
        int batch = batch(rows);
        boolean whole = normed || weight.columns() <= STAGED / batch;
        long staged = stagedFloats(whole ? weight.columns() : STAGED / batch);
        long blocks = Math.ceilDiv(pairs(weight) + pairs(other), (long) WARPS);
        return new Shape(
                whole ? Math.min(blocks, ENOUGH_BLOCKS) : blocks,
                Math.ceilDiv(rows, (long) batch),
                32 * WARPS,
                4 * staged * (normed ? batch + 1L : batch) + WARPS * ringBytes(weight.value()));
    }

    /** Launches a product for few rows; x is as the product takes it. */
    static String linear(
            Lowering to,
            Node node,
            @Nullable StoredWeight bias,
            Located x,
            Located y,
            @Nullable Located addend,
            @Nullable Located second,
            long rows,
            int sumRoundTo) {
        StoredWeight weight = to.weight(node.operand(1));
        Projection what = new Projection(node, bias, null, null, null, y, addend, second, sumRoundTo);
        Arguments arguments = project(to, to.arguments("ProjectArgs"), "", what, x, rows);
        return launchProject(to, weight, null, false, rows, arguments);
    }

    static String projections(Lowering to, Unit.Projections unit) {
        Node linear = unit.linear();
        Node other = unit.other();
        long rows = to.rows(linear.result());
        Located x = to.where(unit.norm().operand(0));
        Projection what =
                new Projection(linear, null, other, unit.norm(), null, to.place(linear.result()), null, null, 0);
        Arguments arguments = project(to, to.arguments("ProjectArgs"), "", what, x, rows);
        return launchProject(
                to,
                to.weight(linear.operand(1)),
                other == null ? null : to.weight(other.operand(1)),
                true,
                rows,
                arguments);
    }

    private static String launchProject(
            Lowering to,
            StoredWeight weight,
            @Nullable StoredWeight other,
            boolean normed,
            long rows,
            Arguments arguments) {
        Shape shape = shape(weight, other, normed, rows);
        String kernel = "project" + batch(rows) + "_" + suffix(weight.value());
        to.launchOverlapping(
                kernel, shape.blocks(), shape.batches(), 1, shape.threads(), shape.sharedBytes(), arguments);
        return kernel;
    }

    static String router(Lowering to, Unit.Router unit) {
        Node linear = unit.linear();
        Op.Route route = (Op.Route) unit.route().op();
        StoredWeight weight = to.weight(linear.operand(1));
        long rows = to.rows(linear.result());
        Value value = linear.result();
        Located logits = to.temporaryRows(rows, to.width(value), DType.F32, value);
        Located x = to.where(unit.norm().operand(0));
        Projection what = new Projection(
                linear, null, null, unit.norm(), to.place(unit.norm().result()), logits, null, null, 0);
        Arguments arguments = project(to, to.arguments("RouterArgs"), "product.", what, x, rows);
        ExpertKernels.choice(to, arguments, "route.", unit.route(), route, logits.address(), logits.stride())
                .set("finished", to.counter(unit.route()));
        Shape shape = shape(weight, null, true, rows);
        String kernel = "router" + batch(rows) + "_" + suffix(weight.value());
        to.launchOverlapping(
                kernel,
                shape.blocks(),
                shape.batches(),
                1,
                shape.threads(),
                Math.max(shape.sharedBytes(), shape.threads() / 32 * ExpertKernels.choiceBytes(route)),
                arguments);
        return kernel;
    }

    // ---- experts
    // --------------------------------------------------------------------------------------------------------------------------

    static String gated(Lowering to, Unit.Gated unit) {
        StoredWeight gate = to.weight(unit.gate().operand(1));
        return gated(
                to, unit.gate().operand(0), gate, unit, to.place(unit.swiglu().result()), null, null);
    }

    /** Launches gated products of one input: a dense one, those of experts, or both; {@code format} is the weight that says how all are stored. */
    private static String gated(
            Lowering to,
            Value input,
            StoredWeight format,
            Unit.@Nullable Gated dense,
            @Nullable Located y,
            Unit.@Nullable Experts experts,
            @Nullable Located h) {
        StoredWeight gate = dense == null ? null : to.weight(dense.gate().operand(1));
        StoredWeight up = dense == null ? null : to.weight(dense.up().operand(1));
        StoredWeight expertGate =
                experts == null ? null : to.weight(experts.gate().operand(2));
        StoredWeight expertUp = experts == null ? null : to.weight(experts.up().operand(2));
        long rows = to.rows(input);
        Op.Dispatch dispatch = experts == null
                ? new Op.Dispatch(0, 1)
                : (Op.Dispatch) experts.dispatch().op();
        Value ids = experts == null ? null : experts.dispatch().operand(1);
        int topK = ids == null ? 1 : to.width(ids);
        Arguments arguments = to.arguments("GatedArgs")
                .weight("gate", gate)
                .weight("up", up)
                .weight("expert_gate", expertGate)
                .weight("expert_up", expertUp)
                .set("ids", ids == null ? 0 : to.where(ids).address())
                .rows("x", to.where(input))
                .rows("y", y)
                .rows("expert_y", h)
                .set("rows", rows)
                .set("top_k", topK)
                .set("first_expert", dispatch.firstExpert())
                .set("experts", dispatch.localExperts())
                .set(
                        "round_to",
                        dense == null
                                ? 0
                                : Arguments.typeOf(((Op.Linear) dense.gate().op()).out()))
                .set(
                        "expert_round_to",
                        experts == null
                                ? 0
                                : Arguments.typeOf(
                                        ((Op.GroupedLinear) experts.gate().op()).out()));
        long outputs = WARPS * (isScaled(format.value()) ? 2L : 1L); // GATED_OUTPUTS of experts.cu
        long blocks = rows * (gate == null ? 0 : Math.ceilDiv(gate.rows(), outputs))
                + rows * topK * (expertGate == null ? 0 : Math.ceilDiv(expertGate.rows(), outputs));
        String kernel = "gated_" + suffix(format.value());
        to.launchOverlapping(
                kernel,
                blocks,
                1,
                1,
                32 * WARPS,
                4 * stagedFloats(Math.min(format.columns(), STAGED)) + WARPS * ringBytes(format.value()),
                arguments);
        return kernel;
    }

    static String experts(Lowering to, Unit.Experts unit) {
        Located h = middle(to, unit);
        String first =
                gated(to, unit.dispatch().operand(0), to.weight(unit.gate().operand(2)), null, null, unit, h);
        Value addend = unit.addend();
        Located y = to.place(unit.result());
        return first + "+" + down(to, unit, h, null, null, addend, y);
    }

    static String sharedExperts(Lowering to, Unit.SharedExperts unit) {
        Located h = middle(to, unit.experts());
        Value shared = unit.gated().swiglu().result();
        Located sharedH = to.temporaryRows(
                to.rows(shared), to.width(shared), shared.type().dtype(), shared);
        Unit.Gated dense = unit.gated();
        Value input = dense.gate().operand(0);
        String first = gated(to, input, to.weight(dense.gate().operand(1)), dense, sharedH, unit.experts(), h);
        Located y = to.place(unit.down().result());
        return first + "+"
                + down(to, unit.experts(), h, unit.down(), sharedH, unit.down().secondAddend(), y);
    }

    /** Returns memory for what stands between the experts' two halves: a row for each slot. */
    private static Located middle(Lowering to, Unit.Experts unit) {
        Value ids = unit.dispatch().operand(1);
        Value middle = unit.swiglu().result();
        return to.temporaryRows(
                to.rows(ids) * to.width(ids), to.width(middle), middle.type().dtype(), middle);
    }

    /** Launches the experts' second half. It must follow their first: it reads the ids before that has ended. */
    private static String down(
            Lowering to,
            Unit.Experts unit,
            Located h,
            Unit.@Nullable LinearAdd shared,
            @Nullable Located sharedH,
            @Nullable Value addend,
            Located y) {
        Op.Dispatch dispatch = (Op.Dispatch) unit.dispatch().op();
        StoredWeight down = to.weight(unit.down().operand(2));
        StoredWeight sharedDown =
                shared == null ? null : to.weight(shared.linear().operand(1));
        Value ids = unit.dispatch().operand(1);
        int topK = to.width(ids);
        Arguments arguments = to.arguments("ExpertDownArgs")
                .weight("down", down)
                .weight("shared_down", sharedDown)
                .set("ids", to.where(ids).address())
                .set("weights", to.where(unit.combine().operand(2)).address())
                .rows("h", h)
                .rows("shared_h", sharedH)
                .rows("y", y)
                .rows("addend", addend == null ? null : to.where(addend))
                .set("top_k", topK)
                .set("first_expert", dispatch.firstExpert())
                .set("experts", dispatch.localExperts())
                .set(
                        "round_to",
                        Arguments.typeOf(((Op.GroupedLinear) unit.down().op()).out()))
                .set(
                        "combine_round_to",
                        Arguments.typeOf(unit.combine().result().type().dtype()))
                .set(
                        "shared_round_to",
                        shared == null
                                ? 0
                                : Arguments.typeOf(((Op.Linear) shared.linear().op()).out()))
                .set(
                        "sum_round_to",
                        shared == null
                                ? 0
                                : Arguments.typeOf(shared.add().result().type().dtype()));
        long floats = topK * stagedFloats(down.columns()) + stagedFloats(sharedDown == null ? 0 : sharedDown.columns());
        long fitting = (MOST_SHARED - 4 * floats) / ringBytes(down.value(), DOWN_RING) / 2 * 2;
        int warps = (int) Math.min(MOST_WARPS, fitting);
        String kernel = "expert_down_" + suffix(down.value());
        to.launchOverlapping(
                kernel,
                Math.ceilDiv(down.rows(), DOWN_OUTPUTS * warps / 2),
                to.rows(ids),
                1,
                32 * warps,
                4 * floats + warps * ringBytes(down.value(), DOWN_RING),
                arguments);
        return kernel;
    }
}
