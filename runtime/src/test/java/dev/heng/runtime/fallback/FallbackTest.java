package dev.heng.runtime.fallback;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.heng.runtime.HengException;
import dev.heng.runtime.family.GraphOptions;
import dev.heng.runtime.family.Names;
import dev.heng.runtime.generate.Feed;
import dev.heng.runtime.generate.RunLimits;
import dev.heng.runtime.generate.Session;
import dev.heng.runtime.generate.TestModel;
import dev.heng.runtime.partition.Partition;
import dev.heng.runtime.partition.Side;
import dev.heng.runtime.tokenizer.RepositoryFiles;
import dev.heng.spi.Backend;
import dev.heng.spi.BackendException;
import dev.heng.spi.Program;
import dev.heng.spi.graph.Graph;
import dev.heng.spi.graph.Node;
import dev.heng.spi.graph.Op;
import dev.heng.spi.tensor.DType;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.function.Predicate;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class FallbackTest {

    private static final GraphOptions OPTIONS = new GraphOptions(DType.F32, 8, true, true, true);
    private static final RunLimits LIMITS = new RunLimits(32, 16, 16, 1);

    private static Backend pair(Predicate<Node> declines) {
        return new FallbackBackend(
                new DecliningBackend(TestModel.reference(), "fake", declines),
                new DecliningBackend(TestModel.reference(), "spare", _ -> false));
    }

    /** Everything that a few runs leave: prompts in two chunks, then tokens that stay on the device. */
    private static List<float[]> outputs(TestModel model) {
        List<float[]> outputs = new ArrayList<>();
        try (Session session = model.compiled().open()) {
            session.run(List.of(new Feed(0, new int[] {1, 2, 3, 4, 5}, Feed.Wanted.NONE)));
            session.run(List.of(new Feed(0, new int[] {6, 7, 8}, Feed.Wanted.LAST)));
            for (int token = 0; token < 8; token++) {
                outputs.add(session.floats(Names.LOGITS));
                outputs.add(session.floats(Names.hiddenStates(1)));
                outputs.add(new float[] {session.sampledToken(0)});
                session.continueSampled();
            }
            session.truncate(0, 3);
            session.run(List.of(new Feed(0, new int[] {9, 9, 9, 9, 9, 9, 9}, Feed.Wanted.ALL)));
            outputs.add(session.floats(Names.LOGITS));
        }
        return outputs;
    }

    private static Map<String, String> executors(Program program) {
        Map<String, String> executors = new HashMap<>();
        for (Program.Step step : program.plan()) {
            for (Node node : step.nodes()) {
                assertNull(executors.put(node.name(), step.executedBy()), () -> node.name() + " runs twice");
                assertTrue(program.graph().nodes().contains(node), () -> node.name() + " is a node of a part");
            }
        }
        assertEquals(program.graph().nodes().size(), executors.size());
        return executors;
    }

    private static void sameAsOneDevice(String golden, Predicate<Node> declines, Predicate<Node> moved) {
        Path folder = RepositoryFiles.of("goldens/" + golden);
        List<float[]> expected;
        try (TestModel model = TestModel.load(folder, OPTIONS, LIMITS)) {
            expected = outputs(model);
        }
        try (Backend backend = pair(declines);
                TestModel model = TestModel.load(folder, OPTIONS, LIMITS, backend)) {
            Program program = model.compiled().program();
            Map<String, String> executors = executors(program);
            for (Node node : program.graph().nodes()) {
                assertEquals(moved.test(node) ? "spare:0" : "fake:0", executors.get(node.name()), node.name());
            }
            List<float[]> actual = outputs(model);
            assertEquals(expected.size(), actual.size());
            for (int index = 0; index < expected.size(); index++) {
                assertArrayEquals(expected.get(index), actual.get(index));
            }
        }
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "Embed",
                "RmsNorm",
                "Linear",
                "Rope",
                "Route",
                "Dispatch",
                "GroupedLinear",
                "Swiglu",
                "Combine",
                "Add",
                "Slice",
                "SelectRows",
                "Sample"
            })
    void anyOperatorCanRunElsewhere(String op) {
        Predicate<Node> declines = node -> node.op().name().equals(op);
        sameAsOneDevice("deepseek-v3-tiny", declines, declines);
    }

    @ParameterizedTest
    @ValueSource(strings = {"MlaAttention", "KvAppend"})
    void nodesOfOneCacheStayTogether(String op) {
        sameAsOneDevice(
                "deepseek-v3-tiny",
                node -> node.op().name().equals(op) && node.name().startsWith("layers.1."),
                node -> node.name().equals("layers.1.self_attn.append")
                        || node.name().equals("layers.1.self_attn.attention"));
    }

    @Test
    void keyAndValueCachesStayTogether() {
        sameAsOneDevice(
                "deepseek-llm-tiny-dense",
                node -> node.name().equals("layers.2.self_attn.append_values"),
                node -> node.name().matches("layers\\.2\\.self_attn\\.(append_keys|append_values|attention)"));
    }

    @Test
    void allOrNothingCanMove() {
        sameAsOneDevice("qwen3-moe-tiny", _ -> false, _ -> false);
        sameAsOneDevice("qwen3-moe-tiny", _ -> true, _ -> true);
    }

    @Test
    void anyMixtureGivesTheSameNumbers() {
        for (int seed = 0; seed < 6; seed++) {
            Random random = new Random(seed);
            Map<String, Boolean> declined = new HashMap<>();
            Predicate<Node> declines = node -> !(node.op() instanceof Op.KvAppend)
                    && !(node.op() instanceof Op.GroupedQueryAttention)
                    && declined.computeIfAbsent(node.name(), _ -> random.nextBoolean());
            sameAsOneDevice("glm4-moe-tiny", declines, declines);
        }
    }

    @Test
    void copiesAreStepsOfThePlanWithoutNodes() {
        try (Backend backend = pair(node -> node.op() instanceof Op.Route);
                TestModel model =
                        TestModel.load(RepositoryFiles.of("goldens/qwen3-moe-tiny"), OPTIONS, LIMITS, backend)) {
            List<Program.Step> copies = model.compiled().program().plan().stream()
                    .filter(step -> step.nodes().isEmpty())
                    .toList();
            // Router logits over, ids and weights back, in each of two layers.
            assertEquals(4, copies.size());
            assertEquals("spare:0", copies.getFirst().executedBy());
            assertTrue(copies.getFirst().kernel().contains("layers.0.mlp.router"), copies.toString());
            assertEquals("spare:0", backend.device().facts().get("fallback"));
        }
    }

    @Test
    void withoutAFallbackDeclinedNodesAreListedWithReasons() {
        try (Backend fake =
                new DecliningBackend(TestModel.reference(), "fake", node -> node.op() instanceof Op.GroupedLinear)) {
            HengException refused = assertThrows(
                    HengException.class,
                    () -> TestModel.load(RepositoryFiles.of("goldens/qwen3-moe-tiny"), OPTIONS, LIMITS, fake));
            assertTrue(refused.getMessage().startsWith("device fake:0 declines 6 of "), refused.getMessage());
            assertTrue(
                    refused.getMessage()
                            .endsWith("nodes: 'layers.0.mlp.experts.gate_proj' and 5 others (GroupedLinear: OPERATOR:"
                                    + " fake has no GroupedLinear)"),
                    refused.getMessage());
            assertTrue(refused.remedy().contains("--fallback cpu"), refused.remedy());
        }
    }

    @Test
    void whatBothDeclineIsSaidOfBoth() {
        Predicate<Node> samples = node -> node.op() instanceof Op.Sample;
        try (Backend backend = new FallbackBackend(
                new DecliningBackend(TestModel.reference(), "fake", samples),
                new DecliningBackend(TestModel.reference(), "spare", samples))) {
            HengException refused = assertThrows(
                    HengException.class,
                    () -> TestModel.load(RepositoryFiles.of("goldens/qwen3-moe-tiny"), OPTIONS, LIMITS, backend));
            assertTrue(refused.getMessage().contains("fake has no Sample; spare:0: spare has no Sample"));
        }
    }

    @Test
    void aCacheThatNeitherCanHoldIsNamed() {
        try (Backend backend = new FallbackBackend(
                new DecliningBackend(
                        TestModel.reference(), "fake", node -> node.op() instanceof Op.GroupedQueryAttention),
                new DecliningBackend(TestModel.reference(), "spare", node -> node.op() instanceof Op.KvAppend))) {
            BackendException refused = assertThrows(
                    BackendException.class,
                    () -> TestModel.load(RepositoryFiles.of("goldens/qwen3-moe-tiny"), OPTIONS, LIMITS, backend));
            assertEquals(BackendException.Code.DECLINED, refused.code());
            assertTrue(refused.toString().contains("layers.0.self_attn.append_keys"), refused.toString());
        }
    }

    @Test
    void partsAreFewAndTakeAllThatIsReady() {
        try (Backend backend = pair(node -> node.name().equals("layers.1.mlp.router"));
                TestModel model =
                        TestModel.load(RepositoryFiles.of("goldens/qwen3-moe-tiny"), OPTIONS, LIMITS, backend)) {
            Graph graph = model.compiled().program().graph();
            Map<Node, Side> sides = new HashMap<>();
            for (Node node : graph.nodes()) {
                sides.put(node, node.name().equals("layers.1.mlp.router") ? Side.SECOND : Side.FIRST);
            }
            List<Partition.Part> parts = Partition.of(graph, sides);
            assertEquals(3, parts.size());
            assertEquals(1, parts.get(1).graph().nodes().size());
        }
    }
}
