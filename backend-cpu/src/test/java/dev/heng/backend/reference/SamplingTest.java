package dev.heng.backend.reference;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.heng.spi.BackendException;
import dev.heng.spi.graph.Graph;
import dev.heng.spi.graph.GraphBuilder;
import dev.heng.spi.graph.Value;
import dev.heng.spi.tensor.DType;
import dev.heng.spi.tensor.Dim;
import dev.heng.spi.tensor.TensorType;
import java.util.Arrays;
import org.junit.jupiter.api.Test;

/** ARGMAX, SAMPLE. */
class SamplingTest {

    private static final double NAN = Double.NaN;
    private static final double INFINITY = Double.POSITIVE_INFINITY;

    /** Known answers of the Random123 distribution, kat_vectors, philox4x32 of 10 rounds. */
    @Test
    void philoxGivesTheKnownAnswers() {
        assertArrayEquals(new int[] {0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}, Philox.block(0, 0, 0, 0, 0));
        assertArrayEquals(new int[] {0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}, Philox.block(-1, -1, -1, -1, -1));
        assertArrayEquals(
                new int[] {0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1},
                Philox.block(0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344, 0x299f31d0_a4093822L));
    }

    @Test
    void unitsLieInTheMiddleOfTheirInterval() {
        assertEquals(0x1p-33, Philox.unit(0));
        assertEquals(1 - 0x1p-33, Philox.unit(-1));
        assertEquals(0.5 + 0x1p-33, Philox.unit(0x80000000));
    }

    @Test
    void argmaxPicksTheFirstOfTheLargestAndNeverNan() {
        double[][] rows = {
            {1, 3, 3, 2},
            {NAN, -INFINITY, NAN, -INFINITY},
            {NAN, NAN, NAN, NAN},
            {-0.0, 0, 0, -1},
            {1, INFINITY, NAN, 5}
        };
        GraphBuilder builder = new GraphBuilder("argmax");
        Value logits = builder.input("x", TensorType.of(DType.F32, Dim.of(Dim.OUTPUTS), Dim.of(4)));
        builder.output("y", builder.argmax("y", logits));
        Graph graph = builder.build();
        int[] y = Data.ints(Trial.get(
                new Trial()
                        .dim(Dim.OUTPUTS, rows.length)
                        .bind(
                                "x",
                                Data.of(
                                        DType.F32,
                                        Arrays.stream(rows)
                                                .flatMapToDouble(Arrays::stream)
                                                .toArray()))
                        .run(graph),
                "y"));
        assertArrayEquals(new int[] {1, 1, 0, 0, 1}, y);
        assertEquals(
                0,
                Trial.get(
                                new Trial()
                                        .dim(Dim.OUTPUTS, 0)
                                        .bind("x", Data.of(DType.F32))
                                        .run(graph),
                                "y")
                        .byteSize());
    }

    @Test
    void samplesAreDistributedAsTheSoftmax() {
        double[] logits = {0, 1, NAN, 2, -INFINITY, 0.5};
        double temperature = 0.8;
        int draws = 20_000;
        int[] counts = new int[logits.length];
        for (int counter = 0; counter < draws; counter++) {
            counts[Sampling.sample(logits, temperature, 0, 1, 42, counter)]++;
        }
        assertEquals(0, counts[2] + counts[4]);
        assertDistributed(logits, temperature, new int[] {0, 1, 3, 5}, counts, draws);
    }

    @Test
    void topKComesBeforeTopP() {
        double[] logits = {Math.log(1), Math.log(4), Math.log(2), Math.log(2), Math.log(1)};
        int draws = 4000;
        // Of the three largest (1, 2, 3; the tie with 3 goes to 2) probabilities are 1/2, 1/4, 1/4: with 0.6 the first
        // two stay.
        int[] counts = new int[5];
        int[] topTwo = new int[5];
        for (int counter = 0; counter < draws; counter++) {
            counts[Sampling.sample(logits, 1, 3, 0.6, 7, counter)]++;
            topTwo[Sampling.sample(logits, 1, 2, 1, 7, counter)]++;
        }
        assertArrayEquals(topTwo, counts);
        assertDistributed(logits, 1, new int[] {1, 2}, counts, draws);
        // Without top-k they are 0.4, 0.2, 0.2: 0.6 needs only the first two, and is reached exactly within rounding;
        // 0.7 needs three.
        int[] three = new int[5];
        for (int counter = 0; counter < draws; counter++) {
            three[Sampling.sample(logits, 1, 0, 0.7, 7, counter)]++;
        }
        assertDistributed(logits, 1, new int[] {1, 2, 3}, three, draws);
    }

