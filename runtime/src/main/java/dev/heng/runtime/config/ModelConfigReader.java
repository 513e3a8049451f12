package dev.heng.runtime.config;

import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.heng.runtime.HengException;
import dev.heng.spi.tensor.DType;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;
import org.jspecify.annotations.Nullable;

/**
 * Reads {@link ModelConfig}. Sizes must be stated; switches that every configuration class of a family defaults to the same value may be
 * absent. A field that changes the computation in a way that Heng does not do is refused and not ignored.
 */
final class ModelConfigReader {

    /** Published files have at most some 50 kB, most of it lists of modules. */
    private static final long MAXIMUM_BYTES = 16L << 20;

    private static final Set<String> ROPE_FIELDS = Set.of(
            "type",
            "rope_type",
            "rope_theta",
            "partial_rotary_factor",
            "factor",
            "original_max_position_embeddings",
            "beta_fast",
            "beta_slow",
            "mscale",
            "mscale_all_dim",
            "attention_factor",
            "truncate");

    private final Path file;
    private final @Nullable Path generation;

    private ModelConfigReader(Path file, @Nullable Path generation) {
        this.file = file;
        this.generation = generation;
    }

    /** Reads a model's folder. */
    static ModelConfigReader of(Path folder) {
        return new ModelConfigReader(folder.resolve("config.json"), folder.resolve("generation_config.json"));
    }

    /** Reads text that errors call {@code name}. */
    static ModelConfigReader ofText(String name) {
        return new ModelConfigReader(Path.of(name), null);
    }

    ModelConfig read() {
        return checked(StrictJson.readObject(file, MAXIMUM_BYTES));
    }

    ModelConfig parse(String json) {
        return checked(StrictJson.readObject(file.toString(), json.getBytes(StandardCharsets.UTF_8)));
    }

    private ModelConfig checked(ObjectNode object) {
        Fields config = new Fields(file, "", object);
        try {
            return read(config);
        } catch (IllegalArgumentException e) {
            // Two fields that cannot both be right: the records check each other's values.
            throw new HengException(
                    file + ": " + e.getMessage(), "restore the values that the model's publisher states", e);
        }
    }

    private ModelConfig read(Fields config) {
        Family family = family(config);
        refuseOtherComputations(config);
        int layers = config.requireInt("num_hidden_layers", 1, Limits.LAYERS);
        int vocabulary = config.requireInt("vocab_size", 1, Limits.VOCABULARY);
        int hidden = config.requireInt("hidden_size", 1, Limits.WIDTH);
        int intermediate = config.requireInt("intermediate_size", 1, Limits.WIDTH);
        int maxPositions = config.requireInt("max_position_embeddings", 1, Integer.MAX_VALUE);
        Fields ropeFields = ropeFields(config);
        Attention attention = attention(family, config, ropeFields, hidden);
        Moe moe = moe(family, config, layers);
        requireLayerTypes(config, layers, moe);
        return new ModelConfig(
                file,
                family,
                vocabulary,
                hidden,
                layers,
                intermediate,
                normEpsilon(family, config),
                config.booleanOr("tie_word_embeddings", false),
                maxPositions,
                predictionLayers(family, config),
                attention,
                rope(family, config, ropeFields, attention),
                moe,
                new QuantizationReader(config).read(),
                dtype(config),
                config.intOrNull("bos_token_id", 0, vocabulary - 1),
                endIds(config, vocabulary));
    }

    private Family family(Fields config) {
        String modelType = config.requireString("model_type");
        Family family = Family.ofModelType(modelType)
                .orElseThrow(() -> config.unknown("model_type", modelType, Family.modelTypes()));
        List<String> architectures = config.strings("architectures");
        if (!architectures.isEmpty() && !architectures.equals(List.of(family.architecture()))) {
            throw config.unknown(
                    "architectures", String.join(", ", architectures), List.of("[" + family.architecture() + "]"));
        }
        return family;
    }

