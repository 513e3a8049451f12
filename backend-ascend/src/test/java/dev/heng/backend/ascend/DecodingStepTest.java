package dev.heng.backend.ascend;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.heng.backend.ascend.binding.CannLibraries;
import dev.heng.backend.ascend.device.Simulator;
import dev.heng.backend.ascend.lowering.Lowering;
import dev.heng.runtime.bench.NamedShape;
import dev.heng.runtime.bench.RandomWeights;
import dev.heng.runtime.bench.WeightFormat;
import dev.heng.runtime.bench.WeightFormats;
import dev.heng.runtime.config.ModelConfig;
import dev.heng.runtime.family.GraphOptions;
import dev.heng.runtime.family.ModelGraph;
import dev.heng.runtime.generate.CompiledModel;
import dev.heng.runtime.generate.Feed;
import dev.heng.runtime.generate.RunLimits;
import dev.heng.runtime.generate.Session;
import dev.heng.simulators.ascend.SimulatedCann;
import dev.heng.simulators.ascend.SimulatedCann.Release;
import dev.heng.spi.Backend;
import dev.heng.spi.BackendOptions;
import dev.heng.spi.DeviceInfo;
import dev.heng.spi.Program.Step;
import dev.heng.spi.tensor.DType;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

/**
 * What a decoding step asks of host and device, counted by the simulator, and that replaying it changes nothing. The counts are quoted in docs/ascend.md; this test
 * prints them.
 */
final class DecodingStepTest {

    private static final String[] COUNTERS = {
        "host_calls", "operator_launches", "graph_launches", "kernels", "contiguous_kernels"
    };

    private final Simulator head = new Simulator(Release.HEAD);
    private final Simulator old = new Simulator(Release.OF_2024);

    /** Latent attention and experts of DeepSeek-V2-Lite in a narrow model: what is launched does not depend on the hidden width. */
    private static ModelConfig liteConfig(int layers) {
        return ModelConfig.parse("narrow V2-Lite", """
                {"architectures": ["DeepseekV2ForCausalLM"], "model_type": "deepseek_v2", "attention_bias": false, "bos_token_id": 0, "eos_token_id": 1,
                 "first_k_dense_replace": 1, "hidden_act": "silu", "hidden_size": 64, "intermediate_size": 96, "kv_lora_rank": 512,
                 "max_position_embeddings": 4096, "moe_intermediate_size": 32, "moe_layer_freq": 1, "n_group": 1, "n_routed_experts": 64,
                 "n_shared_experts": 2, "norm_topk_prob": false, "num_attention_heads": 16, "num_experts_per_tok": 6, "num_hidden_layers": %d,
                 "num_key_value_heads": 16, "q_lora_rank": null, "qk_nope_head_dim": 32, "qk_rope_head_dim": 64, "rms_norm_eps": 1e-06,
                 "rope_theta": 10000, "routed_scaling_factor": 1.0, "scoring_func": "softmax", "tie_word_embeddings": false, "topk_group": 1,
                 "topk_method": "greedy", "torch_dtype": "bfloat16", "v_head_dim": 32, "vocab_size": 128}
                """.formatted(layers));
    }

    /** What one decoding step costs once it is settled, and the tokens that were chosen until then. */
    private record Measured(List<Integer> tokens, Map<String, Long> perStep, List<Step> plan) {
        long of(String counter) {
            return perStep.getOrDefault(counter, -1L);
        }
    }

    private static Backend open(Release release, Replays.Launch launch) {
        return new AscendBackend(
                new AscendDevice(
                        new CannLibraries(List.of(SimulatedCann.folder(release))),
                        0,
                        "ascend:0 (SIMULATED)",
                        "Ascend910B3"),
                new DeviceInfo("ascend", 0, "Ascend910B3 (SIMULATED)", -1, true, Map.of()),
                new AscendOptions(false, false, Lowering.Attention.LATENT_BF16, launch));
    }

