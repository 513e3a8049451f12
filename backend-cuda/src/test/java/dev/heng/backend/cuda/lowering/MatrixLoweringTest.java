package dev.heng.backend.cuda.lowering;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.heng.kernels.cuda.CudaKernels;
import dev.heng.spi.graph.ActivationFormat;
import dev.heng.spi.graph.Graph;
import dev.heng.spi.graph.GraphBuilder;
import dev.heng.spi.graph.Op;
import dev.heng.spi.graph.Value;
import dev.heng.spi.tensor.DType;
import dev.heng.spi.tensor.Dim;
import dev.heng.spi.tensor.Quantization;
import dev.heng.spi.tensor.Shape;
import dev.heng.spi.tensor.TensorType;
import java.lang.foreign.Arena;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;

/** Plans for the matrix unit without a GPU: which products go there, in how many passes, over which matrices. */
final class MatrixLoweringTest {

    private static final long SCRATCH = 1L << 40;
    private static final int HIDDEN = 2048;
    private static final int INNER = 1408;
    private static final int EXPERTS = 64;

    private static MatrixUnit warpgroups() {
        Map<String, MatrixUnit.Shape> shapes = new HashMap<>();
        for (String kernel : MatrixUnit.WARPGROUP_KERNELS) {
            boolean wide = kernel.contains("wide");
            int columns = 64;
            if (wide) {
                columns = kernel.contains("scaled") ? 128 : 288;
            }
            int features = kernel.contains("swiglu") ? 64 : 128;
            shapes.put(
                    kernel,
                    new MatrixUnit.Shape(
                            220_000, columns, 16, wide ? 2 : 1, features, kernel.contains("e4m3") ? 1 : 2));
        }
        return new MatrixUnit(MatrixUnit.Kind.WGMMA, 132, shapes, MatrixUnit.Library.NONE);
    }

    private static MatrixUnit warps() {
        return new MatrixUnit(MatrixUnit.Kind.MMA, 108, Map.of(), MatrixUnit.Library.NONE);
    }

    private static TensorType rows(DType type, long columns) {
        return TensorType.of(type, Dim.of(Dim.TOKENS), Dim.of(columns));
    }

    private static Lowering lower(Graph graph, MatrixUnit unit, Map<String, Long> dims) {
        Map<Value, StoredWeight> weights = new HashMap<>();
        for (Value weight : graph.weights()) {
            weights.put(weight, new StoredWeight(weight, 1L << 30, 1L << 29, 1L << 28, 1L << 20, 256, 256));
        }
        return new Lowering(
                new Lowering.Setting(graph, weights, CudaKernels.argumentBlocks(), _ -> 0L, 8, 16, 3, "cuda:0", unit),
                dims,
                _ -> 1L << 35,
                SCRATCH,
                Arena.ofAuto());
    }

    private static Lowering lower(Graph graph, MatrixUnit unit, long tokens) {
        return lower(graph, unit, Map.of(Dim.TOKENS, tokens));
    }

    /** The launches, without the copy to where the output is bound. */
    private static List<Command.Launch> launches(Lowering lowering) {
        return lowering.commands().stream()
                .filter(Command.Launch.class::isInstance)
                .map(Command.Launch.class::cast)
                .filter(launch -> !launch.kernel().equals("copy_rows"))
                .toList();
    }

    private static List<String> kernels(Lowering lowering) {
        return launches(lowering).stream().map(Command.Launch::kernel).toList();
    }

    private static Graph linear(TensorType weight, DType activations, DType out) {
        GraphBuilder g = new GraphBuilder("linear");
        Value x = g.input("x", rows(activations, weight.shape().dim(-1).size()));
        Value w = g.weight("w", weight);
        g.output("y", g.linear("linear", x, w, ActivationFormat.FLOAT, out));
        return g.build();
    }

    private static TensorType matrix(DType type, long features, long columns) {
        return TensorType.of(type, Dim.of(features), Dim.of(columns));
    }

    @Test
    void multipliesManyAlignedRowsOfBf16There() {
        Graph graph = linear(matrix(DType.BF16, 3072, HIDDEN), DType.BF16, DType.BF16);
        assertEquals(
                List.of("heng_one_group_plan", "heng_grouped_bf16_wide"), kernels(lower(graph, warpgroups(), 4096)));
        assertEquals(
                List.of("heng_one_group_plan", "heng_grouped_bf16_narrow"), kernels(lower(graph, warpgroups(), 9)));
        assertEquals(List.of("heng_one_group_plan", "heng_grouped_bf16_mma"), kernels(lower(graph, warps(), 9)));
        assertEquals(List.of("project8_bf16"), kernels(lower(graph, warpgroups(), 8)));
        assertEquals(List.of("linear_tile"), kernels(lower(graph, MatrixUnit.NONE, 4096)));
    }