    /** Refuses what would change every number and that no family of Heng does. */
    private static void refuseOtherComputations(Fields config) {
        String activation = config.stringOrNull("hidden_act");
        if (activation != null && !activation.equals("silu")) {
            throw config.unknown("hidden_act", activation, List.of("silu"));
        }
        for (String field : List.of(
                "index_topk",
                "index_n_heads",
                "attn_logit_softcapping",
                "final_logit_softcapping",
                "logit_scale",
                "embedding_multiplier",
                "residual_multiplier")) {
            if (config.has(field)) {
                throw config.fault(
                        field,
                        "asks for a computation that Heng does not do",
                        "use a model of a family that Heng knows");
            }
        }
        for (String field : List.of("mlp_bias", "use_sliding_window")) {
            if (config.booleanOr(field, false)) {
                throw config.fault(field, "is true, which Heng does not do", "use a model where it is false");
            }
        }
    }

    private static double normEpsilon(Family family, Fields config) {
        return switch (family) {
            case DEEPSEEK_V3, DEEPSEEK_V2, DEEPSEEK, LLAMA, QWEN3_MOE -> config.doubleOr("rms_norm_eps", 1e-6, 0, 1);
            // Copies of Kimi K2's config disagree, and GLM's class default is not what its models use everywhere.
            case KIMI_K2, GLM4_MOE -> config.requireDouble("rms_norm_eps", 0, 1);
        };
    }

    private static int predictionLayers(Family family, Fields config) {
        return switch (family) {
            // The class default, also where transformers left the field out when it saved the model without those
            // layers.
            case DEEPSEEK_V3, KIMI_K2, GLM4_MOE -> config.intOr("num_nextn_predict_layers", 1, 0, Limits.LAYERS);
            case DEEPSEEK_V2, DEEPSEEK, LLAMA, QWEN3_MOE ->
                config.intOr("num_nextn_predict_layers", 0, 0, Limits.LAYERS);
        };
    }

    private static Attention attention(Family family, Fields config, Fields ropeFields, int hidden) {
        return switch (family) {
            case DEEPSEEK_V3, KIMI_K2, DEEPSEEK_V2 -> latent(config);
            case DEEPSEEK, LLAMA -> {
                boolean bias = config.booleanOr("attention_bias", false);
                yield grouped(config, ropeFields, hidden, bias, bias, false);
            }
            case GLM4_MOE ->
                grouped(
                        config,
                        ropeFields,
                        0,
                        config.booleanOr("attention_bias", false),
                        false,
                        config.booleanOr("use_qk_norm", false));
            case QWEN3_MOE -> {
                boolean bias = config.booleanOr("attention_bias", false);
                yield grouped(config, ropeFields, 0, bias, bias, true);
            }
        };
    }

    private static Attention latent(Fields config) {
        int nope = config.requireInt("qk_nope_head_dim", 1, Limits.HEAD_DIM);
        int rotated = config.requireInt("qk_rope_head_dim", 1, Limits.HEAD_DIM);
        Integer whole = config.intOrNull("qk_head_dim", 1, 2 * Limits.HEAD_DIM);
        if (whole != null && whole != nope + rotated) {
            throw config.fault(
                    "qk_head_dim",
                    "is " + whole + ", not qk_nope_head_dim + qk_rope_head_dim = " + (nope + rotated),
                    "correct the value or remove it");
        }
        if (!config.has("q_lora_rank") && !config.names().contains("q_lora_rank")) {
            // Null means no compression, but the class default is a rank: absence says neither.
            throw config.missing("q_lora_rank");
        }
        return new Attention.Latent(
                config.requireInt("num_attention_heads", 1, Limits.HEADS),
                config.intOrNull("q_lora_rank", 1, Limits.WIDTH),
                config.requireInt("kv_lora_rank", 1, Limits.WIDTH),
                nope,
                rotated,
                config.requireInt("v_head_dim", 1, Limits.HEAD_DIM),
                config.booleanOr("attention_bias", false));
    }