    private Measured measure(ModelConfig config, DType activations, Release release, Replays.Launch launch, int steps) {
        Simulator simulator = release == Release.HEAD ? head : old;
        RunLimits limits = RunLimits.generation(256, 16);
        try (RandomWeights weights = new RandomWeights(WeightFormats.of(WeightFormat.BF16), 5);
                Backend backend = open(release, launch)) {
            GraphOptions form = GraphOptions.generation(activations);
            // Declares the weights, of which the pools are then made.
            ModelGraph.of(config, weights, form);
            weights.generate();
            try (CompiledModel model =
                            CompiledModel.compile(backend, config, weights, form, limits, BackendOptions.none());
                    Session session = model.open()) {
                List<Integer> tokens = new ArrayList<>();
                session.run(List.of(new Feed(0, new int[] {2, 3, 5, 7, 11}, Feed.Wanted.LAST)));
                tokens.add(session.sampledToken(0));
                Map<String, Long> last = Map.of();
                for (int step = 0; step < steps; step++) {
                    long[] before = counters(simulator);
                    session.continueSampled();
                    tokens.add(session.sampledToken(0));
                    long[] after = counters(simulator);
                    Map<String, Long> now = new TreeMap<>();
                    for (int i = 0; i < COUNTERS.length; i++) {
                        now.put(COUNTERS[i], after[i] - before[i]);
                    }
                    last = now;
                }
                return new Measured(tokens, last, model.program().plan());
            }
        }
    }

    private static long[] counters(Simulator simulator) {
        long[] values = new long[COUNTERS.length];
        for (int i = 0; i < values.length; i++) {
            values[i] = simulator.counter(COUNTERS[i]);
        }
        return values;
    }

    @AfterEach
    void nothingLeaks() {
        for (String counter : List.of("device_allocations", "host_allocations", "streams", "events", "graphs")) {
            assertEquals(0, head.counter(counter), counter);
            assertEquals(0, old.counter(counter), counter);
        }
        assertEquals(0, head.liveExecutors(), "executors");
    }

    @SuppressWarnings("SystemOut") // The numbers are what this test is for.
    private static void say(String what, Measured measured) {
        System.out.println(what + ": " + measured.perStep());
    }

    private void holds(String name, ModelConfig config, DType activations, int steps) {
        Measured eager = measure(config, activations, Release.HEAD, Replays.Launch.EAGER, steps);
        Measured repeated = measure(config, activations, Release.HEAD, Replays.Launch.REPEATED, steps);
        Measured captured = measure(config, activations, Release.HEAD, Replays.Launch.CAPTURED, steps);
        Measured of2024 = measure(config, activations, Release.OF_2024, Replays.Launch.CAPTURED, steps);
        say(name + ", eager", eager);
        say(name + ", repeated", repeated);
        say(name + ", captured", captured);
        say(name + ", captured asked of the release of 2024", of2024);
        assertEquals(eager.tokens(), repeated.tokens());
        assertEquals(eager.tokens(), captured.tokens());
        assertEquals(eager.tokens(), of2024.tokens());
        assertEquals(eager.of("kernels"), captured.of("kernels"), "the same work is done");
        assertTrue(repeated.of("host_calls") * 2 < eager.of("host_calls"), "repeating saves host calls");
        assertTrue(captured.of("host_calls") * 2 < repeated.of("host_calls"), "capturing saves more");
        assertTrue(captured.of("operator_launches") <= config.layers(), "only what has host arrays is launched");
        assertEquals(1, captured.of("graph_launches"));
        assertEquals(0, of2024.of("graph_launches"));
    }

    @Test
    void replayingPoetChangesNothing() {
        // 64 positions and more: the recording of the first history ends, and another begins.
        holds("poet, F32", NamedShape.POET.config(), DType.F32, 64);
    }

    @Test
    void replayingFusedAttentionChangesNothing() {
        ModelConfig config = liteConfig(2);
        holds("V2-Lite of 2 layers, BF16", config, DType.BF16, 20);
    }

    /** The aim of issue 5: norm, router, dispatch, experts, shared experts and combination in at most 12 operators. */
    @Test
    void theExpertsOfALayerAreAtMostTwelveOperators() {
        Measured two = measure(liteConfig(2), DType.BF16, Release.HEAD, Replays.Launch.CAPTURED, 6);
        Measured three = measure(liteConfig(3), DType.BF16, Release.HEAD, Replays.Launch.CAPTURED, 6);
        long layer = three.of("kernels") - two.of("kernels");
        long experts = three.plan().stream()
                .filter(step -> step.nodes().stream()
                        .anyMatch(node -> node.name().startsWith("layers.2.mlp")
                                || node.name().startsWith("layers.2.post_attention_norm")))
                .mapToLong(step -> step.kernel().split("\\+", -1).length)
                .sum();
        say("V2-Lite, a layer more", three);
        say("V2-Lite, a layer less", two);
        assertTrue(experts <= 12, experts + " operators for experts");
        assertTrue(layer <= 30, layer + " operators for a whole layer");
    }
}
