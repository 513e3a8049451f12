package dev.heng.conformance.suite;

import dev.heng.spi.graph.GraphBuilder;
import dev.heng.spi.graph.Op;
import dev.heng.spi.graph.Value;
import dev.heng.spi.tensor.DType;
import dev.heng.spi.tensor.Dim;
import dev.heng.spi.tensor.Quantization;
import dev.heng.spi.tensor.Shape;
import dev.heng.spi.tensor.TensorType;
import java.util.ArrayList;
import java.util.List;

/** What differs between the two kinds of attention. Widths are in elements. */
sealed interface AttentionKind {

    /** Slots of a page in most cases: few, so that few rows meet the edges of several. */
    int PAGE_SIZE = 4;

    int heads();

    int queryWidth();

    /** Widths of the parts that are appended, in order. */
    int[] partWidths();

    int valueWidth();

    /** Returns {@code shape} with the sizes that may shrink. */
    CaseShape shape(CaseShape shape);

    /** Returns this kind in the sizes of a shape that {@link #shape} made. */
    AttentionKind at(CaseShape shape);

    /** Multi-head latent attention; names of ops.md. */
    record Mla(int heads, int nope, int rope, int value, int latent, Quantization quantization)
            implements AttentionKind {
        @Override
        public int queryWidth() {
            return heads * (nope + rope);
        }

        @Override
        public int[] partWidths() {
            return new int[] {latent, rope};
        }

        @Override
        public int valueWidth() {
            return heads * value;
        }

        TensorType kvB(DType plain) {
            DType dtype = switch (quantization) {
                case Quantization.None _ -> plain;
                case Quantization.Fp8Blocks _ -> DType.F8_E4M3;
                case Quantization.Int8Channels _ -> DType.I8;
                case Quantization.Int4Groups _ -> DType.I4;
            };
            return new TensorType(dtype, Shape.of((long) heads * (nope + value), latent), quantization);
        }

        double scale() {
            return 1.75 / Math.sqrt(nope + rope);
        }

        @Override
        public CaseShape shape(CaseShape shape) {
            return shape.and("heads", heads, 1)
                    .and("nope", nope, 1)
                    .and("pairs", rope / 2, 1)
                    .and("value", value, 1)
                    .and("latent", latent, 1);
        }

        @Override
        public Mla at(CaseShape shape) {
            return new Mla(
                    shape.get("heads"),
                    shape.get("nope"),
                    2 * shape.get("pairs"),
                    shape.get("value"),
                    shape.get("latent"),
                    quantization);
        }

        @Override
        public String toString() {
            return "heads=" + heads + ",nope=" + nope + ",rope=" + rope + ",value=" + value + ",latent=" + latent + ","
                    + quantization.toString().replace(' ', '-');
        }
    }

    /** Grouped-query attention. */
    record Gqa(int heads, int kvHeads, int headDim, int value) implements AttentionKind {
        @Override
        public int queryWidth() {
            return heads * headDim;
        }

        @Override
        public int[] partWidths() {
            return new int[] {kvHeads * headDim, kvHeads * value};
        }

        @Override
        public int valueWidth() {
            return heads * value;
        }

        double scale() {
            return 1.25 / Math.sqrt(headDim);
        }

        @Override
        public CaseShape shape(CaseShape shape) {
            return shape.and("kv", kvHeads, 1)
                    .and("queries", heads / kvHeads, 1)
                    .and("dim", headDim, 1)
                    .and("value", value, 1);
        }

        @Override
        public Gqa at(CaseShape shape) {
            return new Gqa(
                    shape.get("kv") * shape.get("queries"), shape.get("kv"), shape.get("dim"), shape.get("value"));
        }

        @Override
        public String toString() {
            return "heads=" + heads + ",kv=" + kvHeads + ",dim=" + headDim + ",value=" + value;
        }
    }

    /**
     * Declares inputs q, part0, part1 and paging, appends the parts to caches, attends, and shows the result as y.
     *
     * @param pageSize slots of a page of the caches
     * @param kvB the weight of latent attention; none for grouped-query attention
     */
    static void build(GraphBuilder builder, AttentionKind kind, DType dtype, int pageSize, Value... kvB) {
        Dim tokens = Dim.of(Dim.TOKENS);
        Value q = builder.input("q", TensorType.of(dtype, tokens, Dim.of(kind.queryWidth())));
        int[] widths = kind.partWidths();
        List<Value> parts = new ArrayList<>();
        for (int part = 0; part < widths.length; part++) {
            parts.add(builder.input("part" + part, TensorType.of(dtype, tokens, Dim.of(widths[part]))));
        }
        GraphBuilder.Paging paging = new GraphBuilder.Paging(
                builder.input("positions", TensorType.of(DType.I32, tokens)),
                builder.input("sequences", TensorType.of(DType.I32, tokens)),
                builder.input(
                        "page_table", TensorType.of(DType.I32, Dim.of(Dim.SEQUENCES), Dim.of(Dim.PAGES_PER_SEQUENCE))));
        Value result = switch (kind) {
            case Mla mla -> {
                Value cache = builder.cache("latent_cache", dtype, pageSize, mla.latent() + mla.rope());
                Value appended = builder.kvAppend("append", cache, parts, paging);
                yield builder.mlaAttention(
                        "attention",
                        new Op.MlaAttention(mla.heads(), mla.nope(), mla.rope(), mla.value(), mla.scale(), dtype),
                        q,
                        appended,
                        kvB[0],
                        paging);
            }
            case Gqa gqa -> {
                Value keys = builder.kvAppend(
                        "append_keys",
                        builder.cache("key_cache", dtype, pageSize, widths[0]),
                        parts.subList(0, 1),
                        paging);
                Value values = builder.kvAppend(
                        "append_values",
                        builder.cache("value_cache", dtype, pageSize, widths[1]),
                        parts.subList(1, 2),
                        paging);
                yield builder.groupedQueryAttention(
                        "attention",
                        new Op.GroupedQueryAttention(
                                gqa.heads(), gqa.kvHeads(), gqa.headDim(), gqa.value(), gqa.scale(), dtype),
                        q,
                        keys,
                        values,
                        paging);
            }
        };
        builder.output("y", result);
    }
}