    /**
     * Reads grouped-query attention.
     *
     * @param divided what head_dim is the quotient of where it is absent, or 0 if it must be stated
     */
    private static Attention grouped(
            Fields config,
            Fields ropeFields,
            int divided,
            boolean queryKeyValueBias,
            boolean outputBias,
            boolean queryKeyNorm) {
        int heads = config.requireInt("num_attention_heads", 1, Limits.HEADS);
        int keyValueHeads = config.intOr("num_key_value_heads", divided == 0 ? 0 : heads, 1, Limits.HEADS);
        if (keyValueHeads == 0) {
            throw config.missing("num_key_value_heads");
        }
        Integer headDim = config.intOrNull("head_dim", 1, Limits.HEAD_DIM);
        if (headDim == null) {
            if (divided == 0) {
                throw config.missing("head_dim");
            }
            if (divided % heads != 0) {
                throw config.fault(
                        "head_dim",
                        "is missing, and num_attention_heads " + heads + " does not divide hidden_size " + divided,
                        "add it as the model's publisher states it");
            }
            headDim = divided / heads;
        }
        double partial = partialRotaryFactor(config, ropeFields);
        return new Attention.GroupedQuery(
                heads, keyValueHeads, headDim, (int) (headDim * partial), queryKeyValueBias, outputBias, queryKeyNorm);
    }

    private static double partialRotaryFactor(Fields config, Fields ropeFields) {
        String field = "partial_rotary_factor";
        Double outer = config.doubleOrNull(field, 0, 1);
        Double factor = agreed(ropeFields, field, ropeFields.doubleOrNull(field, 0, 1), field, outer);
        if (factor != null) {
            return factor;
        }
        if (config.requireString("model_type").equals(Family.GLM4_MOE.modelType())) {
            throw config.missing(field);
        }
        return 1;
    }

    private @Nullable Moe moe(Family family, Fields config, int layers) {
        return switch (family) {
            case LLAMA -> null;
            case DEEPSEEK_V3, KIMI_K2, GLM4_MOE -> groupedMoe(family, config, layers);
            case DEEPSEEK_V2 -> softmaxMoe(config, layers);
            case DEEPSEEK -> {
                // Without experts the class builds a dense model.
                yield config.has("n_routed_experts") ? plainMoe(config, layers) : null;
            }
            case QWEN3_MOE -> qwenMoe(config, layers);
        };
    }

    /** Reads the router of DeepSeek-V3: sigmoid, choice bias, groups by their two best. */
    private static Moe groupedMoe(Family family, Fields config, int layers) {
        requireChoice(config, "scoring_func", "sigmoid");
        requireChoice(config, "topk_method", "noaux_tc");
        int experts = config.requireInt("n_routed_experts", 1, Limits.EXPERTS);
        return new Moe(
                experts,
                topK(config),
                config.requireInt("n_group", 1, experts),
                config.requireInt("topk_group", 1, experts),
                Moe.Score.SIGMOID,
                Moe.Method.NOAUX_TC,
                config.requireBoolean("norm_topk_prob"),
                config.requireDouble("routed_scaling_factor", Double.MIN_NORMAL, 1e6),
                sharedExperts(config),
                expertWidth(config),
                sparseLayers(family, config, layers));
    }

    /** Reads the router of DeepSeek-V2. */
    private static @Nullable Moe softmaxMoe(Fields config, int layers) {
        if (!config.has("n_routed_experts")) {
            return null;
        }
        requireChoice(config, "scoring_func", "softmax");
        String method = config.choiceOrNull("topk_method", List.of("greedy", "gready", "group_limited_greedy"));
        if (method == null) {
            throw config.missing("topk_method");
        }
        int experts = config.requireInt("n_routed_experts", 1, Limits.EXPERTS);
        int topK = topK(config);
        boolean grouped = method.equals("group_limited_greedy");
        // The published code normalises weights only if there are several, and then does not scale them.
        boolean normalize = config.booleanOr("norm_topk_prob", false) && topK > 1;
        double scale = config.requireDouble("routed_scaling_factor", Double.MIN_NORMAL, 1e6);
        return new Moe(
                experts,
                topK,
                grouped ? config.requireInt("n_group", 1, experts) : 1,
                grouped ? config.requireInt("topk_group", 1, experts) : 1,
                Moe.Score.SOFTMAX,
                grouped ? Moe.Method.GROUP_LIMITED_GREEDY : Moe.Method.GREEDY,
                normalize,
                normalize ? 1 : scale,
                sharedExperts(config),
                expertWidth(config),
                sparseLayers(Family.DEEPSEEK_V2, config, layers));
    }