    @Test
    void leavesWhatTheUnitDoesNotTakeToTheOrdinaryOnes() {
        for (Graph graph : List.of(
                linear(matrix(DType.BF16, 64, 90), DType.BF16, DType.BF16),
                linear(matrix(DType.BF16, 60, 96), DType.BF16, DType.BF16),
                linear(matrix(DType.BF16, 64, 96), DType.F32, DType.BF16),
                linear(matrix(DType.F16, 64, 96), DType.F16, DType.F16),
                linear(matrix(DType.F32, 64, 96), DType.BF16, DType.BF16))) {
            assertEquals(List.of("linear_tile"), kernels(lower(graph, warpgroups(), 100)), graph.toString());
        }
    }

    @Test
    void writesFloat32ForRouters() {
        Graph graph = linear(matrix(DType.BF16, 3, 96), DType.BF16, DType.F32);
        assertTrue(kernels(lower(graph, warpgroups(), 100)).contains("heng_grouped_bf16_narrow_f32"));
        assertTrue(kernels(lower(graph, warps(), 100)).contains("heng_grouped_bf16_mma_f32"));
    }

    @Test
    void describesBothOperandsToTheCopyEngine() {
        Graph graph = linear(matrix(DType.BF16, 3072, HIDDEN), DType.BF16, DType.BF16);
        Command.Launch launch = launches(lower(graph, warpgroups(), 500)).getLast();
        assertEquals(132, launch.gridX());
        assertEquals(220_000, launch.sharedBytes());
        MatrixMap weights = launch.maps().get(0);
        assertEquals(
                new MatrixMap(0, MatrixMap.Element.BF16, 1L << 30, HIDDEN, 3072, 2 * HIDDEN, 64, 64, true), weights);
        MatrixMap tokens = launch.maps().get(2);
        assertEquals(
                new MatrixMap(256, MatrixMap.Element.BF16, 1L << 35, HIDDEN, 500, 2 * HIDDEN, 64, 16, true), tokens);
        assertThrows(
                IllegalArgumentException.class,
                () -> new MatrixMap(0, MatrixMap.Element.BF16, 8, 64, 64, 128, 64, 16, true));
    }

    private static Graph experts(TensorType up, TensorType down, ActivationFormat format, boolean addend) {
        GraphBuilder g = new GraphBuilder("experts");
        Value x = g.input("x", rows(DType.BF16, HIDDEN));
        Value ids = g.input("ids", rows(DType.I32, 6));
        Value weights = g.input("weights", rows(DType.F32, 6));
        Value gateW = g.weight("gate", up);
        Value upW = g.weight("up", up);
        Value downW = g.weight("down", down);
        GraphBuilder.Dispatched sorted = g.dispatch("dispatch", new Op.Dispatch(0, EXPERTS), x, ids);
        Value gate = g.groupedLinear("gated", sorted.rows(), sorted.offsets(), gateW, format, DType.BF16);
        Value other = g.groupedLinear("upped", sorted.rows(), sorted.offsets(), upW, format, DType.BF16);
        Value h = g.swiglu("swiglu", gate, other);
        Value y = g.groupedLinear("downed", h, sorted.offsets(), downW, format, DType.BF16);
        Value sum = g.combine("combine", y, sorted.origins(), weights, DType.BF16);
        g.output("y", addend ? g.plus("plus", sum, x) : sum);
        return g.build();
    }

    private static TensorType stack(DType type, Quantization quantization, long features, long columns) {
        return new TensorType(type, Shape.of(EXPERTS, features, columns), quantization);
    }

    private static Graph experts(DType type, Quantization quantization, ActivationFormat format) {
        return experts(
                stack(type, quantization, INNER, HIDDEN), stack(type, quantization, HIDDEN, INNER), format, true);
    }

    @Test
    void sortsMultipliesAndSumsExpertsInOneUnit() {
        Graph graph = experts(DType.BF16, Quantization.NONE, ActivationFormat.FLOAT);
        assertEquals(
                List.of(
                        "heng_group_count",
                        "heng_group_scan",
                        "heng_group_place",
                        "heng_scatter_rows",
                        "heng_group_plan",
                        "heng_grouped_bf16_wide_swiglu",
                        "heng_group_plan",
                        "heng_grouped_bf16_wide",
                        "heng_group_combine"),
                kernels(lower(graph, warpgroups(), 1024)));
        List<String> portable = kernels(lower(graph, warps(), 1024));
        assertTrue(portable.contains("heng_grouped_bf16_mma_swiglu") && portable.contains("heng_grouped_bf16_mma"));
        assertFalse(kernels(lower(graph, MatrixUnit.NONE, 1024)).contains("heng_group_count"));
        assertEquals(List.of(), kernels(lower(graph, warpgroups(), 0)));
    }

