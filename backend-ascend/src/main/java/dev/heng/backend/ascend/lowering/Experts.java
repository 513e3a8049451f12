package dev.heng.backend.ascend.lowering;

import dev.heng.backend.ascend.device.Operators;
import dev.heng.backend.ascend.device.TensorView;
import dev.heng.spi.graph.Op;
import dev.heng.spi.tensor.DType;
import java.util.Arrays;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * Routing, dispatch, the grouped product and the combination of experts.
 *
 * <p>Source: mirror-cann/ops-transformer docs aclnnMoeGatingTopK.md, aclnnMoeInitRoutingV3.md, aclnnGroupedMatmulV4.md, aclnnMoeFinalizeRoutingV2.md. Logits and bias stay in
 * float32: a bias in bfloat16 chooses other experts (vllm-project/vllm#12002).
 */
public final class Experts {

    /** {@code rowIdxType}: 0 gives for each token and slot the row, 1 for each row the token and slot. */
    private static final long GATHER = 0;

    private static final long SCATTER = 1;

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
     * @param x [T, H]
     * @param ids I32 [T, k]
     * @param rows [T * k, H]
     * @param offsets I32 [localExperts + 1]
     * @param origins I32 [T * k]
     * @return I32 [T * k]: for each token and slot its row, -1 if it has none
     */
    public TensorView dispatch(
            Op.Dispatch op, TensorView x, TensorView ids, TensorView rows, TensorView offsets, TensorView origins) {
        long count = ids.elements();
        int[] none = new int[(int) count];
        Arrays.fill(none, -1);
        basics.store(basics.stage().upload(none, count), origins);
        TensorView counts = basics.stage().temporary(DType.I64, op.localExperts());
        sort(op, x, ids, SCATTER, rows, origins, counts);
        TensorView gather = basics.stage().temporary(DType.I32, count);
        TensorView again = basics.stage().temporary(x.dtype(), count, x.dim(1));
        sort(op, x, ids, GATHER, again, gather, counts);
        TensorView ends = basics.stage().temporary(DType.I64, op.localExperts());
        basics.operators().run("aclnnCumsum", counts, 0L, Operators.dataType(DType.I64), ends);
        basics.operators().run("aclnnInplaceZero", offsets);
        basics.store(ends, offsets.strided(1, new long[] {op.localExperts()}, new long[] {1}));
        return gather;
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

    /** Returns where the rows of each expert end, I64 [E], of offsets I32 [E + 1]. */
    TensorView ends(TensorView offsets) {
        long experts = offsets.dim(0) - 1;
        TensorView ends = basics.stage().temporary(DType.I64, experts);
        basics.store(offsets.strided(1, new long[] {experts}, new long[] {1}), ends);
        return ends;
    }

    /** Multiplies rows [R, K] with their expert's transposed plain weight [E, N, K], of which the rows end at {@code ends}. Rows past the last end are not written. */
    void grouped(TensorView rows, TensorView ends, TensorView weight, TensorView out) {
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
                        ends,
                        null,
                        null,
                        null,
                        2L,
                        0L,
                        0L,
                        0L,
                        new Operators.Listed(result),
                        null,
                        null);
        if (!direct) {
            basics.store(result, out);
        }
    }

    /** Sums the experts of each token: rows [T * k, H], gather I32 [T * k] as {@link #dispatch} gives, weights [T, k]. */
    public void combine(TensorView rows, TensorView gather, TensorView weights, TensorView out) {
        TensorView result =
                out.dtype() == DType.F32 ? out : basics.stage().temporary(DType.F32, out.dim(0), out.dim(1));
        basics.operators()
                .run(
                        "aclnnMoeFinalizeRoutingV2",
                        basics.in(DType.F32, rows),
                        gather,
                        null,
                        null,
                        null,
                        basics.in(DType.F32, weights),
                        null,
                        // Dropless, index by token and then slot, which is what InitRoutingV3 gives.
                        2L,
                        result);
        if (out.dtype() != DType.F32) {
            basics.store(result, out);
        }
    }
}
