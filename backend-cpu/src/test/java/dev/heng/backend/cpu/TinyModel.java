package dev.heng.backend.cpu;

import dev.heng.spi.WeightSource;
import dev.heng.spi.graph.ActivationFormat;
import dev.heng.spi.graph.Graph;
import dev.heng.spi.graph.GraphBuilder;
import dev.heng.spi.graph.Op;
import dev.heng.spi.graph.Value;
import dev.heng.spi.tensor.DType;
import dev.heng.spi.tensor.Dim;
import dev.heng.spi.tensor.Quantization;
import dev.heng.spi.tensor.RopeFrequencies;
import dev.heng.spi.tensor.TensorType;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;

/** One MLA and MoE layer of odd sizes with seeded weights in a chosen format, from token ids to the chosen token. */
final class TinyModel {

    static final int VOCABULARY = 77;
    static final int HIDDEN = 72;
    static final int HEADS = 3;
    static final int NOPE = 10;
    static final int ROPE = 6;
    static final int VALUE = 9;
    static final int LATENT = 24;
    static final int EXPERTS = 8;
    static final int TOP_K = 3;
    static final int MIDDLE = 40;
    static final int PAGE = 4;

    private TinyModel() {}

    /**
     * Builds the graph.
     *
     * @param activation the type of activations
     * @param quantization of the products' weights
     * @param format of the products' activations
     * @param everything whether every value is an output, which keeps nodes from being fused
     */
    static Graph graph(DType activation, Quantization quantization, ActivationFormat format, boolean everything) {
        GraphBuilder g = new GraphBuilder("tiny");
        List<Value> all = new ArrayList<>();
        Dim tokens = Dim.of(Dim.TOKENS);
        Value ids = g.input("ids", TensorType.of(DType.I32, tokens));
        Value rows = g.input("rows", TensorType.of(DType.I32, Dim.of(Dim.OUTPUTS)));
        GraphBuilder.Paging paging = new GraphBuilder.Paging(
                g.input("positions", TensorType.of(DType.I32, tokens)),
                g.input("sequences", TensorType.of(DType.I32, tokens)),
                g.input("pages", TensorType.of(DType.I32, Dim.of(Dim.SEQUENCES), Dim.of(Dim.PAGES_PER_SEQUENCE))));
        Value cache = g.cache("cache", activation, PAGE, LATENT + ROPE);
        Value table = g.weight("table", TensorType.of(DType.BF16, Dim.of(VOCABULARY), Dim.of(HIDDEN)));
        Value x = keep(all, g.embed("embed", table, ids, activation));
        Value h = keep(all, g.rmsNorm("norm1", x, vector(g, "norm1.weight", HIDDEN), 1e-6));
        Value q = keep(all, linear(g, "q", h, HEADS * (NOPE + ROPE), HIDDEN, quantization, format, activation));
        Value kv = keep(all, linear(g, "kv_a", h, LATENT + ROPE, HIDDEN, quantization, format, activation));
        RopeFrequencies frequencies = new RopeFrequencies(new double[] {1, 0.1, 0.01}, 1.0);
        q = keep(all, g.rope("q.rope", q, paging.positions(), NOPE + ROPE, NOPE, Op.Pairing.INTERLEAVED, frequencies));
        Value latent = keep(all, g.slice("latent", kv, 0, LATENT));
        latent = keep(all, g.rmsNorm("latent.norm", latent, vector(g, "latent.weight", LATENT), 1e-6));
        Value key = keep(all, g.slice("key", kv, LATENT, ROPE));
        key = keep(all, g.rope("key.rope", key, paging.positions(), ROPE, 0, Op.Pairing.INTERLEAVED, frequencies));
        Value filled = g.kvAppend("append", cache, List.of(latent, key), paging);
        Value kvB = g.weight("kv_b", TensorType.of(DType.BF16, Dim.of(HEADS * (NOPE + VALUE)), Dim.of(LATENT)));
        Value attended = keep(
                all,
                g.mlaAttention(
                        "attention",
                        new Op.MlaAttention(HEADS, NOPE, ROPE, VALUE, 0.25, activation),
                        q,
                        filled,
                        kvB,
                        paging));
        Value o = keep(
                all,
                linear(g, "o", attended, HIDDEN, HEADS * VALUE, Quantization.NONE, ActivationFormat.FLOAT, activation));
        x = keep(all, g.plus("residual1", x, o));
        h = keep(all, g.rmsNorm("norm2", x, vector(g, "norm2.weight", HIDDEN), 1e-6));
        Value wide = keep(all, g.cast("wide", h, DType.F32));
        Value logits = keep(
                all,
                g.linear(
                        "router",
                        wide,
                        g.weight("router.weight", TensorType.of(DType.F32, Dim.of(EXPERTS), Dim.of(HIDDEN))),
                        ActivationFormat.FLOAT,
                        DType.F32));
        GraphBuilder.Routed routed = g.route(
                "route",
                new Op.Route(
                        EXPERTS,
                        TOP_K,
                        Op.Route.Score.SIGMOID,
                        4,
                        2,
                        Op.Route.GroupScore.TOP_TWO_SUM,
                        Op.Route.Masked.NEGATIVE_INFINITY,
                        true,
                        2.5),
                logits,
                g.weight("route.bias", TensorType.of(DType.F32, Dim.of(EXPERTS))));
        GraphBuilder.Dispatched dispatched = g.dispatch("dispatch", new Op.Dispatch(0, EXPERTS), h, routed.ids());
        keep(all, dispatched.rows());
        Value gate = keep(
                all,
                grouped(g, "gate", dispatched, dispatched.rows(), MIDDLE, HIDDEN, quantization, format, activation));
        Value up = keep(
                all, grouped(g, "up", dispatched, dispatched.rows(), MIDDLE, HIDDEN, quantization, format, activation));
        Value middle = keep(all, g.swiglu("swiglu", gate, up));
        Value down =
                keep(all, grouped(g, "down", dispatched, middle, HIDDEN, MIDDLE, quantization, format, activation));
        Value combined = keep(all, g.combine("combine", down, dispatched.origins(), routed.weights(), activation));
        Value sharedGate = keep(all, linear(g, "shared.gate", h, MIDDLE, HIDDEN, quantization, format, activation));
        Value sharedUp = keep(all, linear(g, "shared.up", h, MIDDLE, HIDDEN, quantization, format, activation));
        Value shared = keep(all, g.swiglu("shared.swiglu", sharedGate, sharedUp));
        shared = keep(all, linear(g, "shared.down", shared, HIDDEN, MIDDLE, quantization, format, activation));
        Value mlp = keep(all, g.plus("mlp", combined, shared));
        x = keep(all, g.plus("residual2", x, mlp));
        x = keep(all, g.selectRows("select", x, rows));
        h = keep(all, g.rmsNorm("norm3", x, vector(g, "norm3.weight", HIDDEN), 1e-6));
        Value scores = g.linear(
                "head",
                h,
                table,
                g.weight("head.bias", TensorType.of(DType.BF16, Dim.of(VOCABULARY))),
                ActivationFormat.FLOAT,
                DType.F32);
        g.output("logits", scores);
        g.output("token", g.argmax("argmax", scores));
        if (everything) {
            all.stream().distinct().forEach(value -> g.output("all." + value.name(), value));
            g.output("all.ids", routed.ids());
            g.output("all.offsets", dispatched.offsets());
            g.output("all.origins", dispatched.origins());
        }
        return g.build();
    }

