package dev.heng.backend.ascend;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.heng.runtime.registry.BackendRegistry;
import dev.heng.runtime.registry.BackendWish;
import dev.heng.spi.Backend;
import dev.heng.spi.BackendException;
import dev.heng.spi.BackendOptions;
import dev.heng.spi.Batch;
import dev.heng.spi.Bindings;
import dev.heng.spi.Buffer;
import dev.heng.spi.BufferRequest;
import dev.heng.spi.CompileOptions;
import dev.heng.spi.Program;
import dev.heng.spi.WeightSource;
import dev.heng.spi.graph.ActivationFormat;
import dev.heng.spi.graph.Graph;
import dev.heng.spi.graph.GraphBuilder;
import dev.heng.spi.graph.Value;
import dev.heng.spi.tensor.DType;
import dev.heng.spi.tensor.Dim;
import dev.heng.spi.tensor.Quantization;
import dev.heng.spi.tensor.Shape;
import dev.heng.spi.tensor.TensorType;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.List;
import java.util.Map;
import java.util.Random;
import org.junit.jupiter.api.Test;

/** FP8 weights on a chip without FP8: declined, or what the operator asked for. */
final class Fp8OptionTest {

    private static final int ROWS = 40;
    private static final int COLUMNS = 200;
    private static final int TOKENS = 3;
    private static final Map<String, Long> SIZES = Map.of(Dim.TOKENS, (long) TOKENS);

    private static Backend open(Map<String, String> options) {
        return BackendRegistry.discover(List.of())
                .choose(BackendWish.parse("ascend"))
                .open(new BackendOptions(options));
    }

    private static Graph graph() {
        GraphBuilder builder = new GraphBuilder("product");
        Value x = builder.input("x", TensorType.of(DType.BF16, Dim.of(Dim.TOKENS), Dim.of(COLUMNS)));
        Value weight = builder.weight(
                "w",
                new TensorType(
                        DType.F8_E4M3, Shape.of(ROWS, COLUMNS), new Quantization.Fp8Blocks(128, 128, DType.F32)));
        builder.output("y", builder.linear("product", x, weight, ActivationFormat.FLOAT, DType.BF16));
        return builder.build();
    }

    private static CompileOptions bounds() {
        return CompileOptions.of(SIZES);
    }

    private static BufferRequest request(String name, Value value) {
        return new BufferRequest(name, BufferRequest.Usage.TENSOR, value.type(), SIZES);
    }

    @Test
    void withoutAnOptionItIsDeclinedAndTheOptionsAreNamed() {
        try (Backend backend = open(Map.of())) {
            BackendException declined =
                    assertThrows(BackendException.class, () -> backend.compile(graph(), _ -> fail(), bounds()));
            String message = String.valueOf(declined.getMessage());
            assertTrue(message.contains("fp8=int8") && message.contains("widen=f32"), message);
            assertTrue(message.contains("aclnnWeightQuantBatchMatmulV2.md"), message);
        }
    }

    private static WeightSource.WeightData fail() {
        throw new AssertionError("a weight was asked for");
    }

    @Test
    void anotherValueIsRefusedWithTheKnownOne() {
        BackendException refused = assertThrows(BackendException.class, () -> open(Map.of("fp8", "int4")));
        assertEquals(BackendException.Code.INVALID_OPTION, refused.code());
        assertTrue(refused.remedy().contains("fp8=int8"), refused.remedy());
    }

    @Test
    void requantisedWeightsAreMultipliedAndThePlanSaysSo() {
        Random random = new Random(3);
        MemorySegment elements = MemorySegment.ofArray(new byte[ROWS * COLUMNS]);
        for (int i = 0; i < ROWS * COLUMNS; i++) {
            elements.set(ValueLayout.JAVA_BYTE, i, (byte) (random.nextInt(0x78) | (random.nextBoolean() ? 0x80 : 0)));
        }
        MemorySegment scales = MemorySegment.ofArray(new byte[8]);
        scales.set(StoredNumbers.FLOAT, 0, 1e-3f);
        scales.set(StoredNumbers.FLOAT, 4, 2.5e-3f);
        WeightSource.Part part = new WeightSource.Part(elements, scales, null);
        MemorySegment x = MemorySegment.ofArray(new byte[2 * TOKENS * COLUMNS]);
        for (int i = 0; i < TOKENS * COLUMNS; i++) {
            StoredNumbers.put(x, DType.BF16, i, (float) random.nextGaussian());
        }
        MemorySegment y = MemorySegment.ofArray(new byte[2 * TOKENS * ROWS]);
        Graph graph = graph();
        try (Backend backend = open(Map.of("fp8", "int8"));
                Program program = backend.compile(graph, _ -> new WeightSource.WeightData(List.of(part)), bounds());
                Buffer in = backend.allocate(request("x", graph.value("x")));
                Buffer out = backend.allocate(
                        request("y", graph.outputs().values().iterator().next()))) {
            assertTrue(
                    program.plan().getFirst().kernel().contains("requantised to int8"),
                    program.plan().toString());
            in.write(x, 0);
            program.run(new Bindings(SIZES, Batch.NONE, Map.of("x", in, "y", out)));
            out.read(0, y);
        }
        for (int t = 0; t < TOKENS; t++) {
            for (int n = 0; n < ROWS; n++) {
                check(part, x, t, n, StoredNumbers.get(y, DType.BF16, (long) t * ROWS + n));
            }
        }
    }

    /** Weights may be off by half a step of their row and by their rounding to BF16, the sum by a float32 rounding at each step, the result by one to BF16. */
    private static void check(WeightSource.Part part, MemorySegment x, int t, int n, float got) {
        double[] row = new double[COLUMNS];
        new WeightRows(graph().weights().getFirst().type(), part).read(n, row);
        double largest = 0;
        for (double value : row) {
            largest = Math.max(largest, Math.abs(value));
        }
        // The scale is at most one BF16 step above max / 127.
        double step = largest / 127 * (1 + 0x1p-7);
        double sum = 0;
        double bound = 0;
        double magnitude = 0;
        for (int k = 0; k < COLUMNS; k++) {
            double activation = StoredNumbers.get(x, DType.BF16, (long) t * COLUMNS + k);
            sum += activation * row[k];
            magnitude += Math.abs(activation) * (Math.abs(row[k]) + step);
            bound += Math.abs(activation) * (step / 2 + (Math.abs(row[k]) + step) * 0x1p-8);
        }
        bound += magnitude * COLUMNS * 0x1p-23;
        bound += (Math.abs(sum) + bound) * 0x1p-8;
        double error = Math.abs(got - sum);
        double limit = bound;
        assertTrue(error <= limit, () -> "row " + t + ", column " + n + ": off by " + error + " of " + limit);
    }
}
