package dev.heng.conformance.suite;

import dev.heng.conformance.fill.MatrixFill;
import dev.heng.conformance.random.RandomStream;
import dev.heng.spi.graph.ActivationFormat;
import dev.heng.spi.graph.GraphBuilder;
import dev.heng.spi.graph.Op;
import dev.heng.spi.graph.Value;
import dev.heng.spi.tensor.DType;
import dev.heng.spi.tensor.Dim;
import dev.heng.spi.tensor.Quantization;
import dev.heng.spi.tensor.Shape;
import dev.heng.spi.tensor.TensorType;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/** Builds the blocks of a model from their shape, with weights drawn at random, and shows what every router saw and chose. */
final class ChainGraph {

    static final int PAGE_SIZE = 4;

    /**
     * How matrices of a chain are stored.
     *
     * @param name as ids show it
     * @param dtype the type of elements
     * @param activation how products round their activations
     */
    record Format(String name, DType dtype, Quantization quantization, ActivationFormat activation) {
        /** Returns plain matrices of the activation type. */
        static Format plain(DType dtype) {
            return new Format(Tensors.name(dtype), dtype, Quantization.NONE, ActivationFormat.FLOAT);
        }
    }

    private final GraphBuilder builder;
    private final ModelShape shape;
    private final DType activations;
    private final Format format;
    private final RandomStream stream;
    private final Map<String, StoredWeight> weights = new HashMap<>();

    ChainGraph(String name, ModelShape shape, DType activations, Format format, RandomStream stream) {
        this.builder = new GraphBuilder(name);
        this.shape = shape;
        this.activations = activations;
        this.format = format;
        this.stream = stream;
    }

    GraphBuilder builder() {
        return builder;
    }

    Map<String, StoredWeight> weights() {
        return weights;
    }

    GraphBuilder.Paging paging() {
        TensorType perToken = TensorType.of(DType.I32, Dim.of(Dim.TOKENS));
        return new GraphBuilder.Paging(
                builder.input("positions", perToken),
                builder.input("sequences", perToken),
                builder.input(
                        "page_table", TensorType.of(DType.I32, Dim.of(Dim.SEQUENCES), Dim.of(Dim.PAGES_PER_SEQUENCE))));
    }

    Value hiddenInput() {
        return builder.input("x", TensorType.of(activations, Dim.of(Dim.TOKENS), Dim.of(shape.hidden())));
    }

    /** Declares a plain weight of numbers around {@code mean}. */
    private Value plain(String name, DType dtype, double mean, double spread, long... dims) {
        int elements = 1;
        for (long dim : dims) {
            elements = Math.multiplyExact(elements, Math.toIntExact(dim));
        }
        RandomStream own = stream.split(name);
        double[] values = new double[elements];
        for (int index = 0; index < elements; index++) {
            values[index] = mean + spread * own.normal();
        }
        TensorType type = TensorType.of(dtype, Shape.of(dims));
        weights.put(name, StoredWeight.plain(type, values));
        return builder.weight(name, type);
    }

    /** Declares a matrix [n, k], or [experts, n, k], of this chain's format; a plain one keeps the size of what passes. */
    private Value matrix(String name, long... dims) {
        if (format.quantization() instanceof Quantization.None) {
            double spread = 1 / Math.sqrt((double) dims[dims.length - 1]);
            if (dims.length == 2) {
                return plain(name, format.dtype(), 0, spread, dims);
            }
            return stacked(name, spread, dims);
        }
        TensorType type = new TensorType(format.dtype(), Shape.of(dims), format.quantization());
        weights.put(name, StoredWeight.draw(stream.split(name), type, MatrixFill.NORMAL, StoredWeight.Scales.ALIKE));
        return builder.weight(name, type);
    }

    /** Declares experts' plain matrices, each a part of its own (QUANT-003). */
    private Value stacked(String name, double spread, long... dims) {
        TensorType type = TensorType.of(format.dtype(), Shape.of(dims));
        weights.put(name, StoredWeight.normal(stream.split(name), type, spread));
        return builder.weight(name, type);
    }

    private Value linear(String node, Value x, int rows) {
        long width = x.type().shape().dim(-1).size();
        return builder.linear(node, x, matrix(node + ".weight", rows, width), format.activation(), activations);
    }

    private Value biased(String node, Value x, int rows) {
        long width = x.type().shape().dim(-1).size();
        return builder.linear(
                node,
                x,
                matrix(node + ".weight", rows, width),
                plain(node + ".bias", activations, 0, 0.3, rows),
                format.activation(),
                activations);
    }

