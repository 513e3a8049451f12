package dev.heng.backend.cuda.lowering;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.heng.kernels.cuda.ArgumentBlocks;
import dev.heng.kernels.cuda.CudaKernels;
import dev.heng.spi.graph.ActivationFormat;
import dev.heng.spi.graph.Graph;
import dev.heng.spi.graph.GraphBuilder;
import dev.heng.spi.graph.Node;
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

/** Plans without a GPU: which kernels, on which memory. */
final class LoweringTest {

    private static final int WIDTH = 96;
    private static final int VOCABULARY = 50;
    private static final long IDS = 1L << 32;
    private static final long TOKEN = 1L << 33;
    private static final long SUM = 1L << 34;
    private static final long SCRATCH = 1L << 40;

    private static Graph graph(boolean sumIsAnOutput) {
        GraphBuilder g = new GraphBuilder("tiny");
        Value ids = g.input("ids", TensorType.of(DType.I32, Dim.of(Dim.TOKENS)));
        Value table = g.weight("table", TensorType.of(DType.BF16, Dim.of(VOCABULARY), Dim.of(WIDTH)));
        Value square = g.weight("square", TensorType.of(DType.BF16, Dim.of(WIDTH), Dim.of(WIDTH)));
        Value x = g.embed("embed", table, ids, DType.BF16);
        Value y = g.linear("linear", x, square, ActivationFormat.FLOAT, DType.BF16);
        Value sum = g.plus("sum", x, y);
        Value logits = g.linear("head", sum, table, ActivationFormat.FLOAT, DType.F32);
        g.output("token", g.argmax("argmax", logits));
        if (sumIsAnOutput) {
            g.output("sum", sum);
            g.output("again", sum);
        }
        return g.build();
    }

    private static Lowering lower(Graph graph, long tokens) {
        Map<Value, StoredWeight> weights = new HashMap<>();
        for (Value weight : graph.weights()) {
            weights.put(weight, new StoredWeight(weight, 1L << 30, 0, 0, 1L << 20, 0, 0));
        }
        Map<String, Long> addresses = Map.of("ids", IDS, "token", TOKEN, "sum", SUM, "again", SUM + (1L << 20));
        return new Lowering(
                new Lowering.Setting(
                        graph, weights, CudaKernels.argumentBlocks(), _ -> 0L, 8, 16, 3, "cuda:0", MatrixUnit.NONE),
                Map.of(Dim.TOKENS, tokens),
                name -> addresses.getOrDefault(name, 0L),
                SCRATCH,
                Arena.ofAuto());
    }

    private static List<String> kernels(Lowering lowering) {
        return lowering.commands().stream()
                .map(command -> switch (command) {
                    case Command.Launch launch -> launch.kernel();
                    case Command.LibraryProduct _ -> "cublasLt";
                    case Command.Fill _ -> "fill";
                    case Command.Copy _ -> "copy";
                })
                .toList();
    }

    private static long pointer(Command command, String block, String field) {
        ArgumentBlocks.Field at =
                CudaKernels.argumentBlocks().block(block).fields().get(field);
        if (at == null) {
            throw new AssertionError(block + " has no " + field);
        }
        return ((Command.Launch) command).arguments().get(ValueLayout.JAVA_LONG, at.offset());
    }

    @Test
    void fusesAnAdditionAndWritesTheTokenWhereItIsBound() {
        Lowering lowering = lower(graph(false), 1);
        assertEquals(List.of("embed", "project1_bf16", "project1_bf16", "largest", "argmax"), kernels(lowering));
        assertEquals(TOKEN, pointer(lowering.commands().get(4), "ArgmaxArgs", "ids"));
        assertEquals(
                pointer(lowering.commands().get(0), "EmbedArgs", "y.data"),
                pointer(lowering.commands().get(1), "ProjectArgs", "addend.data"),
                "the product adds what the embedding made");
    }

    @Test
    void choosesTheKernelByTheRows() {
        assertTrue(kernels(lower(graph(false), 2)).contains("project2_bf16"));
        assertTrue(kernels(lower(graph(false), 7)).contains("project8_bf16"));
        assertTrue(kernels(lower(graph(false), 33)).contains("linear_tile"));
    }

    @Test
    void launchesNothingForNoRows() {
        assertEquals(List.of(), kernels(lower(graph(true), 0)));
    }

    @Test
    void copiesTheSecondNameOfAnOutput() {
        Lowering lowering = lower(graph(true), 1);
        assertEquals("copy_rows", kernels(lowering).getLast());
        assertEquals(SUM, pointer(lowering.commands().get(1), "ProjectArgs", "y.data"));
        assertEquals(SUM, pointer(lowering.commands().getLast(), "CopyArgs", "x.data"));
    }

    @Test
    void namesEveryNodeOnceInThePlan() {
        Graph graph = graph(true);
        List<Node> planned = lower(graph, 5).steps().stream()
                .flatMap(step -> step.nodes().stream())
                .sorted((a, b) -> Integer.compare(a.index(), b.index()))
                .toList();
        assertEquals(graph.nodes(), planned);
    }

    @Test
    void findsAForgottenArgument() {
        Arguments arguments = new Arguments(CudaKernels.argumentBlocks().block("ArgmaxArgs"), Arena.ofAuto());
        arguments.set("ids", 5);
        IllegalStateException forgotten = assertThrows(IllegalStateException.class, arguments::finished);
        assertTrue(String.valueOf(forgotten.getMessage()).contains("parts"), forgotten.getMessage());
        assertThrows(IllegalArgumentException.class, () -> arguments.set("ids", 6), "set twice");
        assertThrows(IllegalArgumentException.class, () -> arguments.set("idz", 6), "no such field");
    }
}
