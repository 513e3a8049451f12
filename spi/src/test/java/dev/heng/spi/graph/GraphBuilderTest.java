package dev.heng.spi.graph;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.heng.spi.tensor.DType;
import dev.heng.spi.tensor.Dim;
import dev.heng.spi.tensor.Quantization;
import dev.heng.spi.tensor.RopeFrequencies;
import dev.heng.spi.tensor.Shape;
import dev.heng.spi.tensor.TensorType;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.function.Executable;

class GraphBuilderTest {

    private static final Dim TOKENS = Dim.of(Dim.TOKENS);
    private static final Op.Route ROUTE = new Op.Route(
            8,
            2,
            Op.Route.Score.SIGMOID,
            4,
            2,
            Op.Route.GroupScore.TOP_TWO_SUM,
            Op.Route.Masked.NEGATIVE_INFINITY,
            true,
            2.5);

    private final GraphBuilder builder = new GraphBuilder("test");

    private Value activation(String name, long width) {
        return builder.input(name, TensorType.of(DType.F32, TOKENS, Dim.of(width)));
    }

    private Value weight(String name, long... shape) {
        return builder.weight(name, TensorType.of(DType.BF16, Shape.of(shape)));
    }

    private Value integers(String name, Dim... dims) {
        return builder.input(name, TensorType.of(DType.I32, dims));
    }

    private GraphBuilder.Paging paging() {
        return new GraphBuilder.Paging(
                integers("positions", TOKENS),
                integers("sequences", TOKENS),
                integers("page_table", Dim.of(Dim.SEQUENCES), Dim.of(Dim.PAGES_PER_SEQUENCE)));
    }

    private static void refused(String fragment, Executable building) {
        IllegalArgumentException failure = assertThrows(IllegalArgumentException.class, building);
        String message = String.valueOf(failure.getMessage());
        assertTrue(message.contains(fragment), () -> "'" + message + "' does not say '" + fragment + "'");
    }

    @Test
    void aMoeLayerIsInferredFromEndToEnd() {
        Value x = activation("x", 16);
        Value logits = builder.linear("router", x, weight("router.weight", 8, 16), ActivationFormat.FLOAT, DType.F32);
        GraphBuilder.Routed routed =
                builder.route("route", ROUTE, logits, builder.weight("bias", TensorType.of(DType.F32, Dim.of(8))));
        GraphBuilder.Dispatched rows = builder.dispatch("dispatch", new Op.Dispatch(0, 8), x, routed.ids());
        TensorType experts =
                new TensorType(DType.I4, Shape.of(8, 6, 16), new Quantization.Int4Groups(32, DType.BF16, false));
        Value gate = builder.groupedLinear(
                "gate", rows.rows(), rows.offsets(), builder.weight("g", experts), ActivationFormat.FLOAT, DType.F32);
        Value up = builder.groupedLinear(
                "up", rows.rows(), rows.offsets(), builder.weight("u", experts), ActivationFormat.FLOAT, DType.F32);
        Value down = builder.groupedLinear(
                "down",
                builder.swiglu("act", gate, up),
                rows.offsets(),
                weight("d", 8, 16, 6),
                ActivationFormat.FLOAT,
                DType.F32);
        Value y = builder.combine("combine", down, rows.origins(), routed.weights(), DType.BF16);
        builder.output("y", y);
        Graph graph = builder.build();

        assertEquals(TensorType.of(DType.I32, TOKENS, Dim.of(2)), routed.ids().type());
        assertEquals(
                TensorType.of(DType.F32, TOKENS.times(2), Dim.of(16)),
                rows.rows().type());
        assertEquals(TensorType.of(DType.I32, Dim.of(9)), rows.offsets().type());
        assertEquals(TensorType.of(DType.BF16, TOKENS, Dim.of(16)), y.type());
        assertEquals(8, graph.nodes().size());
        assertEquals("combine", graph.producer(y).orElseThrow().name());
        assertEquals(
                List.of("router.weight", "bias", "g", "u", "d"),
                graph.weights().stream().map(Value::name).toList());
    }

    @Test
    void aGraphPrintsItselfReadably() {
        Value x = activation("x", 4);
        builder.output("y", builder.linear("proj", x, weight("w", 3, 4), ActivationFormat.FLOAT, DType.F16));
        assertEquals("""
                graph test
                  input %x: F32[tokens, 4]
                  weight %w: BF16[3, 4]
                  %proj = Linear[activation=FLOAT, out=F16](%x, %w)  -> F16[tokens, 3]
                  output y = %proj
                """, builder.build().toString());
        String dot = GraphText.dot(builder.build());
        assertTrue(dot.contains("\"v.x\" -> \"n.proj\";"), dot);
        assertTrue(dot.contains("\"n.proj\" -> \"o.y\";"), dot);
    }

