package dev.heng.runtime.family;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.heng.runtime.HengException;
import dev.heng.runtime.checkpoint.ActivationRounding;
import dev.heng.runtime.checkpoint.Checkpoint;
import dev.heng.runtime.checkpoint.WeightCatalog;
import dev.heng.runtime.config.ModelConfig;
import dev.heng.runtime.tokenizer.RepositoryFiles;
import dev.heng.spi.graph.ActivationFormat;
import dev.heng.spi.graph.Graph;
import dev.heng.spi.graph.Node;
import dev.heng.spi.graph.Op;
import dev.heng.spi.graph.Value;
import dev.heng.spi.tensor.DType;
import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;

class ModelGraphTest {

    private static Graph graph(String golden, GraphOptions options) {
        return graph(RepositoryFiles.of("goldens/" + golden), options, ActivationRounding.AS_CONFIGURED);
    }

    private static Graph graph(Path folder, GraphOptions options, ActivationRounding rounding) {
        ModelConfig config = ModelConfig.read(folder);
        try (Checkpoint checkpoint = Checkpoint.open(folder)) {
            WeightCatalog weights = new WeightCatalog(checkpoint, config, rounding);
            Graph graph = ModelGraph.of(config, weights, options);
            weights.requireAllUsed();
            return graph;
        }
    }

    private static <T extends Op> T op(Graph graph, String node, Class<T> type) {
        Op op = graph.nodes().stream()
                .filter(candidate -> candidate.name().equals(node))
                .map(Node::op)
                .findFirst()
                .orElseThrow(() -> new AssertionError("no node '" + node + "'"));
        return assertInstanceOf(type, op);
    }

    /** The whole graph as people read it. To accept a change, replace the file by what the failure shows. */
    @ParameterizedTest
    @ValueSource(
            strings = {
                "deepseek-v3-tiny",
                "deepseek-v2-lite-tiny",
                "deepseek-moe-tiny",
                "deepseek-llm-tiny-dense",
                "glm4-moe-tiny-qk-norm",
                "qwen3-moe-tiny",
                "kimi-k2-tiny"
            })
    void theGraphOfAFamilyIsWhatItsFileSays(String golden) throws IOException {
        String text = graph(golden, GraphOptions.generation(DType.BF16)).toString();
        String name = "/graphs/" + golden + ".txt";
        try (InputStream expected = ModelGraphTest.class.getResourceAsStream(name)) {
            if (expected == null) {
                throw new AssertionError("there is no " + name + "; the graph is\n" + text);
            }
            assertEquals(new String(expected.readAllBytes(), StandardCharsets.UTF_8), text);
        }
    }

    @ParameterizedTest
    @CsvSource({
        // golden, node of a sparse layer, score, groups, kept, group score, masked, normalize, scale
        "deepseek-v3-tiny, layers.1.mlp.route, SIGMOID, 4, 2, TOP_TWO_SUM, NEGATIVE_INFINITY, true, 2.5",
        "kimi-k2-tiny, layers.1.mlp.route, SIGMOID, 1, 1, TOP_TWO_SUM, NEGATIVE_INFINITY, true, 2.827",
        "glm4-moe-tiny, layers.1.mlp.route, SIGMOID, 1, 1, TOP_TWO_SUM, NEGATIVE_INFINITY, true, 2.5",
        "deepseek-v2-tiny-group, layers.1.mlp.route, SOFTMAX, 4, 2, MAXIMUM, ZERO, false, 16",
        "deepseek-v2-lite-tiny, layers.1.mlp.route, SOFTMAX, 1, 1, MAXIMUM, ZERO, false, 1",
        "deepseek-moe-tiny, layers.1.mlp.route, SOFTMAX, 1, 1, MAXIMUM, ZERO, false, 1",
        "qwen3-moe-tiny, layers.0.mlp.route, SOFTMAX, 1, 1, MAXIMUM, ZERO, true, 1"
    })
    void aFamilyRoutesInItsOwnWay(
            String golden,
            String node,
            Op.Route.Score score,
            int groups,
            int kept,
            Op.Route.GroupScore groupScore,
            Op.Route.Masked masked,
            boolean normalize,
            double scale) {
        Op.Route route = op(graph(golden, GraphOptions.generation(DType.F32)), node, Op.Route.class);
        assertEquals(score, route.score());
        assertEquals(groups, route.groups());
        assertEquals(kept, route.keptGroups());
        assertEquals(groupScore, route.groupScore());
        assertEquals(masked, route.masked());
        assertEquals(normalize, route.normalize());
        assertEquals(scale, route.scale());
    }