    Value norm(String node, Value x, int length, double epsilon) {
        return builder.rmsNorm(node, x, plain(node + ".weight", activations, 1, 0.2, length), epsilon);
    }

    /** Adds the attention of layer {@code layer} over x [tokens, hidden]. */
    Value attention(int layer, Value x, GraphBuilder.Paging paging) {
        String node = "layers." + layer + ".self_attn";
        return switch (shape.attention()) {
            case ModelShape.Latent latent -> latent(node, layer, x, paging, latent);
            case ModelShape.Grouped grouped -> grouped(node, layer, x, paging, grouped);
        };
    }

    private Value latent(String node, int layer, Value x, GraphBuilder.Paging paging, ModelShape.Latent latent) {
        int headDim = latent.nope() + latent.rope();
        Integer rank = latent.queryRank();
        Value source = rank == null ? x : norm(node + ".q_a_norm", linear(node + ".q_a_proj", x, rank), rank, 1e-6);
        Value query = builder.rope(
                node + ".q_rope",
                linear(node + ".q_proj", source, latent.heads() * headDim),
                paging.positions(),
                headDim,
                latent.nope(),
                Op.Pairing.INTERLEAVED,
                latent.frequencies());
        Value compressed = linear(node + ".kv_a_proj", x, latent.latent() + latent.rope());
        Value normalised = norm(
                node + ".kv_a_norm",
                builder.slice(node + ".latent", compressed, 0, latent.latent()),
                latent.latent(),
                1e-6);
        Value key = builder.rope(
                node + ".k_rope",
                builder.slice(node + ".rope_key", compressed, latent.latent(), latent.rope()),
                paging.positions(),
                latent.rope(),
                0,
                Op.Pairing.INTERLEAVED,
                latent.frequencies());
        Value cache = builder.cache(
                "layers." + layer + ".latent_cache", activations, PAGE_SIZE, latent.latent() + latent.rope());
        Value appended = builder.kvAppend(node + ".append", cache, List.of(normalised, key), paging);
        Value kvB = matrix(
                node + ".kv_b_proj.weight", (long) latent.heads() * (latent.nope() + latent.value()), latent.latent());
        Value attended = builder.mlaAttention(
                node + ".attention",
                new Op.MlaAttention(
                        latent.heads(), latent.nope(), latent.rope(), latent.value(), latent.scale(), activations),
                query,
                appended,
                kvB,
                paging);
        return linear(node + ".o_proj", attended, shape.hidden());
    }

    private Value grouped(String node, int layer, Value x, GraphBuilder.Paging paging, ModelShape.Grouped grouped) {
        int keyWidth = grouped.kvHeads() * grouped.headDim();
        Value query = heads(node, "q", x, grouped.heads(), paging, grouped);
        Value key = heads(node, "k", x, grouped.kvHeads(), paging, grouped);
        Value value = grouped.bias() ? biased(node + ".v_proj", x, keyWidth) : linear(node + ".v_proj", x, keyWidth);
        Value keys = builder.kvAppend(
                node + ".append_keys",
                builder.cache("layers." + layer + ".key_cache", activations, PAGE_SIZE, keyWidth),
                List.of(key),
                paging);
        Value values = builder.kvAppend(
                node + ".append_values",
                builder.cache("layers." + layer + ".value_cache", activations, PAGE_SIZE, keyWidth),
                List.of(value),
                paging);
        Value attended = builder.groupedQueryAttention(
                node + ".attention",
                new Op.GroupedQueryAttention(
                        grouped.heads(),
                        grouped.kvHeads(),
                        grouped.headDim(),
                        grouped.headDim(),
                        1 / Math.sqrt(grouped.headDim()),
                        activations),
                query,
                keys,
                values,
                paging);
        return linear(node + ".o_proj", attended, shape.hidden());
    }

    private Value heads(
            String node, String which, Value x, int heads, GraphBuilder.Paging paging, ModelShape.Grouped grouped) {
        String projection = node + "." + which + "_proj";
        int width = heads * grouped.headDim();
        Value projected = grouped.bias() ? biased(projection, x, width) : linear(projection, x, width);
        Value normalised = grouped.headNorm()
                ? norm(node + "." + which + "_norm", projected, grouped.headDim(), shape.epsilon())
                : projected;
        return builder.rope(
                node + "." + which + "_rope",
                normalised,
                paging.positions(),
                grouped.headDim(),
                0,
                Op.Pairing.HALF,
                grouped.frequencies());
    }