    @Test
    void appendsMakeTheOrderOfStateExplicit() {
        GraphBuilder.Paging paging = paging();
        Value cache = builder.cache("cache", DType.F32, 16, 12);
        Value once = builder.kvAppend("append", cache, List.of(activation("latent", 8), activation("key", 4)), paging);
        Value twice = builder.kvAppend("again", once, List.of(activation("row", 12)), paging);
        Op.MlaAttention attention = new Op.MlaAttention(2, 6, 4, 5, 0.25, DType.F32);
        Value y =
                builder.mlaAttention("attention", attention, activation("q", 20), twice, weight("kv_b", 22, 8), paging);
        builder.output("y", y);
        Graph graph = builder.build();
        assertEquals(List.of(cache), graph.states());
        assertEquals(cache, graph.stateOf(twice));
        assertEquals(TensorType.of(DType.F32, TOKENS, Dim.of(10)), y.type());
        assertThrows(GraphException.class, () -> graph.stateOf(y));
    }

    @Test
    void operandsThatDoNotFitAreRefusedByName() {
        Value x = activation("x", 16);
        refused("16 != 17", () -> builder.linear("a", x, weight("w17", 8, 17), ActivationFormat.FLOAT, DType.F32));
        refused(
                "is not a weight",
                () -> builder.linear(
                        "b", x, integers("ids", Dim.of(8), Dim.of(16)), ActivationFormat.FLOAT, DType.F32));
        refused(
                "do not go with",
                () -> builder.linear("c", x, weight("w16", 8, 16), ActivationFormat.INT8_PER_TOKEN, DType.F32));
        refused(
                "not an activation type",
                () -> builder.linear("d", x, weight("w16b", 8, 16), ActivationFormat.FLOAT, DType.I32));
        refused("operands differ", () -> builder.plus("e", x, activation("other", 15)));
        refused("are not within", () -> builder.slice("f", x, 10, 7));
        refused("does not divide", () -> builder.rmsNorm("g", x, weight("norm", 5), 1e-6));
        refused(
                "is not whole heads",
                () -> builder.rope(
                        "h",
                        x,
                        integers("p", TOKENS),
                        5,
                        0,
                        Op.Pairing.HALF,
                        new RopeFrequencies(new double[] {1, .1}, 1)));
        refused("two values 'x'", () -> activation("x", 3));
        refused(
                "length of",
                () -> builder.route(
                        "i",
                        ROUTE,
                        activation("logits", 8),
                        builder.weight("bias7", TensorType.of(DType.F32, Dim.of(7)))));
        refused(
                "router logits are F32",
                () -> builder.route("j", ROUTE, builder.input("half", TensorType.of(DType.BF16, TOKENS, Dim.of(8)))));
        refused("has no output", builder::build);
        refused(
                "is quantised: only weights",
                () -> builder.input(
                        "q", new TensorType(DType.I8, Shape.of(2, 2), new Quantization.Int8Channels(DType.F32))));
        refused("a dimension that varies", () -> builder.weight("v", TensorType.of(DType.F32, TOKENS)));
    }

    @Test
    void strangersAndTakenNamesAreRefused() {
        GraphBuilder other = new GraphBuilder("other");
        Value stranger = other.input("x", TensorType.of(DType.F32, TOKENS, Dim.of(16)));
        Value x = activation("x", 16);
        refused("is not of graph 'test'", () -> builder.plus("sum", x, stranger));
        builder.plus("sum", x, x);
        refused("the name is taken", () -> builder.plus("sum", x, x));
    }

    @Test
    void impossibleAttributesAreRefused() {
        refused("do not divide into 3 groups", () -> route(8, 2, 3, 1));
        refused("keeps 5 of 4", () -> route(8, 2, 4, 5));
        refused("chooses 5 experts, but only 4", () -> route(8, 5, 4, 2));
        refused("a group has one", () -> route(4, 2, 4, 2));
        refused("not positive", () -> route(8, 0, 4, 2));
        refused(
                "does not fit a head",
                () -> new Op.Rope(4, 2, Op.Pairing.HALF, new RopeFrequencies(new double[] {1, .1}, 1)));
        refused("do not divide", () -> new Op.GroupedQueryAttention(5, 2, 8, 8, 1, DType.F32));
        refused("not a finite number", () -> new Op.RmsNorm(Double.NaN));
        refused("scale is", () -> new Op.MlaAttention(1, 1, 2, 1, Double.POSITIVE_INFINITY, DType.F32));
    }

    private static Op.Route route(int experts, int topK, int groups, int kept) {
        return new Op.Route(
                experts,
                topK,
                Op.Route.Score.SIGMOID,
                groups,
                kept,
                Op.Route.GroupScore.TOP_TWO_SUM,
                Op.Route.Masked.NEGATIVE_INFINITY,
                true,
                1);
    }
}