    @ParameterizedTest
    @EnumSource(
            value = DType.class,
            names = {"F64", "F32", "F16", "BF16"})
    void everyActivationAndCacheHasTheWantedTypeAndTheRouterAtLeastF32(DType activations) {
        Graph graph = graph("deepseek-v3-tiny", GraphOptions.inspection(activations));
        DType router = activations == DType.F64 ? DType.F64 : DType.F32;
        for (Node node : graph.nodes()) {
            for (Value result : node.results()) {
                DType dtype = result.type().dtype();
                boolean routing = node.name().endsWith(".router") || node.op() instanceof Op.Route;
                if (dtype.isActivation()) {
                    assertEquals(routing ? router : activations, dtype, result.name());
                }
            }
        }
        assertTrue(graph.states().stream().allMatch(state -> state.type().dtype() == activations));
        assertEquals(activations, graph.value("lm_head").type().dtype());
    }

    @Test
    void normsInsideLatentAttentionKeepTheirOwnEpsilon() {
        // Its config says 1e-3.
        Graph graph = graph("deepseek-v3-tiny-f32", GraphOptions.generation(DType.F32));
        assertEquals(
                1e-6, op(graph, "layers.0.self_attn.q_a_norm", Op.RmsNorm.class).epsilon());
        assertEquals(
                1e-6,
                op(graph, "layers.0.self_attn.kv_a_norm", Op.RmsNorm.class).epsilon());
        assertEquals(1e-3, op(graph, "layers.0.input_norm", Op.RmsNorm.class).epsilon());
        assertEquals(1e-3, op(graph, "norm", Op.RmsNorm.class).epsilon());
    }

    @Test
    void latentHeadsRotateAdjacentPairsBehindThePartWithoutPosition() {
        Graph graph = graph("deepseek-v3-tiny", GraphOptions.generation(DType.F32));
        Op.Rope query = op(graph, "layers.0.self_attn.q_rope", Op.Rope.class);
        assertEquals(Op.Pairing.INTERLEAVED, query.pairing());
        assertEquals(24, query.offset());
        assertEquals(40, query.headDim());
        Op.Rope key = op(graph, "layers.0.self_attn.k_rope", Op.Rope.class);
        assertEquals(0, key.offset());
        assertEquals(16, key.headDim());
    }

    @ParameterizedTest
    @CsvSource({
        // golden, head dimension, rotated pairs
        "deepseek-llm-tiny-dense, 24, 12",
        "llama-tiny-head-dim, 20, 10",
    })
    void groupedQueryHeadsRotateInHalves(String golden, int headDim, int pairs) {
        Op.Rope rope =
                op(graph(golden, GraphOptions.generation(DType.F32)), "layers.0.self_attn.k_rope", Op.Rope.class);
        assertEquals(Op.Pairing.HALF, rope.pairing());
        assertEquals(headDim, rope.headDim());
        assertEquals(pairs, rope.frequencies().pairs());
    }

    @Test
    void glmRotatesTheFirstHalfOfAHead() {
        Op.Rope rope = op(
                graph("glm4-moe-tiny", GraphOptions.generation(DType.F32)), "layers.0.self_attn.q_rope", Op.Rope.class);
        assertEquals(Op.Pairing.HALF, rope.pairing());
        assertEquals(0, rope.offset());
        assertEquals(rope.headDim(), 4 * rope.frequencies().pairs());
    }

    @Test
    void softmaxScaleCarriesMscaleSquared() {
        double plain = 1 / Math.sqrt(40);
        Graph unscaled = graph("deepseek-v3-tiny", GraphOptions.generation(DType.F32));
        assertEquals(
                plain,
                op(unscaled, "layers.0.self_attn.attention", Op.MlaAttention.class)
                        .scale(),
                1e-15);
        Graph yarn = graph("deepseek-v3-tiny-yarn", GraphOptions.generation(DType.F32));
        double mscale = 0.1 * Math.log(40) + 1;
        assertEquals(
                plain * mscale * mscale,
                op(yarn, "layers.0.self_attn.attention", Op.MlaAttention.class).scale(),
                1e-15);
    }

