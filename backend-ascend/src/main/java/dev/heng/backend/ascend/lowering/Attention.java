package dev.heng.backend.ascend.lowering;

import dev.heng.backend.ascend.device.Stage;
import dev.heng.backend.ascend.device.TensorView;
import dev.heng.spi.graph.Op;
import dev.heng.spi.tensor.DType;

/**
 * Attention over a paged cache, unfused: batched products and a softmax in float32, one row of the run after the other.
 *
 * <p>A row sees its own slots and no other (MLA-004), which a product over the whole chunk with a mask would not give: a masked slot that holds a NaN still makes NaN.
 * CANN's fused operator (aclnnFusedInferAttentionScore) needs a latent of 512, pages of 16 or 128 and 16-bit types; it is not used yet.
 */
public final class Attention {

    private final Basics basics;
    private final PagedCache caches;

    /** Uses these. */
    public Attention(Basics basics, PagedCache caches) {
        this.basics = basics;
        this.caches = caches;
    }

    /**
     * Multi-head latent attention, absorbed: the query meets the latent itself.
     *
     * @param q [T, heads * (nope + rope)]
     * @param cache [slots, latent + rope]
     * @param kvB F32 [heads * (nope + value), latent]
     * @param out [T, heads * value]
     */
    public void latent(
            Op.MlaAttention op,
            TensorView q,
            TensorView cache,
            TensorView kvB,
            PagedCache.Layout layout,
            TensorView out) {
        basics.operators().run("aclnnInplaceZero", out);
        long heads = op.heads();
        long nope = op.nopeDim();
        long rope = op.ropeDim();
        long value = op.valueDim();
        long width = cache.dim(1);
        long latent = width - rope;
        TensorView queries = basics.in(DType.F32, q);
        long perHead = (nope + value) * latent;
        TensorView keys = kvB.strided(0, new long[] {heads, nope, latent}, new long[] {perHead, latent, 1});
        TensorView values =
                kvB.strided(nope * latent, new long[] {heads, latent, value}, new long[] {perHead, 1, latent});
        TensorView scale = basics.stage().upload(new float[] {(float) op.scale()}, 1, 1, 1);
        for (int row = 0; row < layout.positions().length; row++) {
            if (layout.positions()[row] < 0) {
                continue;
            }
            TensorView history = basics.in(
                    DType.F32, caches.history(cache, layout, layout.sequences()[row], layout.positions()[row]));
            TensorView query = queries.rows(row, 1);
            long[] headStrides = {nope + rope, nope + rope, 1};
            TensorView meets = stage().temporary(DType.F32, heads, 1, width);
            TensorView absorbed = stage().temporary(DType.F32, heads, 1, latent);
            product(query.strided(0, new long[] {heads, 1, nope}, headStrides), keys, absorbed);
            basics.store(absorbed, meets.strided(0, new long[] {heads, 1, latent}, new long[] {width, width, 1}));
            basics.store(
                    query.strided(nope, new long[] {heads, 1, rope}, headStrides),
                    meets.strided(latent, new long[] {heads, 1, rope}, new long[] {width, width, 1}));
            long slots = history.dim(0);
            TensorView probabilities = weigh(
                    meets, history.strided(0, new long[] {1, width, slots}, new long[] {0, 1, width}), scale, slots);
            TensorView context = stage().temporary(DType.F32, heads, 1, latent);
            product(
                    probabilities,
                    history.strided(0, new long[] {1, slots, latent}, new long[] {0, width, 1}),
                    context);
            TensorView result = stage().temporary(DType.F32, heads, 1, value);
            product(context, values, result);
            basics.store(result.reshaped(1, heads * value), out.rows(row, 1));
        }
    }

    /**
     * Grouped-query attention.
     *
     * @param q [T, heads * headDim]
     * @param keys [slots, kvHeads * headDim]
     * @param values [slots, kvHeads * valueDim]
     * @param out [T, heads * valueDim]
     */
    public void grouped(
            Op.GroupedQueryAttention op,
            TensorView q,
            TensorView keys,
            TensorView values,
            PagedCache.Layout keyLayout,
            PagedCache.Layout valueLayout,
            TensorView out) {
        basics.operators().run("aclnnInplaceZero", out);
        long groups = op.kvHeads();
        long shared = op.heads() / groups;
        long width = op.headDim();
        long value = op.valueDim();
        TensorView queries = basics.in(DType.F32, q);
        TensorView scale = stage().upload(new float[] {(float) op.scale()}, 1, 1, 1);
        for (int row = 0; row < keyLayout.positions().length; row++) {
            int position = keyLayout.positions()[row];
            if (position < 0) {
                continue;
            }
            int sequence = keyLayout.sequences()[row];
            TensorView seenKeys = basics.in(DType.F32, caches.history(keys, keyLayout, sequence, position));
            TensorView seenValues = basics.in(DType.F32, caches.history(values, valueLayout, sequence, position));
            long slots = seenKeys.dim(0);
            TensorView probabilities = weigh(
                    queries.rows(row, 1).reshaped(groups, shared, width),
                    seenKeys.strided(0, new long[] {groups, width, slots}, new long[] {width, 1, groups * width}),
                    scale,
                    slots);
            TensorView result = stage().temporary(DType.F32, groups, shared, value);
            product(
                    probabilities,
                    seenValues.strided(0, new long[] {groups, slots, value}, new long[] {value, groups * value, 1}),
                    result);
            basics.store(result.reshaped(1, op.heads() * value), out.rows(row, 1));
        }
    }

    /** Returns softmax(scale * query . keys): [batch, rows, slots]. */
    private TensorView weigh(TensorView query, TensorView keys, TensorView scale, long slots) {
        TensorView scores = stage().temporary(DType.F32, query.dim(0), query.dim(1), slots);
        product(query, keys, scores);
        TensorView scaled = stage().temporary(DType.F32, query.dim(0), query.dim(1), slots);
        basics.operators().run("aclnnMul", scores, scale, scaled);
        TensorView probabilities = stage().temporary(DType.F32, query.dim(0), query.dim(1), slots);
        basics.operators().run("aclnnSoftmax", scaled, -1L, probabilities);
        return probabilities;
    }

    private void product(TensorView a, TensorView b, TensorView out) {
        basics.operators().run("aclnnBatchMatMul", a, b, out, Basics.KEEP_DTYPE);
    }

    private Stage stage() {
        return basics.stage();
    }
}
