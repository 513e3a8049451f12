package dev.heng.backend.cuda.lowering;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.heng.kernels.cuda.CudaKernels;
import dev.heng.spi.graph.ActivationFormat;
import dev.heng.spi.graph.Graph;
import dev.heng.spi.graph.GraphBuilder;
import dev.heng.spi.graph.Node;
import dev.heng.spi.graph.Op;
import dev.heng.spi.graph.Value;
import dev.heng.spi.tensor.DType;
import dev.heng.spi.tensor.Dim;
import dev.heng.spi.tensor.TensorType;
import java.lang.foreign.Arena;
import java.lang.foreign.ValueLayout;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;

/** What a step of few rows becomes: a norm and two products, and a sparse layer with a shared expert, without a GPU. */
final class FewRowsTest {

    private static final int WIDTH = 64;
    private static final int MIDDLE = 32;
    private static final int EXPERTS = 4;

    private static Value weight(GraphBuilder g, String name, DType type, long... dims) {
        return g.weight(
                name,
                TensorType.of(
                        type, java.util.Arrays.stream(dims).mapToObj(Dim::of).toArray(Dim[]::new)));
    }

    /** A norm that two products read, the first of which a second norm and product read: the order of V3's queries. */
    private static Graph projections(DType second) {
        GraphBuilder g = new GraphBuilder("projections");
        Value x = g.input("x", TensorType.of(DType.BF16, Dim.of(Dim.TOKENS), Dim.of(WIDTH)));
        Value normed = g.rmsNorm("norm", x, weight(g, "gain", DType.BF16, WIDTH), 1e-6);
        Value a = g.linear("a", normed, weight(g, "wa", DType.BF16, WIDTH, WIDTH), ActivationFormat.FLOAT, DType.BF16);
        Value again = g.rmsNorm("again", a, weight(g, "gain2", DType.BF16, WIDTH), 1e-6);
        Value c = g.linear("c", again, weight(g, "wc", DType.BF16, WIDTH, WIDTH), ActivationFormat.FLOAT, DType.BF16);
        Value b = g.linear("b", normed, weight(g, "wb", second, MIDDLE, WIDTH), ActivationFormat.FLOAT, DType.BF16);
        g.output("b", b);
        g.output("c", c);
        return g.build();
    }

    private static Graph sparse(int shared) {
        GraphBuilder g = new GraphBuilder("sparse");
        Value residual = g.input("x", TensorType.of(DType.BF16, Dim.of(Dim.TOKENS), Dim.of(WIDTH)));
        Value x = g.rmsNorm("norm", residual, weight(g, "gain", DType.BF16, WIDTH), 1e-6);
        Value logits =
                g.linear("router", x, weight(g, "wr", DType.BF16, EXPERTS, WIDTH), ActivationFormat.FLOAT, DType.F32);
        GraphBuilder.Routed routed = g.route(
                "route",
                new Op.Route(
                        EXPERTS,
                        2,
                        Op.Route.Score.SOFTMAX,
                        1,
                        1,
                        Op.Route.GroupScore.MAXIMUM,
                        Op.Route.Masked.NEGATIVE_INFINITY,
                        false,
                        1.0),
                logits);
        GraphBuilder.Dispatched sent = g.dispatch("dispatch", new Op.Dispatch(0, EXPERTS), x, routed.ids());
        Value gate = grouped(g, "gate", sent.rows(), sent, MIDDLE);
        Value up = grouped(g, "up", sent.rows(), sent, MIDDLE);
        Value down = grouped(g, "down", g.swiglu("swiglu", gate, up), sent, WIDTH);
        Value sum = g.combine("combine", down, sent.origins(), routed.weights(), DType.BF16);
        if (shared > 0) {
            Value first =
                    g.linear("sg", x, weight(g, "wsg", DType.BF16, shared, WIDTH), ActivationFormat.FLOAT, DType.BF16);
            Value second =
                    g.linear("su", x, weight(g, "wsu", DType.BF16, shared, WIDTH), ActivationFormat.FLOAT, DType.BF16);
            Value product = g.linear(
                    "sd",
                    g.swiglu("ss", first, second),
                    weight(g, "wsd", DType.BF16, WIDTH, shared),
                    ActivationFormat.FLOAT,
                    DType.BF16);
            sum = g.plus("sum", sum, product);
        }
        g.output("y", g.plus("residual", residual, sum));
        return g.build();
    }

