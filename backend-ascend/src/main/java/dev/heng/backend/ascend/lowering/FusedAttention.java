package dev.heng.backend.ascend.lowering;

import dev.heng.backend.ascend.device.HostInputs;
import dev.heng.backend.ascend.device.Operators;
import dev.heng.backend.ascend.device.TensorView;
import dev.heng.spi.graph.Graph;
import dev.heng.spi.graph.Node;
import dev.heng.spi.graph.Op;
import dev.heng.spi.graph.Value;
import dev.heng.spi.tensor.DType;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * FusedInferAttentionScore in the version that a chip has: V4, or V3 of older releases, on A2 and A3; V5 on 950, which has no other; none on 310P. In bfloat16 and
 * float16 only. Lengths are a host array, which a captured graph freezes (vllm-project/vllm-ascend#4649): they are given anew for each run.
 *
 * <p>Source: mirror-cann/ops-transformer@3a280bcc34d8 attention/fused_infer_attention_score/docs aclnnFusedInferAttentionScoreV3.md, V4.md, V5.md.
 *
 * @param version 3, 4 or 5
 */
record FusedAttention(int version) {

    /** The width of a latent that the operator takes with rope apart. */
    private static final long LATENT = 512;

    private static final long ROPE = 64;

    /** Returns the version that this chip and this release have, or null. */
    static @Nullable FusedAttention of(ChipTable chips, Operators operators) {
        for (int version : new int[] {4, 3, 5}) {
            String name = name(version);
            if (chips.has(name) && operators.has(name)) {
                return new FusedAttention(version);
            }
        }
        return null;
    }

    private static String name(int version) {
        return "aclnnFusedInferAttentionScoreV" + version;
    }

    String name() {
        return name(version);
    }

    /** Answers whether the document's limits allow a latent attention; the page size of its cache is the graph's. */
    static boolean takesLatent(Node node) {
        Op.MlaAttention op = (Op.MlaAttention) node.op();
        Value cache = node.operand(1);
        return is16Bit(node)
                && node.operand(2).type().isPlain()
                && node.operand(2).type().dtype() == op.out()
                && op.ropeDim() == ROPE
                && width(cache) == LATENT + ROPE
                && op.heads() <= 128
                && Integer.bitCount(op.heads()) == 1
                && pageSize(cache) % 16 == 0
                && pageSize(cache) <= 1024;
    }

    /** Answers whether the document's limits allow a grouped attention. */
    static boolean takesGrouped(Node node) {
        Op.GroupedQueryAttention op = (Op.GroupedQueryAttention) node.op();
        long pageSize = pageSize(node.operand(1));
        return is16Bit(node)
                && node.operand(2).type().dtype() == op.out()
                && op.headDim() == op.valueDim()
                && op.headDim() % 16 == 0
                && op.headDim() <= 512
                && (long) op.kvHeads() * op.headDim() <= 65535
                && pageSize % 16 == 0
                && pageSize <= 512;
    }

    private static boolean is16Bit(Node node) {
        DType type = node.result().type().dtype();
        return (type == DType.BF16 || type == DType.F16)
                && node.operand(0).type().dtype() == type
                && node.operand(1).type().dtype() == type;
    }

    private static long width(Value cache) {
        return cache.type().shape().dim(2).size();
    }

    private static long pageSize(Value cache) {
        return cache.type().shape().dim(1).size();
    }

    /** Returns the caches whose parts lie apart: latent ones that are read by fused attention alone. */
    static List<Value> cachesApart(Graph graph, Lowering.Attention wish) {
        List<Value> apart = new ArrayList<>();
        for (Node node : graph.nodes()) {
            if (node.op() instanceof Op.MlaAttention && wish.takes(node)) {
                apart.add(graph.stateOf(node.operand(1)));
            }
        }
        for (Node node : graph.nodes()) {
            boolean other = (node.op() instanceof Op.MlaAttention && !wish.takes(node))
                    || node.op() instanceof Op.GroupedQueryAttention
                    || (node.op() instanceof Op.KvAppend append && append.parts() != 2);
            if (other) {
                apart.remove(graph.stateOf(node.operand(node.op() instanceof Op.KvAppend ? 0 : 1)));
            }
        }
        return apart;
    }

    private record Blocks(PagedCache cache) {}

    /**
     * Queues the operator, in layout BSND with one query row for each sequence.
     *
     * @param query [rows, 1, heads, width]
     * @param keys [pages, pageSize, kvHeads * width], values alike
     * @param queryRope [rows, 1, heads, 64] and keyRope [pages, pageSize, 64], or both null
     * @param out like query
     */
    void attend(
            Run run,
            Node node,
            PagedCache cache,
            TensorView query,
            TensorView keys,
            TensorView values,
            @Nullable TensorView queryRope,
            @Nullable TensorView keyRope,
            long kvHeads,
            double scale,
            TensorView out) {
        long rows = query.dim(0);
        TensorView table = run.stage()
                .parameter(
                        new Blocks(cache),
                        DType.I32,
                        (inputs, target) -> {
                            PagedCache.Rows now = cache.rows(inputs, node);
                            for (int row = 0; row < rows; row++) {
                                int last = now.position(row);
                                if (last >= 0) {
                                    now.slot(row, last);
                                }
                                for (int entry = 0; entry < cache.perSequence(); entry++) {
                                    boolean needed = last >= 0 && entry <= last / cache.pageSize();
                                    if (needed) {
                                        now.slot(row, (int) (entry * cache.pageSize()));
                                    }
                                    target.setAtIndex(
                                            ValueLayout.JAVA_INT,
                                            (long) row * cache.perSequence() + entry,
                                            needed ? now.entry(row, entry) : 0);
                                }
                            }
                        },
                        rows,
                        cache.perSequence());
        HostInputs.Lengths lengths = inputs -> {
            PagedCache.Rows now = cache.rows(inputs, node);
            long[] all = new long[(int) rows];
            for (int row = 0; row < rows; row++) {
                // A row of padding sees nothing, and gets zeros.
                all[row] = Math.max(0, now.position(row) + 1L);
            }
            return all;
        };
        run.operators()
                .run(
                        name(),
                        arguments(query, keys, values, queryRope, keyRope, kvHeads, scale, cache, table, lengths, out));
    }

    private @Nullable Object[] arguments(
            TensorView query,
            TensorView keys,
            TensorView values,
            @Nullable TensorView queryRope,
            @Nullable TensorView keyRope,
            long kvHeads,
            double scale,
            PagedCache cache,
            TensorView table,
            HostInputs.Lengths lengths,
            TensorView out) {
        List<@Nullable Object> all = new ArrayList<>();
        all.add(query);
        all.add(new Operators.Listed(keys));
        all.add(new Operators.Listed(values));
        absent(all, 3); // pseShift, attenMask, actualSeqLengths
        all.add(lengths);
        absent(all, 7); // scales and offsets of quantised tensors
        all.add(table);
        absent(all, 9); // paddings, antiquantisation, shared prefixes
        all.add(queryRope);
        all.add(keyRope);
        absent(all, 1); // keyRopeAntiquantScale
        absent(all, version >= 4 ? 2 : 0); // dequantScaleQuery, learnableSink
        absent(all, version >= 5 ? 2 : 0); // qStartIdx, kvStartIdx
        all.add(query.dim(2));
        all.add(scale);
        all.add((long) Integer.MAX_VALUE); // preTokens and nextTokens: not used in sparse mode 0
        all.add((long) Integer.MAX_VALUE);
        all.add(new Operators.Text("BSND"));
        all.add(kvHeads);
        all.add(0L); // sparseMode: one query row sees all of its length
        all.add(0L); // innerPrecise: high precision
        all.add(cache.pageSize());
        all.add(0L); // antiquantMode
        all.add((byte) 0); // softmaxLseFlag
        all.add(0L);
        all.add(0L);
        if (version >= 4) {
            all.add(0L); // queryQuantMode
        }
        if (version >= 5) {
            all.add(0L); // pseType
        }
        all.add(out);
        all.add(null); // softmaxLse
        return all.toArray();
    }

    private static void absent(List<@Nullable Object> all, int count) {
        all.addAll(Collections.nCopies(count, null));
    }
}