    @Test
    void tiedEmbeddingsAreOneWeight() {
        Graph graph = graph("deepseek-v3-tiny-tied", GraphOptions.generation(DType.F32));
        assertTrue(graph.weights().stream().noneMatch(weight -> weight.name().equals("lm_head.weight")));
        Node head = graph.nodes().stream()
                .filter(node -> node.name().equals("lm_head"))
                .findFirst()
                .orElseThrow();
        assertEquals(graph.value("model.embed_tokens.weight"), head.operand(1));
    }

    @Test
    void activationsAreRoundedWhereTheConfigSaysSoAndNotInTheRouterOrTheHead() {
        Graph graph = graph("deepseek-v3-tiny-w8a8", GraphOptions.generation(DType.F32));
        assertEquals(
                ActivationFormat.INT8_PER_TOKEN,
                op(graph, "layers.1.mlp.experts.gate_proj", Op.GroupedLinear.class)
                        .activation());
        assertEquals(
                ActivationFormat.INT8_PER_TOKEN,
                op(graph, "layers.0.self_attn.o_proj", Op.Linear.class).activation());
        assertEquals(
                ActivationFormat.FLOAT,
                op(graph, "layers.1.mlp.router", Op.Linear.class).activation());
        assertEquals(
                ActivationFormat.FLOAT, op(graph, "lm_head", Op.Linear.class).activation());
        Graph fp8 = graph("deepseek-v3-tiny-fp8-ue8m0", GraphOptions.generation(DType.F32));
        assertEquals(
                ActivationFormat.FP8_PER_TOKEN_128_POWER_OF_TWO,
                op(fp8, "layers.0.self_attn.o_proj", Op.Linear.class).activation());
        Graph plain = graph(
                RepositoryFiles.of("goldens/deepseek-v3-tiny-w8a8"),
                GraphOptions.generation(DType.F32),
                ActivationRounding.NONE);
        assertEquals(
                ActivationFormat.FLOAT,
                op(plain, "layers.0.self_attn.o_proj", Op.Linear.class).activation());
    }

    @Test
    void onlyTheWantedOutputsAreThere() {
        Graph generation = graph("deepseek-v3-tiny", GraphOptions.generation(DType.F32));
        assertEquals(List.of(Names.NEXT_TOKEN), List.copyOf(generation.outputs().keySet()));
        Graph inspection = graph("deepseek-v3-tiny", GraphOptions.inspection(DType.F32));
        assertEquals(
                List.of("hidden_states.0", "hidden_states.1", "hidden_states.2", "hidden_states.3", "logits"),
                List.copyOf(inspection.outputs().keySet()));
        assertFalse(inspection.inputs().stream().anyMatch(input -> input.name().equals(Names.SEED)));
    }

    @Test
    void theSameInputsGiveTheSameGraph() {
        GraphOptions options = GraphOptions.generation(DType.F32);
        assertEquals(
                graph("deepseek-v2-tiny-group", options).toString(),
                graph("deepseek-v2-tiny-group", options).toString());
    }

    @Test
    void weightsOfAnotherModelAreRefused() {
        ModelConfig config = ModelConfig.read(RepositoryFiles.of("goldens/deepseek-v2-tiny-group"));
        try (Checkpoint checkpoint = Checkpoint.open(RepositoryFiles.of("goldens/deepseek-llm-tiny-dense"))) {
            WeightCatalog weights = new WeightCatalog(checkpoint, config, ActivationRounding.NONE);
            HengException refused = assertThrows(
                    HengException.class, () -> ModelGraph.of(config, weights, GraphOptions.generation(DType.F32)));
            assertTrue(refused.getMessage().contains("self_attn"), refused.getMessage());
        }
    }

    @Test
    void aGraphMustLeaveSomething() {
        assertThrows(IllegalArgumentException.class, () -> new GraphOptions(DType.F32, 64, false, true, false));
        assertThrows(IllegalArgumentException.class, () -> new GraphOptions(DType.I8, 64, true, true, false));
        assertThrows(IllegalArgumentException.class, () -> new GraphOptions(DType.F32, 0, true, true, false));
    }
}