    private static Value grouped(GraphBuilder g, String name, Value rows, GraphBuilder.Dispatched sent, int outputs) {
        long columns = rows.type().shape().dim(-1).size();
        Value weight = weight(g, "w" + name, DType.BF16, EXPERTS, outputs, columns);
        return g.groupedLinear(name, rows, sent.offsets(), weight, ActivationFormat.FLOAT, DType.BF16);
    }

    private static Lowering lower(Graph graph, long tokens) {
        Map<Value, StoredWeight> weights = new HashMap<>();
        for (Value weight : graph.weights()) {
            weights.put(weight, new StoredWeight(weight, 1L << 30, 0, 0, 1L << 20, 0, 0));
        }
        return new Lowering(
                new Lowering.Setting(
                        graph, weights, CudaKernels.argumentBlocks(), _ -> 0L, 8, 4096, 3, "cuda:0", MatrixUnit.NONE),
                Map.of(Dim.TOKENS, tokens),
                name -> (1L << 34) + ((long) name.hashCode() << 8),
                1L << 40,
                Arena.ofAuto());
    }

    /** Returns the kernels in order, without the copies of outputs that could not be written in place. */
    private static List<String> kernels(Lowering lowering) {
        return lowering.commands().stream()
                .map(command -> command instanceof Command.Launch launch ? launch.kernel() : "other")
                .filter(kernel -> !kernel.equals("copy_rows"))
                .toList();
    }

    private static long pointer(Command command, String block, String field) {
        var at = CudaKernels.argumentBlocks().block(block).fields().get(field);
        if (at == null) {
            throw new AssertionError(block + " has no " + field);
        }
        return ((Command.Launch) command).arguments().get(ValueLayout.JAVA_LONG, at.offset());
    }

    @Test
    void takesANormIntoBothProductsAndPlacesThemBeforeTheirReaders() {
        Lowering lowering = lower(projections(DType.BF16), 1);
        assertEquals(List.of("project1_bf16", "project1_bf16"), kernels(lowering));
        assertTrue(pointer(lowering.commands().getFirst(), "ProjectArgs", "other.data") != 0, "b rides along");
        assertTrue(pointer(lowering.commands().get(1), "ProjectArgs", "norm.data") != 0, "c has its own norm");
        assertEquals(
                pointer(lowering.commands().getFirst(), "ProjectArgs", "y.data"),
                pointer(lowering.commands().get(1), "ProjectArgs", "x.data"));
    }

    @Test
    void keepsProductsOfUnlikeWeightsApart() {
        assertTrue(kernels(lower(projections(DType.F32), 1)).contains("rms_norm"));
    }

    @Test
    void makesThreeLaunchesOfASparseLayer() {
        Lowering lowering = lower(sparse(2 * MIDDLE), 1);
        assertEquals(List.of("router1_bf16", "gated_bf16", "expert_down_bf16"), kernels(lowering));
        assertTrue(pointer(lowering.commands().get(1), "GatedArgs", "gate.data") != 0, "the shared expert");
        assertTrue(pointer(lowering.commands().get(2), "ExpertDownArgs", "addend.data") != 0, "the residual");
        assertEquals(
                4096 + 4L * routeIndex(sparse(2 * MIDDLE)),
                pointer(lowering.commands().getFirst(), "RouterArgs", "finished"));
    }

    @Test
    void makesThreeLaunchesWithoutASharedExpertToo() {
        Lowering lowering = lower(sparse(0), 4);
        assertEquals(List.of("router4_bf16", "gated_bf16", "expert_down_bf16"), kernels(lowering));
        assertEquals(0, pointer(lowering.commands().get(2), "ExpertDownArgs", "shared_down.data"));
    }

    @Test
    void leavesManyRowsToTheGeneralKernels() {
        assertFalse(kernels(lower(sparse(MIDDLE), 9)).contains("gated_bf16"));
    }

    private static int routeIndex(Graph graph) {
        return graph.nodes().stream()
                .filter(node -> node.op() instanceof Op.Route)
                .mapToInt(Node::index)
                .findFirst()
                .orElseThrow();
    }
}
