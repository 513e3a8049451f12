package dev.heng.runtime.bench;

import static org.junit.jupiter.api.Assertions.assertEquals;

import dev.heng.runtime.config.ModelConfig;
import dev.heng.runtime.family.GraphOptions;
import dev.heng.runtime.family.ModelGraph;
import dev.heng.spi.graph.Graph;
import dev.heng.spi.tensor.DType;
import org.junit.jupiter.api.Test;

/** Counts by hand of V2-Lite's first two layers, one dense and one sparse. */
class CostTest {

    private static final long HIDDEN = 2048;
    private static final long VOCABULARY = 102_400;
    private static final long ATTENTION = HIDDEN * 16 * 192 + HIDDEN * 576 + 16 * 256 * 512L + 16 * 128 * HIDDEN;
    private static final long DENSE = 3 * HIDDEN * 10_944;
    private static final long EXPERT = 3 * HIDDEN * 1408;
    private static final long ROUTER = 64 * HIDDEN;
    private static final long NORMS = 2 * (2 * HIDDEN + 512) + HIDDEN;

    private static Graph graph(WeightFormat format) {
        ModelConfig config = NamedShape.V2_LITE.config().withLayers(2);
        try (RandomWeights weights = new RandomWeights(WeightFormats.of(format), 1)) {
            return ModelGraph.of(config, weights, GraphOptions.generation(DType.BF16));
        }
    }

    @Test
    void oneTokenReadsItsExpertsAndOneRowOfTheTable() {
        Cost cost = Cost.of(graph(WeightFormat.BF16), 1, 1, 100, true);
        double matrices = 2 * ATTENTION + DENSE + ROUTER + 8 * EXPERT + VOCABULARY * HIDDEN;
        assertEquals(2 * (matrices + HIDDEN + NORMS), cost.weightBytes(), 1);
        assertEquals(2 * 100 * 576 * 2, cost.cacheBytes());
        assertEquals(2 * matrices + 2 * 2 * 100 * 16 * (192 + 128), cost.operations(), 1);
    }

    @Test
    void quantisedWeightsCountTheirScales() {
        double plain = Cost.of(graph(WeightFormat.BF16), 1, 0, 0, true).weightBytes();
        double int8 = Cost.of(graph(WeightFormat.INT8), 1, 0, 0, true).weightBytes();
        double matrices = 2 * ATTENTION + DENSE + 8 * EXPERT;
        double rows =
                2 * (3072 + 576 + 4096 + HIDDEN) + 2 * 10_944 + HIDDEN + 6 * (2 * 1408 + HIDDEN) + 2 * 2816 + HIDDEN;
        assertEquals(plain - 2 * matrices + matrices + 4 * rows, int8, 1);
    }

    @Test
    void aBatchReadsEveryExpertThatIsExpected() {
        double one = Cost.of(graph(WeightFormat.BF16), 1, 1, 0, true).weightBytes();
        double eight = Cost.of(graph(WeightFormat.BF16), 8, 8, 0, true).weightBytes();
        double expected = 64 * (1 - Math.pow(58.0 / 64, 8)) - 6;
        assertEquals(one + 2 * (expected * EXPERT + 7 * HIDDEN), eight, 1);
    }

    @Test
    void aPromptCostsTheHeadOnce() {
        Cost with = Cost.of(graph(WeightFormat.BF16), 16, 1, 8, false);
        Cost without = Cost.of(graph(WeightFormat.BF16), 16, 0, 8, false);
        assertEquals(2.0 * VOCABULARY * HIDDEN, with.operations() - without.operations(), 1);
        assertEquals(0, with.cacheBytes());
    }

    @Test
    void aTiedTableIsReadOnce() {
        ModelConfig config = NamedShape.POET.config();
        try (RandomWeights weights = new RandomWeights(WeightFormats.of(WeightFormat.BF16), 1)) {
            Graph graph = ModelGraph.of(config, weights, GraphOptions.generation(DType.F32));
            double one = Cost.of(graph, 1, 1, 0, true).weightBytes();
            double all = dev.heng.runtime.generate.MemoryEstimate.of(
                            graph,
                            dev.heng.runtime.generate.RunLimits.generation(8, 8).maxima(64))
                    .weights();
            // All but the 58 of 64 experts of each of the four sparse layers that are not chosen.
            assertEquals(all - 4 * 58 * 3 * 256 * 64 * 2, one, 1);
        }
    }
}