    @Test
    void unpacksQuantisedExpertsInPassesThatFit() {
        Quantization int8 = new Quantization.Int8Channels(DType.BF16);
        Graph small = experts(DType.I8, int8, ActivationFormat.FLOAT);
        List<String> one = kernels(lower(small, warpgroups(), 1024));
        assertEquals(3, one.stream().filter("unpack"::equals).count());
        Graph large = experts(
                stack(DType.I8, int8, 8 * INNER, HIDDEN),
                stack(DType.I8, int8, HIDDEN, 8 * INNER),
                ActivationFormat.FLOAT,
                false);
        Lowering lowering = lower(large, warpgroups(), 1024);
        // 64 experts of 2 x 46 MB in passes of 768 MB: 8 at a time up, 16 down.
        assertEquals(
                8,
                kernels(lowering).stream()
                        .filter("heng_grouped_scaled_wide_swiglu"::equals)
                        .count());
        assertEquals(
                4,
                kernels(lowering).stream()
                        .filter("heng_grouped_scaled_wide"::equals)
                        .count());
        assertEquals(
                2 * 8 + 4, kernels(lowering).stream().filter("unpack"::equals).count());
        assertTrue(lowering.scratchBytes() < 3L << 30, "scratch " + lowering.scratchBytes());
    }

    @Test
    void keepsBothOperandsInEightBitsWhereActivationsAre() {
        Quantization blocks = new Quantization.Fp8Blocks(128, 128, DType.F32);
        Graph graph = experts(DType.F8_E4M3, blocks, ActivationFormat.FP8_PER_TOKEN_128);
        List<String> found = kernels(lower(graph, warpgroups(), 1024));
        assertEquals(2, found.stream().filter("heng_quantize_e4m3"::equals).count());
        assertTrue(found.contains("heng_grouped_e4m3_wide_swiglu") && found.contains("heng_grouped_e4m3_wide"));
        assertFalse(kernels(lower(graph, warps(), 1024)).contains("heng_group_count"));
    }

    private static Graph attention(int heads, int value) {
        GraphBuilder g = new GraphBuilder("attention");
        Value q = g.input("q", rows(DType.BF16, heads * 192L));
        Value positions = g.input("positions", TensorType.of(DType.I32, Dim.of(Dim.TOKENS)));
        Value sequences = g.input("sequences", TensorType.of(DType.I32, Dim.of(Dim.TOKENS)));
        Value table = g.input("table", TensorType.of(DType.I32, Dim.of(Dim.SEQUENCES), Dim.of(Dim.PAGES_PER_SEQUENCE)));
        Value cache = g.cache("cache", DType.BF16, 64, 576);
        Value latent = g.input("latent", rows(DType.BF16, 512));
        Value rope = g.input("rope", rows(DType.BF16, 64));
        Value kvB = g.weight("kv_b", matrix(DType.BF16, heads * (128L + value), 512));
        GraphBuilder.Paging paging = new GraphBuilder.Paging(positions, sequences, table);
        Value appended = g.kvAppend("append", cache, List.of(latent, rope), paging);
        Op.MlaAttention op = new Op.MlaAttention(heads, 128, 64, value, 0.1, DType.BF16);
        g.output("y", g.mlaAttention("attention", op, q, appended, kvB, paging));
        return g.build();
    }

    private static Map<String, Long> sizes(long tokens, long sequences, long pages) {
        return Map.of(
                Dim.TOKENS,
                tokens,
                Dim.SEQUENCES,
                sequences,
                Dim.PAGES,
                sequences * pages,
                Dim.PAGES_PER_SEQUENCE,
                pages);
    }

    @Test
    void expandsLatentsForManyRowsAndOnlyThen() {
        List<String> many = kernels(lower(attention(16, 128), warpgroups(), sizes(1024, 1, 68)));
        assertEquals(
                List.of(
                        "latent_lengths",
                        "latent_gather",
                        "heng_group_plan",
                        "heng_grouped_bf16_wide",
                        "heng_latent_attend_192_128"),
                many.subList(many.size() - 5, many.size()));
        assertTrue(
                kernels(lower(attention(16, 64), warps(), sizes(1024, 1, 68))).contains("heng_latent_attend"));
        assertTrue(kernels(lower(attention(16, 128), warpgroups(), sizes(8, 1, 68)))
                .contains("attend_latent4"));
        assertTrue(
                kernels(lower(attention(16, 128), warpgroups(), sizes(64, 64, 68)))
                        .contains("attend_latent16"),
                "rows of as many sequences share no slots");
    }

    @Test
    void attendsInPassesOverHeadsThatFit() {
        Lowering lowering = lower(attention(128, 128), warpgroups(), sizes(4096, 1, 512));
        // 32,768 slots of 512 bytes a head in passes of 256 MB: 16 heads at a time.
        assertEquals(
                8,
                kernels(lowering).stream()
                        .filter("heng_latent_attend_192_128"::equals)
                        .count());
        assertTrue(lowering.scratchBytes() < 1L << 30, "scratch " + lowering.scratchBytes());
    }
}