    /** Reads the router of DeepSeek-MoE-16B, which knows neither groups nor a factor. */
    private static Moe plainMoe(Fields config, int layers) {
        requireChoice(config, "scoring_func", "softmax");
        int topK = topK(config);
        return new Moe(
                config.requireInt("n_routed_experts", 1, Limits.EXPERTS),
                topK,
                1,
                1,
                Moe.Score.SOFTMAX,
                Moe.Method.GREEDY,
                config.booleanOr("norm_topk_prob", false) && topK > 1,
                1,
                sharedExperts(config),
                expertWidth(config),
                sparseLayers(Family.DEEPSEEK, config, layers));
    }

    private static Moe qwenMoe(Fields config, int layers) {
        Integer original = config.intOrNull("num_experts", 1, Limits.EXPERTS);
        Integer renamed = config.intOrNull("num_local_experts", 1, Limits.EXPERTS);
        Integer experts = agreed(config, "num_local_experts", renamed, "num_experts", original);
        if (experts == null) {
            throw config.missing("num_experts");
        }
        int step = config.intOr("decoder_sparse_step", 1, 1, Limits.LAYERS);
        Set<Integer> dense = Set.copyOf(new HashSet<>(config.ints("mlp_only_layers", 0, layers - 1)));
        Set<Integer> sparse = new TreeSet<>();
        for (int layer = 0; layer < layers; layer++) {
            if (!dense.contains(layer) && (layer + 1) % step == 0) {
                sparse.add(layer);
            }
        }
        return new Moe(
                experts,
                topK(config),
                1,
                1,
                Moe.Score.SOFTMAX,
                Moe.Method.GREEDY,
                config.booleanOr("norm_topk_prob", false),
                1,
                0,
                expertWidth(config),
                sparse);
    }

    private static int topK(Fields config) {
        return config.requireInt("num_experts_per_tok", 1, Limits.EXPERTS);
    }

    private static int expertWidth(Fields config) {
        return config.requireInt("moe_intermediate_size", 1, Limits.WIDTH);
    }

    private static int sharedExperts(Fields config) {
        if (!config.names().contains("n_shared_experts")) {
            throw config.missing("n_shared_experts");
        }
        return config.intOr("n_shared_experts", 0, 0, Limits.EXPERTS);
    }

    private static void requireChoice(Fields config, String field, String only) {
        String value = config.stringOrNull(field);
        if (value != null && !value.equals(only)) {
            throw config.unknown(field, value, List.of(only));
        }
    }

    private static Set<Integer> sparseLayers(Family family, Fields config, int layers) {
        int first = config.requireInt("first_k_dense_replace", 0, Limits.LAYERS);
        int frequency = family == Family.GLM4_MOE ? 1 : config.intOr("moe_layer_freq", 1, 1, Limits.LAYERS);
        Set<Integer> sparse = new TreeSet<>();
        for (int layer = first; layer < layers; layer++) {
            if (layer % frequency == 0) {
                sparse.add(layer);
            }
        }
        return sparse;
    }

    /** Checks the lists that newer files carry besides the rules, so that a model that breaks the rules is not read by them. */
    private static void requireLayerTypes(Fields config, int layers, @Nullable Moe moe) {
        List<String> attentions = config.strings("layer_types");
        for (String type : attentions) {
            if (!type.equals("full_attention")) {
                throw config.unknown("layer_types", type, List.of("full_attention"));
            }
        }
        List<String> mlps = config.strings("mlp_layer_types");
        for (int layer = 0; layer < mlps.size(); layer++) {
            boolean sparse = moe != null && moe.layers().contains(layer);
            if (mlps.size() != layers || !mlps.get(layer).equals(sparse ? "sparse" : "dense")) {
                throw config.fault(
                        "mlp_layer_types",
                        "does not say of layer " + layer + " what the other fields do: "
                                + (sparse ? "sparse" : "dense"),
                        "use a model whose sparse layers follow first_k_dense_replace or decoder_sparse_step");
            }
        }
    }

    /** Returns where the rotary fields stand: transformers 5's object, the older one's, or the config itself where neither is given. */
    private static Fields ropeFields(Fields config) {
        Fields parameters = config.objectOrNull("rope_parameters");
        Fields scaling = config.objectOrNull("rope_scaling");
        if (parameters != null && scaling != null) {
            throw config.fault(
                    "rope_scaling",
                    "stands beside rope_parameters, so that it is not clear which holds",
                    "remove one of them");
        }
        Fields fields = parameters != null ? parameters : scaling;
        if (fields == null) {
            return config;
        }
        fields.requireOnly(ROPE_FIELDS);
        return fields;
    }

