package dev.heng.backend.ascend.lowering;

import dev.heng.backend.ascend.device.Operators;
import dev.heng.backend.ascend.device.TensorView;
import dev.heng.spi.graph.Node;
import dev.heng.spi.graph.Op;
import dev.heng.spi.graph.Value;
import dev.heng.spi.tensor.DType;
import java.util.Arrays;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * Routing, dispatch, the grouped product and the combination of experts.
 *
 * <p>Source: mirror-cann/ops-transformer docs aclnnMoeGatingTopK.md, aclnnMoeInitRoutingV3.md, aclnnGroupedMatmulV4.md, V5.md, aclnnMoeFinalizeRoutingV2.md. Logits and bias
 * stay in float32: a bias in bfloat16 chooses other experts (vllm-project/vllm#12002).
 */
public final class Experts {

    /** {@code rowIdxType}: 0 gives for each token and slot the row, 1 for each row the token and slot. */
    private static final long GATHER = 0;

    private static final long SCATTER = 1;

    /** Which rows belong to which expert: I64 [E], ends or counts. */
    record Groups(TensorView numbers, boolean counts) {
        /** Returns {@code groupListType}. */
        long listType() {
            return counts ? 1 : 0;
        }
    }

    private final Basics basics;

    /** Uses these. */
    public Experts(Basics basics) {
        this.basics = basics;
    }

    /** Chooses experts: logits F32 [T, E], bias F32 [E] or null; ids I32 [T, k], weights F32 [T, k]. */
    public void route(Op.Route op, TensorView logits, @Nullable TensorView bias, TensorView ids, TensorView weights) {
        boolean softmax = op.score() == Op.Route.Score.SOFTMAX;
        basics.operators()
                .run(
                        "aclnnMoeGatingTopK",
                        logits,
                        bias,
                        (long) op.topK(),
                        (long) op.keptGroups(),
                        (long) op.groups(),
                        op.groupScore() == Op.Route.GroupScore.TOP_TWO_SUM && op.groups() > 1 ? 1L : 0L,
                        op.normalize() ? 1L : 0L,
                        softmax ? 0L : 1L,
                        (byte) 0,
                        op.scale(),
                        1e-20,
                        weights,
                        ids,
                        null);
    }

    /**
     * Sorts rows by expert.
     *
     * @param lean whether nobody reads offsets and origins as the graph has them: the operators that follow take counts and the gathering index
     */
    void dispatch(Run run, Node node, boolean lean) {
        Op.Dispatch op = (Op.Dispatch) node.op();
        TensorView x = run.in(node, 0);
        TensorView ids = run.in(node, 1);
        TensorView rows = run.view(node.results().get(0));
        long count = ids.elements();
        TensorView counts = basics.stage().temporary(DType.I64, op.localExperts());
        TensorView gather =
                basics.stage().temporary(DType.I32, Math.max(1, count)).rows(0, count);
        Run.Routed routed = new Run.Routed(gather, counts);
        run.route(node.results().get(1), routed);
        run.route(node.results().get(2), routed);
        if (count == 0) {
            basics.operators().run("aclnnInplaceZero", counts);
        } else {
            sort(op, x, ids, GATHER, rows, gather, counts);
        }
        if (lean) {
            return;
        }
        TensorView offsets = run.view(node.results().get(1));
        basics.operators().run("aclnnInplaceZero", offsets);
        if (count == 0) {
            return;
        }
        TensorView origins = run.view(node.results().get(2));
        int[] none = new int[(int) count];
        Arrays.fill(none, -1);
        basics.store(basics.stage().constant(none, count), origins);
        TensorView again = basics.stage().temporary(x.dtype(), count, x.dim(1));
        sort(op, x, ids, SCATTER, again, origins, counts);
        TensorView ends = basics.stage().temporary(DType.I64, op.localExperts());
        basics.operators().run("aclnnCumsum", counts, 0L, Operators.dataType(DType.I64), ends);
        basics.store(ends, offsets.strided(1, new long[] {op.localExperts()}, new long[] {1}));
    }

    private void sort(
            Op.Dispatch op,
            TensorView x,
            TensorView ids,
            long indexType,
            TensorView rows,
            TensorView index,
            TensorView counts) {
        long end = (long) op.firstExpert() + op.localExperts();
        basics.operators()
                .run(
                        "aclnnMoeInitRoutingV3",
                        x,
                        ids,
                        null,
                        null,
                        // Keeps all rows in every release; 0 does only since 2026.
                        ids.elements(),
                        0L,
                        end,
                        0L,
                        1L,
                        (byte) 1,
                        -1L,
                        new Operators.Integers(List.of((long) op.firstExpert(), end)),
                        indexType,
                        rows,
                        index,
                        counts,
                        null);
    }

    /** Returns which rows a grouped product's experts have: as its dispatch counted, or worked out of offsets I32 [E + 1]. */
    Groups groups(Run run, Node grouped) {
        Run.Routed routed = run.routed(grouped.operand(1));
        if (routed != null) {
            return new Groups(routed.counts(), true);
        }
        return new Groups(ends(run.in(grouped, 1)), false);
    }

    /** Returns where the rows of each expert end, I64 [E], of offsets I32 [E + 1]. */
    TensorView ends(TensorView offsets) {
        long experts = offsets.dim(0) - 1;
        TensorView ends = basics.stage().temporary(DType.I64, experts);
        basics.store(offsets.strided(1, new long[] {experts}, new long[] {1}), ends);
        return ends;
    }

    /** Multiplies rows [R, K] with their expert's transposed plain weight [E, N, K]. Rows past the last group are not written. */
    void grouped(TensorView rows, Groups groups, TensorView weight, TensorView out) {
        boolean direct = rows.dtype() == weight.dtype() && rows.dtype() == out.dtype();
        TensorView x = direct ? rows : basics.in(DType.F32, rows);
        TensorView w = direct ? weight : basics.in(DType.F32, weight);
        TensorView result = direct ? out : basics.stage().temporary(DType.F32, Basics.dims(out));
        basics.operators()
                .run(
                        "aclnnGroupedMatmulV4",
                        new Operators.Listed(x),
                        new Operators.Listed(w.transposed()),
                        null,
                        null,
                        null,
                        null,
                        null,
                        null,
                        groups.numbers(),
                        null,
                        null,
                        null,
                        2L,
                        0L,
                        groups.listType(),
                        0L,
                        new Operators.Listed(result),
                        null,
                        null);
        if (!direct) {
            basics.store(result, out);
        }
    }

    /**
     * Sums the experts of each token, and {@code other} if given. The weights stay in F32 with bfloat16 rows; the operator takes them so with no other 16-bit type (its
     * document), so that F16 rows are summed in F32.
     */
    void combine(Run run, Node node, @Nullable TensorView other, TensorView out) {
        TensorView rows = run.in(node, 0);
        TensorView weights = run.wide(node, 2);
        boolean direct = rows.dtype() == out.dtype() && rows.dtype() != DType.F16;
        TensorView result = direct ? out : basics.stage().temporary(DType.F32, out.dim(0), out.dim(1));
        TensorView x = direct ? rows : basics.in(DType.F32, rows);
        TensorView added = other == null || direct ? other : basics.in(DType.F32, other);
        long tokens = weights.dim(0);
        long slots = weights.dim(1);
        basics.operators()
                .run(
                        "aclnnMoeFinalizeRoutingV2",
                        // Mode 3 takes the index by token and then slot, and alone allows the -1 of slots without a
                        // row.
                        x.reshaped(slots, tokens, x.dim(1)),
                        gather(run, node),
                        added,
                        null,
                        null,
                        weights,
                        null,
                        3L,
                        result);
        if (!direct) {
            basics.store(result, out);
        }
    }

    /** The index that combining needs: kept from the dispatch of the same graph, else worked out from the origins. */
    private TensorView gather(Run run, Node node) {
        Value origins = node.operand(1);
        Run.Routed routed = run.routed(origins);
        if (routed != null) {
            return routed.gather();
        }
        int[] from = run.integers(origins);
        int[] gather = new int[from.length];
        Arrays.fill(gather, -1);
        for (int row = 0; row < from.length; row++) {
            if (from[row] < -1 || from[row] >= from.length) {
                throw run.invalid(node, "row " + row + " has origin " + from[row] + " of " + from.length);
            }
            if (from[row] >= 0) {
                if (gather[from[row]] >= 0) {
                    throw run.invalid(
                            node, "rows " + gather[from[row]] + " and " + row + " have one origin, " + from[row]);
                }
                gather[from[row]] = row;
            }
        }
        return basics.stage().constant(gather, gather.length);
    }
}