    /** Adds a gated MLP of {@code width}. */
    Value dense(String node, Value x, int width) {
        Value gated = builder.swiglu(
                node + ".swiglu", linear(node + ".gate_proj", x, width), linear(node + ".up_proj", x, width));
        return linear(node + ".down_proj", gated, shape.hidden());
    }

    /** Adds router, routed and shared experts of layer {@code layer}; the router's logits, ids and weights become outputs. */
    Value sparse(int layer, Value x) {
        String node = "layers." + layer + ".mlp";
        ModelShape.Experts experts = shape.experts();
        Op.Route route = experts.route();
        int count = route.experts();
        // Logits spread over a few units, as trained routers' do.
        Value gate = plain(
                node + ".gate.weight",
                format.quantization() instanceof Quantization.None ? format.dtype() : activations,
                0,
                1.5 / Math.sqrt(shape.hidden()),
                count,
                shape.hidden());
        Value logits = builder.linear(node + ".router", x, gate, ActivationFormat.FLOAT, DType.F32);
        GraphBuilder.Routed routed = experts.biased()
                ? builder.route(node + ".route", route, logits, plain(node + ".bias", DType.F32, 0, 0.2, count))
                : builder.route(node + ".route", route, logits);
        builder.output(node + ".logits", logits);
        builder.output(node + ".ids", routed.ids());
        builder.output(node + ".weights", routed.weights());
        GraphBuilder.Dispatched dispatched =
                builder.dispatch(node + ".dispatch", new Op.Dispatch(0, count), x, routed.ids());
        Value gated = builder.swiglu(
                node + ".experts.swiglu",
                expert(node + ".experts.gate_proj", dispatched.rows(), dispatched, experts.width()),
                expert(node + ".experts.up_proj", dispatched.rows(), dispatched, experts.width()));
        Value down = expert(node + ".experts.down_proj", gated, dispatched, shape.hidden());
        Value combined = builder.combine(node + ".combine", down, dispatched.origins(), routed.weights(), activations);
        return experts.shared() == 0
                ? combined
                : builder.plus(
                        node + ".sum",
                        combined,
                        dense(node + ".shared_experts", x, experts.width() * experts.shared()));
    }

    private Value expert(String node, Value rows, GraphBuilder.Dispatched dispatched, int width) {
        long k = rows.type().shape().dim(-1).size();
        Value weight = matrix(node + ".weight", shape.experts().route().experts(), width, k);
        return builder.groupedLinear(node, rows, dispatched.offsets(), weight, format.activation(), activations);
    }

    /** Adds a decoder layer over the residual. */
    Value layer(int layer, Value residual, GraphBuilder.Paging paging) {
        String node = "layers." + layer;
        Value attended =
                attention(layer, norm(node + ".input_norm", residual, shape.hidden(), shape.epsilon()), paging);
        Value between = builder.plus(node + ".attention_sum", residual, attended);
        Value normalised = norm(node + ".post_norm", between, shape.hidden(), shape.epsilon());
        Value mlp = layer < shape.denseLayers()
                ? dense(node + ".mlp", normalised, shape.denseWidth())
                : sparse(layer, normalised);
        return builder.plus(node + ".mlp_sum", between, mlp);
    }

    /** Adds the whole model: logits and the chosen token of the rows that are asked for become outputs. */
    void model() {
        Value tokens = builder.input("tokens", TensorType.of(DType.I32, Dim.of(Dim.TOKENS)));
        GraphBuilder.Paging paging = paging();
        Value rows = builder.input("output_rows", TensorType.of(DType.I32, Dim.of(Dim.OUTPUTS)));
        Value table = plain(
                "embed.weight",
                format.quantization() instanceof Quantization.None ? format.dtype() : activations,
                0,
                1,
                shape.vocabulary(),
                shape.hidden());
        Value residual = builder.embed("embed", table, tokens, activations);
        for (int layer = 0; layer < shape.layers(); layer++) {
            residual = layer(layer, residual, paging);
        }
        Value selected = builder.selectRows("head.rows", residual, rows);
        Value normalised = norm("head.norm", selected, shape.hidden(), shape.epsilon());
        Value logits = linear("head.lm", normalised, shape.vocabulary());
        builder.output("logits", logits);
        builder.output("next", builder.argmax("head.argmax", logits));
    }
}
