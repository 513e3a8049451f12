package dev.heng.backend.reference;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.heng.spi.BackendException;
import dev.heng.spi.Support;
import dev.heng.spi.WeightSource;
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
import java.lang.foreign.MemorySegment;
import java.util.Arrays;
import java.util.Map;
import java.util.SplittableRandom;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** DISPATCH, GROUPED, COMBINE, COMM. */
class ExpertsTest {

    @Test
    void dispatchSortsByExpertThenByOriginAndSkipsForeignIds() {
        // Experts 2..4 are ours; 0 and 5 are others', -1 and 99 are sentinels; token 2 has expert 3 twice.
        int[] ids = {4, 2, -1, 3, 0, 2, 3, 3, 99, 5, -1, 0};
        double[] x = {1, -1, 2, -2, 3, -3, 4, -4};
        Map<String, MemorySegment> results = new Trial()
                .dim(Dim.TOKENS, 4)
                .bind("x", Data.of(DType.BF16, x))
                .bind("ids", Data.ints(ids))
                .run(dispatch(DType.BF16, 2, 3, 3, 2));
        assertArrayEquals(new int[] {0, 2, 5, 6}, Data.ints(Trial.get(results, "offsets")));
        assertArrayEquals(
                new int[] {1, 5, 3, 6, 7, 0, -1, -1, -1, -1, -1, -1}, Data.ints(Trial.get(results, "origins")));
        double[] rows = Data.doubles(DType.BF16, Trial.get(results, "rows"));
        assertArrayEquals(new double[] {1, -1, 2, -2, 2, -2, 3, -3, 3, -3, 1, -1}, Arrays.copyOf(rows, 12));
        assertTrue(Arrays.stream(rows, 12, 24).allMatch(Double::isNaN));
    }

    /** A whole expert layer, from dispatch to combine, against a loop over tokens and slots. */
    @ParameterizedTest
    @ValueSource(ints = {0, 1, 7, 40})
    void expertsComputeWhatALoopOverTokensDoes(int tokens) {
        int experts = 6;
        int k = 3;
        int h = 5;
        int n = 4;
        SplittableRandom random = new SplittableRandom(19);
        double[] x = Data.random(random, tokens * h);
        double[] gates = Data.random(random, tokens * k);
        int[] ids = new int[tokens * k];
        for (int i = 0; i < ids.length; i++) {
            // Expert 4 stays empty, expert 1 takes most.
            ids[i] = new int[] {1, 1, 0, 5, 3, 2, -1}[random.nextInt(7)];
        }
        WeightSource.Part[] parts = new WeightSource.Part[experts];
        double[][] w = new double[experts][];
        for (int e = 0; e < experts; e++) {
            w[e] = Data.random(random, n * h);
            parts[e] = new WeightSource.Part(Data.of(DType.F16, w[e]), null, null);
        }
        GraphBuilder builder = new GraphBuilder("experts");
        Value input = builder.input("x", TensorType.of(DType.F64, Dim.of(Dim.TOKENS), Dim.of(h)));
        Value chosen = builder.input("ids", TensorType.of(DType.I32, Dim.of(Dim.TOKENS), Dim.of(k)));
        Value weights = builder.input("gates", TensorType.of(DType.F64, Dim.of(Dim.TOKENS), Dim.of(k)));
        Value matrix = builder.weight("w", TensorType.of(DType.F16, Shape.of(experts, n, h)));
        GraphBuilder.Dispatched rows = builder.dispatch("dispatch", new Op.Dispatch(0, experts), input, chosen);
        Value products = builder.groupedLinear(
                "grouped", rows.rows(), rows.offsets(), matrix, ActivationFormat.FLOAT, DType.F64);
        builder.output("y", builder.combine("y", products, rows.origins(), weights, DType.F64));
        double[] y = new Trial()
                .dim(Dim.TOKENS, tokens)
                .bind("x", Data.of(DType.F64, x))
                .bind("ids", Data.ints(ids))
                .bind("gates", Data.of(DType.F64, gates))
                .weight("w", parts)
                .y(builder.build());
        double[] expected = new double[tokens * n];
        for (int t = 0; t < tokens; t++) {
            for (int slot = 0; slot < k; slot++) {
                int id = ids[t * k + slot];
                for (int row = 0; row < n && id >= 0; row++) {
                    for (int i = 0; i < h; i++) {
                        expected[t * n + row] += gates[t * k + slot] * w[id][row * h + i] * x[t * h + i];
                    }
                }
            }
        }
        // Products are multiples of 2^-18 below 2^8: every sum is exact in double.
        assertArrayEquals(expected, y);
    }