    private static Value keep(List<Value> all, Value value) {
        all.add(value);
        return value;
    }

    private static Value vector(GraphBuilder g, String name, int length) {
        return g.weight(name, TensorType.of(DType.BF16, Dim.of(length)));
    }

    private static Value linear(
            GraphBuilder g,
            String name,
            Value x,
            int n,
            int k,
            Quantization quantization,
            ActivationFormat format,
            DType out) {
        return g.linear(name, x, g.weight(name + ".weight", matrix(quantization, Dim.of(n), Dim.of(k))), format, out);
    }

    private static Value grouped(
            GraphBuilder g,
            String name,
            GraphBuilder.Dispatched dispatched,
            Value rows,
            int n,
            int k,
            Quantization quantization,
            ActivationFormat format,
            DType out) {
        Value weight = g.weight(name + ".weight", matrix(quantization, Dim.of(EXPERTS), Dim.of(n), Dim.of(k)));
        return g.groupedLinear(name, rows, dispatched.offsets(), weight, format, out);
    }

    private static TensorType matrix(Quantization quantization, Dim... dims) {
        DType type = switch (quantization) {
            case Quantization.None _ -> DType.BF16;
            case Quantization.Fp8Blocks _ -> DType.F8_E4M3;
            case Quantization.Int8Channels _ -> DType.I8;
            case Quantization.Int4Groups _ -> DType.I4;
        };
        return new TensorType(type, TensorType.of(DType.F32, dims).shape(), quantization);
    }

