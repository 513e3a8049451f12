package dev.heng.conformance.suite;

import dev.heng.spi.graph.Op;
import dev.heng.spi.tensor.RopeFrequencies;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * The shape of a model: what its family computes, in sizes of choice.
 *
 * @param name as ids show it
 * @param hidden width of the residual
 * @param layers decoder layers
 * @param denseLayers layers at the start that have a dense MLP
 * @param denseWidth width of a dense MLP
 * @param attention the attention of every layer
 * @param experts the experts of sparse layers
 * @param vocabulary rows of embedding and head
 * @param epsilon of the norms
 */
record ModelShape(
        String name,
        int hidden,
        int layers,
        int denseLayers,
        int denseWidth,
        Attention attention,
        Experts experts,
        int vocabulary,
        double epsilon) {

    /** The context that YaRN stretches, in positions. */
    private static final double ORIGINAL_CONTEXT = 64;

    /** The attention of a layer. */
    sealed interface Attention {
        /** Returns the frequencies of the rotary embedding. */
        RopeFrequencies frequencies();
    }

    /**
     * Multi-head latent attention.
     *
     * @param queryRank width of the compressed query, or null where the query is one matrix
     */
    record Latent(
            int heads,
            @Nullable Integer queryRank,
            int latent,
            int nope,
            int rope,
            int value,
            double scale,
            RopeFrequencies frequencies)
            implements Attention {}

    /**
     * Grouped-query attention.
     *
     * @param rotary rotated dimensions of a head, in halves
     * @param bias whether queries, keys and values have biases
     * @param headNorm whether heads of queries and keys are normalised
     */
    record Grouped(
            int heads,
            int kvHeads,
            int headDim,
            int rotary,
            boolean bias,
            boolean headNorm,
            RopeFrequencies frequencies)
            implements Attention {}

    /**
     * Routed and shared experts.
     *
     * @param route the router
     * @param biased whether it has a choice bias
     * @param width of one expert
     * @param shared experts that every token passes, as one MLP of their common width
     */
    record Experts(Op.Route route, boolean biased, int width, int shared) {}

    /** Returns the same model with another number of layers. */
    ModelShape withLayers(int layers) {
        return new ModelShape(name, hidden, layers, denseLayers, denseWidth, attention, experts, vocabulary, epsilon);
    }

    /** DeepSeek-V3's computation: compressed queries, YaRN, sigmoid router with groups and bias, one shared expert. */
    static ModelShape deepSeekV3() {
        return new ModelShape(
                "deepseek-v3",
                64,
                3,
                1,
                96,
                new Latent(4, 40, 32, 16, 8, 12, yarnScale(24), yarn(8, 40)),
                new Experts(sigmoid(16, 4, 4, 2, 2.5), true, 24, 1),
                101,
                1e-6);
    }

    /** DeepSeek-V2-Lite's: plain queries, softmax router without normalisation, two shared experts. */
    static ModelShape deepSeekV2Lite() {
        return new ModelShape(
                "deepseek-v2-lite",
                48,
                2,
                1,
                80,
                new Latent(3, null, 40, 8, 8, 16, yarnScale(16), yarn(8, 40)),
                new Experts(softmax(16, 6, false, 1), false, 20, 2),
                97,
                1e-6);
    }

    /** DeepSeek-MoE-16B's: plain attention with as many key heads, softmax router. */
    static ModelShape deepSeekMoe16B() {
        return new ModelShape(
                "deepseek-moe-16b",
                56,
                2,
                1,
                72,
                new Grouped(4, 4, 14, 14, false, false, plain(14, 10_000)),
                new Experts(softmax(16, 6, false, 1), false, 18, 2),
                89,
                1e-6);
    }

    /** Qwen3-MoE's: shared keys, normalised heads, softmax router with normalisation, no shared expert, no dense layer. */
    static ModelShape qwen3Moe() {
        return new ModelShape(
                "qwen3-moe",
                64,
                2,
                0,
                0,
                new Grouped(8, 2, 16, 16, false, true, plain(16, 1_000_000)),
                new Experts(softmax(24, 8, true, 1), false, 16, 0),
                103,
                1e-6);
    }

    /** GLM-4.5's: half of each head rotates, biases, DeepSeek-V3's router in one group. */
    static ModelShape glm45() {
        return new ModelShape(
                "glm-4.5",
                60,
                2,
                1,
                88,
                new Grouped(6, 2, 16, 8, true, true, plain(8, 1_000_000)),
                new Experts(sigmoid(20, 5, 1, 1, 2.5), true, 22, 1),
                107,
                1e-5);
    }

    /** Kimi-K2's: DeepSeek-V3's computation with more experts in one group and fewer heads. */
    static ModelShape kimiK2() {
        return new ModelShape(
                "kimi-k2",
                64,
                2,
                1,
                96,
                new Latent(2, 24, 32, 16, 8, 16, yarnScale(24), yarn(8, 32)),
                new Experts(sigmoid(48, 8, 1, 1, 2.827), true, 16, 1),
                109,
                1e-6);
    }

    /** Returns all families. */
    static List<ModelShape> all() {
        return List.of(deepSeekV3(), deepSeekV2Lite(), deepSeekMoe16B(), qwen3Moe(), glm45(), kimiK2());
    }

    private static Op.Route sigmoid(int experts, int chosen, int groups, int kept, double scale) {
        return new Op.Route(
                experts,
                chosen,
                Op.Route.Score.SIGMOID,
                groups,
                kept,
                Op.Route.GroupScore.TOP_TWO_SUM,
                Op.Route.Masked.NEGATIVE_INFINITY,
                true,
                scale);
    }

    private static Op.Route softmax(int experts, int chosen, boolean normalize, double scale) {
        return new Op.Route(
                experts,
                chosen,
                Op.Route.Score.SOFTMAX,
                1,
                1,
                Op.Route.GroupScore.MAXIMUM,
                Op.Route.Masked.ZERO,
                normalize,
                scale);
    }

    private static RopeFrequencies plain(int dims, double theta) {
        double[] inverse = new double[dims / 2];
        for (int pair = 0; pair < inverse.length; pair++) {
            inverse[pair] = StrictMath.pow(theta, -2.0 * pair / dims);
        }
        return new RopeFrequencies(inverse, 1);
    }

    /**
     * YaRN's frequencies for a context {@code factor} times longer than the original, with DeepSeek's ramp from 32 to 1 rotations. The
     * original is short, so that the positions of a short chain turn by what YaRN changes.
     */
    static RopeFrequencies yarn(int dims, double factor) {
        double[] inverse = new double[dims / 2];
        double low = Math.floor(rotations(dims, 32));
        double high = Math.ceil(rotations(dims, 1));
        for (int pair = 0; pair < inverse.length; pair++) {
            double original = StrictMath.pow(10_000, -2.0 * pair / dims);
            double ramp = Math.clamp((pair - Math.max(0, low)) / Math.max(1e-3, high - Math.max(0, low)), 0.0, 1.0);
            inverse[pair] = original / factor * ramp + original * (1 - ramp);
        }
        return new RopeFrequencies(inverse, 1);
    }

    private static double rotations(int dims, double count) {
        return dims * StrictMath.log(ORIGINAL_CONTEXT / (count * 2 * Math.PI)) / (2 * StrictMath.log(10_000));
    }

    /** Returns 1/sqrt(head width) with YaRN's mscale squared, for a factor of 40. */
    private static double yarnScale(int headDim) {
        double mscale = 0.1 * StrictMath.log(40) + 1;
        return mscale * mscale / Math.sqrt(headDim);
    }
}