    private static RopeConfig rope(Family family, Fields config, Fields fields, Attention attention) {
        double theta = theta(family, config, fields);
        RopeConfig.Scaling scaling = fields == config ? new RopeConfig.Unscaled() : scaling(config, fields);
        return switch (attention) {
            case Attention.Latent latent ->
                new RopeConfig(theta, latent.ropeDim(), config.booleanOr("rope_interleave", true), scaling);
            case Attention.GroupedQuery grouped -> new RopeConfig(theta, grouped.rotaryDim(), false, scaling);
        };
    }

    private static double theta(Family family, Fields config, Fields fields) {
        String field = "rope_theta";
        Double outer = config.doubleOrNull(field, 1.000001, 1e15);
        Double theta = agreed(fields, field, fields.doubleOrNull(field, 1.000001, 1e15), field, outer);
        if (theta != null) {
            return theta;
        }
        return switch (family) {
            case DEEPSEEK_V3, DEEPSEEK_V2, DEEPSEEK, LLAMA -> 10000;
            // Their models use other bases than their classes' default.
            case KIMI_K2, GLM4_MOE, QWEN3_MOE -> throw config.missing("rope_theta");
        };
    }

    private static RopeConfig.Scaling scaling(Fields config, Fields fields) {
        List<String> known = List.of("default", "linear", "yarn");
        String kind = agreed(
                fields,
                "type",
                fields.choiceOrNull("type", known),
                "rope_type",
                fields.choiceOrNull("rope_type", known));
        if (kind == null) {
            throw fields.missing("rope_type");
        }
        return switch (kind) {
            case "default" -> new RopeConfig.Unscaled();
            case "linear" -> new RopeConfig.Linear(fields.requireDouble("factor", 1, 1e6));
            default -> yarn(config, fields);
        };
    }

    private static RopeConfig.Yarn yarn(Fields config, Fields fields) {
        double factor = fields.requireDouble("factor", 1, 1e6);
        String original = "original_max_position_embeddings";
        Integer inner = fields.intOrNull(original, 1, Integer.MAX_VALUE);
        Integer positions = agreed(fields, original, inner, original, config.intOrNull(original, 1, Integer.MAX_VALUE));
        if (positions == null) {
            throw fields.missing(original);
        }
        return new RopeConfig.Yarn(
                factor,
                positions,
                fields.doubleOr("beta_fast", 32, 1e-6, 1e6),
                fields.doubleOr("beta_slow", 1, 1e-6, 1e6),
                mscale(fields, "mscale"),
                mscale(fields, "mscale_all_dim"),
                fields.doubleOrNull("attention_factor", 1e-6, 1e6),
                fields.booleanOr("truncate", true));
    }

    private static @Nullable Double mscale(Fields fields, String name) {
        return fields.doubleOrNull(name, 1e-6, 1e6);
    }

    /** Returns the value that stands in one or both of two places, null if in neither; both must say the same. */
    private static <T> @Nullable T agreed(
            Fields fields, String name, @Nullable T value, String otherName, @Nullable T other) {
        if (value != null && other != null && !value.equals(other)) {
            throw fields.fault(
                    name, "is " + value + ", but " + otherName + " elsewhere is " + other, "remove the wrong one");
        }
        return value != null ? value : other;
    }

    private static @Nullable DType dtype(Fields config) {
        List<String> known = List.of("bfloat16", "float16", "float32");
        String older = config.choiceOrNull("torch_dtype", known);
        String name = agreed(config, "torch_dtype", older, "dtype", config.choiceOrNull("dtype", known));
        if (name == null) {
            return null;
        }
        return switch (name) {
            case "bfloat16" -> DType.BF16;
            case "float16" -> DType.F16;
            default -> DType.F32;
        };
    }

    private List<Integer> endIds(Fields config, int vocabulary) {
        Set<Integer> ids = new TreeSet<>(config.intOrInts("eos_token_id", 0, vocabulary - 1));
        if (generation != null && Files.exists(generation)) {
            Fields fields = new Fields(generation, "", StrictJson.readObject(generation, MAXIMUM_BYTES));
            ids.addAll(fields.intOrInts("eos_token_id", 0, vocabulary - 1));
        }
        return List.copyOf(ids);
    }
}