    @Test
    void quantisedExpertsKeepTheirOwnScales() {
        TensorType type = new TensorType(DType.I4, Shape.of(2, 1, 3), new Quantization.Int4Groups(2, DType.F32, false));
        GraphBuilder builder = new GraphBuilder("grouped");
        Value rows = builder.input("rows", TensorType.of(DType.F32, Dim.of(Dim.TOKENS), Dim.of(3)));
        Value offsets = builder.input("offsets", TensorType.of(DType.I32, Dim.of(3)));
        builder.output(
                "y",
                builder.groupedLinear(
                        "y", rows, offsets, builder.weight("w", type), ActivationFormat.FLOAT, DType.F32));
        Trial trial = new Trial()
                .dim(Dim.TOKENS, 3)
                .bind("rows", Data.of(DType.F32, 1, 1, 1, 1, 0, 0, 7, 7, 7))
                .weight(
                        "w",
                        new WeightSource.Part(Data.ints(0x0a9), Data.of(DType.F32, 1, 10), null),
                        new WeightSource.Part(Data.ints(0xf7c), Data.of(DType.F32, 100, 1000), null));
        // Codes 9, 10, 0 are 1, 2, -8; codes 12, 7, 15 are 4, -1, 7. The third row belongs to nobody.
        double[] y = trial.bind("offsets", Data.ints(0, 1, 2)).y(builder.build());
        assertArrayEquals(new double[] {1 + 2 - 80, 400, Double.NaN}, y);
        for (int[] bad : new int[][] {{1, 1, 2}, {0, 2, 1}, {0, 1, 4}, {0, -1, 2}, {-1, 0, 0}}) {
            BackendException refused = assertThrows(
                    BackendException.class,
                    () -> trial.bind("offsets", Data.ints(bad)).y(builder.build()));
            assertEquals(BackendException.Code.INVALID_DATA, refused.code(), Arrays.toString(bad));
        }
    }

    @Test
    void combineSkipsSlotsWithoutARowAndRefusesImpossibleOrigins() {
        GraphBuilder builder = new GraphBuilder("combine");
        Value rows = builder.input("rows", TensorType.of(DType.F32, new Dim(2, Dim.TOKENS), Dim.of(1)));
        Value origins = builder.input("origins", TensorType.of(DType.I32, new Dim(2, Dim.TOKENS)));
        Value weights = builder.input("weights", TensorType.of(DType.F32, Dim.of(Dim.TOKENS), Dim.of(2)));
        builder.output("y", builder.combine("y", rows, origins, weights, DType.F32));
        Graph graph = builder.build();
        Trial trial = new Trial()
                .dim(Dim.TOKENS, 2)
                .bind("rows", Data.of(DType.F32, 3, 5, Double.NaN, Double.NaN))
                .bind("weights", Data.of(DType.F32, Double.NaN, 2, 7, Double.NaN));
        // Row 0 is (token 1, slot 0), row 1 is (token 0, slot 1).
        assertArrayEquals(
                new double[] {10, 21},
                trial.bind("origins", Data.ints(2, 1, -1, -1)).y(graph));
        assertArrayEquals(
                new double[] {0, 0},
                trial.bind("origins", Data.ints(-1, -1, -1, -1)).y(graph));
        for (int[] bad : new int[][] {{0, 0, -1, -1}, {4, -1, -1, -1}, {-2, -1, -1, -1}}) {
            BackendException refused = assertThrows(
                    BackendException.class,
                    () -> trial.bind("origins", Data.ints(bad)).y(graph));
            assertEquals(BackendException.Code.INVALID_DATA, refused.code());
        }
    }

    @Test
    void oneRankExchangesWithItselfAndMoreAreDeclined() {
        GraphBuilder builder = new GraphBuilder("ranks");
        Value rows = builder.input("rows", TensorType.of(DType.F16, Dim.of(Dim.TOKENS), Dim.of(2)));
        Value offsets = builder.input("offsets", TensorType.of(DType.I32, Dim.of(4)));
        var sent = builder.add("sent", new Op.AllToAll(1, 3), rows, offsets).results();
        Value back = builder.add("back", new Op.AllToAllReturn(1, 3), sent.get(0), sent.get(2), offsets)
                .result();
        builder.output("y", builder.allReduce("sum", back, 1));
        builder.output("offsets.received", sent.get(1));
        builder.output("receipt", sent.get(2));
        Map<String, MemorySegment> results = new Trial()
                .dim(Dim.TOKENS, 3)
                .bind("rows", Data.of(DType.F16, 1, 2, 3, 4, 5, 6))
                .bind("offsets", Data.ints(0, 2, 2, 3))
                .run(builder.build());
        assertArrayEquals(new double[] {1, 2, 3, 4, 5, 6}, Data.doubles(DType.F16, Trial.get(results, "y")));
        assertArrayEquals(new int[] {0, 2, 2, 3}, Data.ints(Trial.get(results, "offsets.received")));
        assertArrayEquals(new int[] {2, 0, 1}, Data.ints(Trial.get(results, "receipt")));

        GraphBuilder two = new GraphBuilder("two");
        two.output("y", two.allReduce("y", two.input("x", TensorType.of(DType.F32, Shape.of(1, 1))), 2));
        BackendException declined = assertThrows(
                BackendException.class,
                () -> new Trial().bind("x", Data.of(DType.F32, 1)).run(two.build()));
        assertEquals(BackendException.Code.DECLINED, declined.code());
        try (var backend = Trial.open(Map.of())) {
            Support support =
                    backend.supports(two.build().nodes().getFirst(), dev.heng.spi.CompileOptions.of(Map.of()));
            assertTrue(support instanceof Support.Declined(Support.Code code, String text)
                    && code == Support.Code.ATTRIBUTE
                    && text.contains("2 ranks"));
        }
    }

    private static Graph dispatch(DType dtype, int first, int local, int k, int h) {
        GraphBuilder builder = new GraphBuilder("dispatch");
        Value x = builder.input("x", TensorType.of(dtype, Dim.of(Dim.TOKENS), Dim.of(h)));
        Value ids = builder.input("ids", TensorType.of(DType.I32, Dim.of(Dim.TOKENS), Dim.of(k)));
        GraphBuilder.Dispatched dispatched = builder.dispatch("d", new Op.Dispatch(first, local), x, ids);
        builder.output("rows", dispatched.rows());
        builder.output("offsets", dispatched.offsets());
        builder.output("origins", dispatched.origins());
        return builder.build();
    }
}