    @Test
    void degenerateParametersAndRows() {
        double[] logits = {1, 5, 5, 2};
        for (int counter = 0; counter < 100; counter++) {
            assertEquals(1, Sampling.sample(logits, 0, 0, 1, 3, counter));
            assertEquals(1, Sampling.sample(logits, 2, 1, 1, 3, counter));
            assertEquals(1, Sampling.sample(logits, 2, 0, 0, 3, counter));
            assertEquals(2, Sampling.sample(new double[] {1, NAN, INFINITY, INFINITY}, 1, 0, 1, 3, counter));
            assertEquals(1, Sampling.sample(new double[] {NAN, -INFINITY, -INFINITY}, 1, 2, 0.5, 3, counter));
            assertEquals(0, Sampling.sample(new double[] {NAN, NAN}, 1, 0, 1, 3, counter));
        }
    }

    @Test
    void theNoiseOfACandidateDependsOnSeedCounterAndIndexOnly() {
        int word = Philox.block(2, 9, 0, 0, -5)[3];
        double u = (Integer.toUnsignedLong(word) + 0.5) / 4294967296.0;
        assertEquals(-Math.log(-Math.log(u)), Sampling.gumbel(-5, 9, 11), 4 * Math.ulp(5.0));
        double[] few = {0, 0, 0, 0, 0};
        double[] many = Arrays.copyOf(few, 50);
        Arrays.fill(many, 5, 50, -1e4);
        for (int counter = 0; counter < 200; counter++) {
            assertEquals(Sampling.sample(few, 1, 0, 1, 1, counter), Sampling.sample(many, 1, 0, 1, 1, counter));
        }
    }

    @Test
    void rowsAreIndependentAndBadParametersAreNamed() {
        double[] logits = {0, 1, 2, 0, 1, 2};
        Trial trial = sampling(2, logits)
                .bind("temperature", Data.of(DType.F32, 1, 0))
                .bind("top_k", Data.ints(0, 5))
                .bind("top_p", Data.of(DType.F32, 1, 0.5))
                .bind("seed", Data.longs(1L << 40, 0))
                .bind("counter", Data.ints(6, -1));
        int[] y = Data.ints(Trial.get(trial.run(sample()), "y"));
        assertEquals(Sampling.sample(new double[] {0, 1, 2}, 1, 0, 1, 1L << 40, 6), y[0]);
        assertEquals(2, y[1]);
        assertRefused(trial.bind("temperature", Data.of(DType.F32, 1, -1)), "'temperature'[1] is -1.0");
        assertRefused(trial.bind("temperature", Data.of(DType.F32, NAN, 1)), "'temperature'[0] is NaN");
        trial.bind("temperature", Data.of(DType.F32, 1, 1));
        assertRefused(trial.bind("top_p", Data.of(DType.F32, 1, 1.5)), "'top_p'[1] is 1.5");
        trial.bind("top_p", Data.of(DType.F32, 1, 1));
        assertRefused(trial.bind("top_k", Data.ints(-1, 0)), "'top_k'[0] is -1");
    }

    private static void assertRefused(Trial trial, String message) {
        BackendException refused = assertThrows(BackendException.class, () -> trial.run(sample()));
        assertEquals(BackendException.Code.INVALID_DATA, refused.code());
        assertTrue(String.valueOf(refused.getMessage()).contains(message), refused::getMessage);
    }

    /** Chi-square over the candidates; 30 is beyond the 1 - 10^-5 quantile for up to four of them, and the draws are fixed. */
    private static void assertDistributed(
            double[] logits, double temperature, int[] candidates, int[] counts, int draws) {
        double total = Arrays.stream(candidates)
                .mapToDouble(i -> Math.exp(logits[i] / temperature))
                .sum();
        double chiSquare = 0;
        for (int i : candidates) {
            double expected = draws * Math.exp(logits[i] / temperature) / total;
            chiSquare += Math.pow(counts[i] - expected, 2) / expected;
        }
        assertTrue(chiSquare < 30, "chi-square " + chiSquare + " of " + Arrays.toString(counts));
        assertEquals(draws, Arrays.stream(candidates).map(i -> counts[i]).sum());
    }

    private static Trial sampling(int rows, double[] logits) {
        return new Trial().dim(Dim.OUTPUTS, rows).bind("x", Data.of(DType.F32, logits));
    }

    private static Graph sample() {
        GraphBuilder builder = new GraphBuilder("sample");
        Dim rows = Dim.of(Dim.OUTPUTS);
        builder.output(
                "y",
                builder.sample(
                        "y",
                        builder.input("x", TensorType.of(DType.F32, rows, Dim.of(3))),
                        builder.input("temperature", TensorType.of(DType.F32, rows)),
                        builder.input("top_k", TensorType.of(DType.I32, rows)),
                        builder.input("top_p", TensorType.of(DType.F32, rows)),
                        builder.input("seed", TensorType.of(DType.I64, rows)),
                        builder.input("counter", TensorType.of(DType.I32, rows))));
        return builder.build();
    }
}