    /** Returns the same seeded bytes for every weight of a name, whatever graph it is in. */
    static WeightSource weights(Arena arena) {
        Map<String, WeightSource.WeightData> made = new HashMap<>();
        return weight -> made.computeIfAbsent(weight.name(), _ -> {
            Random random = new Random(weight.name().hashCode());
            TensorType type = weight.type();
            int rank = type.shape().rank();
            int parts = rank == 3 ? Math.toIntExact(type.shape().dim(0).size()) : 1;
            long k = type.shape().dim(-1).size();
            long n = rank >= 2 ? type.shape().dim(-2).size() : 1;
            List<WeightSource.Part> list = new ArrayList<>();
            for (int part = 0; part < parts; part++) {
                list.add(
                        switch (type.quantization()) {
                            case Quantization.None _ ->
                                new WeightSource.Part(reals(arena, random, type.dtype(), n * k, 0.3), null, null);
                            case Quantization.Fp8Blocks blocks ->
                                new WeightSource.Part(
                                        bytes(arena, random, n * k, 0x77),
                                        reals(
                                                arena,
                                                random,
                                                blocks.scaleType(),
                                                Math.ceilDiv(n, blocks.blockRows())
                                                        * Math.ceilDiv(k, blocks.blockColumns()),
                                                0.01),
                                        null);
                            case Quantization.Int8Channels channels ->
                                new WeightSource.Part(
                                        bytes(arena, random, n * k, 0xff),
                                        reals(arena, random, channels.scaleType(), n, 0.004),
                                        null);
                            case Quantization.Int4Groups groups ->
                                new WeightSource.Part(
                                        bytes(arena, random, n * Math.ceilDiv(k, 8L) * 4, 0xff),
                                        reals(
                                                arena,
                                                random,
                                                groups.scaleType(),
                                                n * Math.ceilDiv(k, groups.groupSize()),
                                                0.05),
                                        groups.zeroPoints()
                                                ? bytes(
                                                        arena,
                                                        random,
                                                        Math.ceilDiv(n, 8L) * Math.ceilDiv(k, groups.groupSize()) * 4,
                                                        0xff)
                                                : null);
                        });
            }
            return new WeightSource.WeightData(list);
        });
    }

    private static MemorySegment bytes(Arena arena, Random random, long count, int mask) {
        MemorySegment segment = arena.allocate(Math.max(1, count));
        for (long i = 0; i < count; i++) {
            segment.set(ValueLayout.JAVA_BYTE, i, (byte) (random.nextInt(256) & mask));
        }
        return segment.asSlice(0, count);
    }

    private static MemorySegment reals(Arena arena, Random random, DType type, long count, double size) {
        MemorySegment segment = arena.allocate(type.bytes(count) + 4, 4);
        for (long i = 0; i < count; i++) {
            float value = (float) (random.nextGaussian() * size);
            switch (type) {
                case F32 -> segment.setAtIndex(ValueLayout.JAVA_FLOAT, i, value);
                case BF16 ->
                    segment.setAtIndex(ValueLayout.JAVA_SHORT, i, (short) (Float.floatToIntBits(value) >>> 16));
                case F16 -> segment.setAtIndex(ValueLayout.JAVA_SHORT, i, Float.floatToFloat16(value));
                case F8_E8M0 -> segment.set(ValueLayout.JAVA_BYTE, i, (byte) (120 + random.nextInt(4)));
                case F64, F8_E4M3, I8, I4, I32, I64 -> throw new IllegalArgumentException("not a real type: " + type);
            }
        }
        return segment.asSlice(0, type.bytes(count));
    }
}
