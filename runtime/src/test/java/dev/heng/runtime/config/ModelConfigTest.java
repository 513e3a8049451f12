package dev.heng.runtime.config;

import static dev.heng.runtime.config.PublishedConfigs.changed;
import static dev.heng.runtime.config.PublishedConfigs.json;
import static dev.heng.runtime.config.PublishedConfigs.read;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.heng.runtime.HengException;
import dev.heng.spi.tensor.DType;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Objects;
import java.util.Set;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

final class ModelConfigTest {

    @TempDir
    Path folder;

    @Test
    void readsTheHubsFormOfDeepSeekR1() throws IOException {
        ModelConfig config = read(folder, PublishedConfigs.DEEPSEEK_R1);
        assertEquals(Family.DEEPSEEK_V3, config.family());
        assertEquals(129280, config.vocabularySize());
        assertEquals(61, config.layers());
        assertEquals(1, config.predictionLayers());
        assertEquals(163840, config.maxPositions());
        assertEquals(DType.BF16, config.dtype());
        assertEquals(new Attention.Latent(128, 1536, 512, 128, 64, 128, false), config.attention());
        Moe moe = Objects.requireNonNull(config.moe());
        assertEquals(Moe.Method.NOAUX_TC, moe.method());
        assertEquals(Moe.Score.SIGMOID, moe.score());
        assertTrue(moe.normalize() && moe.choiceBias());
        assertEquals(2.5, moe.scale());
        assertEquals(58, moe.layers().size());
        assertTrue(config.sparse(3) && !config.sparse(2));
        assertTrue(config.rope().interleaved());
        assertEquals(0.1352338, config.softmaxScale(), 5e-8);
        assertEquals(new QuantizationConfig.Fp8Blocks(128, 128, false), config.quantization());
        assertEquals(List.of(1), config.endIds());
        assertEquals(0, config.beginId());
    }

    @Test
    void readsTheSameModelInTheFormOfTransformers5() throws IOException {
        ModelConfig older = read(folder, PublishedConfigs.DEEPSEEK_R1);
        ModelConfig newer = read(folder, changed(PublishedConfigs.DEEPSEEK_R1, config -> {
            ObjectNode rope = (ObjectNode) config.remove("rope_scaling");
            rope.set("rope_theta", config.remove("rope_theta"));
            rope.put("rope_type", "yarn");
            config.set("rope_parameters", rope);
            config.set("dtype", config.remove("torch_dtype"));
            config.put("head_dim", 64);
            config.put("qk_head_dim", 192);
            config.put("rope_interleave", true);
        }));
        assertEquals(older, newer);
    }

    @Test
    void kimiK2IsDeepSeekV3InOtherSizes() throws IOException {
        ModelConfig config = read(folder, changed(PublishedConfigs.DEEPSEEK_R1, kimi -> {
            kimi.put("model_type", "kimi_k2");
            kimi.put("n_group", 1);
            kimi.put("topk_group", 1);
            kimi.put("n_routed_experts", 384);
            kimi.put("routed_scaling_factor", 2.827);
            kimi.put("first_k_dense_replace", 1);
            kimi.put("num_nextn_predict_layers", 0);
        }));
        assertEquals(Family.KIMI_K2, config.family());
        assertEquals(384, Objects.requireNonNull(config.moe()).experts());
        assertEquals(0, config.predictionLayers());
    }

    @Test
    void deepSeekV2ScalesOnlyWhatItDoesNotNormalise() throws IOException {
        Moe plain = Objects.requireNonNull(
                read(folder, PublishedConfigs.DEEPSEEK_V2).moe());
        assertEquals(Moe.Method.GROUP_LIMITED_GREEDY, plain.method());
        assertEquals(8, plain.groups());
        assertEquals(3, plain.keptGroups());
        assertFalse(plain.normalize());
        assertEquals(16.0, plain.scale());
        assertEquals(3072, plain.sharedIntermediateSize());

        String normalised = changed(PublishedConfigs.DEEPSEEK_V2, config -> config.put("norm_topk_prob", true));
        Moe unscaled = Objects.requireNonNull(read(folder, normalised).moe());
        assertTrue(unscaled.normalize());
        assertEquals(1.0, unscaled.scale());

        String single = changed(PublishedConfigs.DEEPSEEK_V2, config -> {
            config.put("norm_topk_prob", true);
            config.put("num_experts_per_tok", 1);
        });
        Moe one = Objects.requireNonNull(read(folder, single).moe());
        assertFalse(one.normalize());
        assertEquals(16.0, one.scale());
    }

    @ParameterizedTest
    @ValueSource(strings = {"greedy", "gready"})
    void greedyDeepSeekV2HasNoGroups(String method) throws IOException {
        ModelConfig config = read(folder, changed(PublishedConfigs.DEEPSEEK_V2, lite -> {
            lite.put("topk_method", method);
            lite.putNull("q_lora_rank");
        }));
        Moe moe = Objects.requireNonNull(config.moe());
        assertEquals(Moe.Method.GREEDY, moe.method());
        assertEquals(1, moe.groups());
        assertEquals(1, moe.keptGroups());
        assertNull(assertInstanceOf(Attention.Latent.class, config.attention()).queryLoraRank());
    }

    @Test
    void deepSeekMoe16bHasPlainAttentionAndNoFactor() throws IOException {
        ModelConfig config = read(folder, PublishedConfigs.DEEPSEEK_MOE_16B);
        assertEquals(new Attention.GroupedQuery(16, 16, 128, 128, false, false, false), config.attention());
        assertFalse(config.rope().interleaved());
        Moe moe = Objects.requireNonNull(config.moe());
        assertEquals(1.0, moe.scale());
        assertFalse(moe.normalize() || moe.choiceBias());
        assertEquals(2816, moe.sharedIntermediateSize());
        assertFalse(config.sparse(0));
    }

    @Test
    void llamaIsDense() throws IOException {
        ModelConfig config = read(folder, PublishedConfigs.LLAMA_67B);
        assertNull(config.moe());
        assertEquals(new Attention.GroupedQuery(64, 8, 128, 128, false, false, false), config.attention());
        assertEquals(0, config.predictionLayers());
        assertFalse(config.sparse(10));
    }

    @Test
    void glmRotatesHalfAHeadAndHasBiasesInFrontOnly() throws IOException {
        ModelConfig config = read(folder, PublishedConfigs.GLM_4_5);
        assertEquals(new Attention.GroupedQuery(96, 8, 128, 64, true, false, true), config.attention());
        assertEquals(64, config.rope().dims());
        assertEquals(List.of(151329, 151336, 151338), config.endIds());
        assertNull(config.beginId());
        assertEquals(1e-5, config.normEpsilon());
        assertEquals(Moe.Method.NOAUX_TC, Objects.requireNonNull(config.moe()).method());
        ModelConfig newer = read(folder, changed(PublishedConfigs.GLM_4_5, glm -> {
            glm.remove("partial_rotary_factor");
            glm.remove("rope_theta");
            glm.set(
                    "rope_parameters",
                    json("{\"rope_type\": \"default\", \"rope_theta\": 1000000, \"partial_rotary_factor\": 0.5}"));
        }));
        assertEquals(config, newer);
    }

    @Test
    void qwenMayCallItsExpertsByEitherName() throws IOException {
        ModelConfig config = read(folder, PublishedConfigs.QWEN3_30B);
        Moe moe = Objects.requireNonNull(config.moe());
        assertEquals(128, moe.experts());
        assertEquals(0, moe.sharedExperts());
        assertEquals(48, moe.layers().size());
        assertEquals(new Attention.GroupedQuery(32, 4, 128, 128, false, false, true), config.attention());
        String renamed =
                changed(PublishedConfigs.QWEN3_30B, qwen -> qwen.set("num_local_experts", qwen.remove("num_experts")));
        assertEquals(config, read(folder, renamed));
    }

    @Test
    void qwensSparseStepAndDenseLayersAreCounted() throws IOException {
        ModelConfig config = read(folder, changed(PublishedConfigs.QWEN3_30B, qwen -> {
            qwen.put("num_hidden_layers", 8);
            qwen.put("decoder_sparse_step", 2);
            qwen.set("mlp_only_layers", json("[3]"));
        }));
        assertEquals(Set.of(1, 5, 7), Objects.requireNonNull(config.moe()).layers());
    }

    @Test
    void endIdsOfBothFilesAreMerged() throws IOException {
        Files.writeString(folder.resolve("generation_config.json"), "{\"eos_token_id\": [7, 1, 3]}");
        assertEquals(
                List.of(1, 3, 7), read(folder, PublishedConfigs.DEEPSEEK_R1).endIds());
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "deepseek-llm-tiny-dense",
                "deepseek-v2-lite-tiny",
                "deepseek-v2-tiny-group",
                "deepseek-v3-tiny",
                "deepseek-v3-tiny-fp8",
                "deepseek-v3-tiny-int4",
                "deepseek-v3-tiny-int8",
                "deepseek-v3-tiny-yarn",
                "kimi-k2-tiny"
            })
    void goldensAreRead(String golden) {
        ModelConfig config = ModelConfig.read(Path.of("..", "goldens", golden));
        assertEquals(384, config.vocabularySize());
        assertEquals(3, config.layers());
        assertEquals(4, config.attention().heads());
    }

    /** One field of DeepSeek-R1's config spoiled; the message must name the field or say the contradiction. */
    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "model_type|\"deepseek_v32\"|model_type",
                "model_type|\"gpt2\"|model_type",
                "model_type|7|model_type",
                "architectures|[\"LlamaForCausalLM\"]|architectures",
                "architectures|[\"DeepseekV3ForCausalLM\", \"X\"]|architectures",
                "hidden_act|\"gelu\"|hidden_act",
                "n_group|7|n_group = 7",
                "n_group|0|n_group",
                "n_group|512|n_group",
                "topk_group|9|topk_group = 9",
                "num_experts_per_tok|129|num_experts_per_tok = 129",
                "num_experts_per_tok|0|num_experts_per_tok",
                "n_routed_experts|-1|n_routed_experts",
                "n_routed_experts|9999999999|n_routed_experts",
                "n_shared_experts|-1|n_shared_experts",
                "qk_rope_head_dim|63|qk_rope_head_dim 63",
                "qk_rope_head_dim|0|qk_rope_head_dim",
                "hidden_size|0|hidden_size",
                "hidden_size|-7168|hidden_size",
                "hidden_size|7168.5|hidden_size",
                "hidden_size|\"7168\"|hidden_size",
                "hidden_size|2147483648|hidden_size",
                "hidden_size|1e400|hidden_size",
                "hidden_size|[7168]|hidden_size",
                "vocab_size|123456789012345678901234567890|vocab_size",
                "num_hidden_layers|1000000|num_hidden_layers",
                "num_attention_heads|true|num_attention_heads",
                "rms_norm_eps|-1e-6|rms_norm_eps",
                "rms_norm_eps|1e999|rms_norm_eps",
                "rms_norm_eps|\"NaN\"|rms_norm_eps",
                "routed_scaling_factor|0|routed_scaling_factor",
                "routed_scaling_factor|-2.5|routed_scaling_factor",
                "scoring_func|\"softmax\"|scoring_func",
                "topk_method|\"greedy\"|topk_method",
                "norm_topk_prob|1|norm_topk_prob",
                "tie_word_embeddings|\"no\"|tie_word_embeddings",
                "rope_theta|0|rope_theta",
                "rope_theta|1|rope_theta",
                "rope_scaling|{\"type\": \"longrope\", \"factor\": 4}|rope_scaling.type",
                "rope_scaling|{\"type\": \"yarn\", \"rope_type\": \"linear\"}|rope_scaling.type",
                "rope_scaling|{\"factor\": 4}|rope_scaling.rope_type",
                "rope_scaling|{\"type\": \"yarn\"}|rope_scaling.factor",
                "rope_scaling|{\"type\": \"yarn\", \"factor\": 0.5, \"original_max_position_embeddings\": 4096}|rope_scaling.factor",
                "rope_scaling|{\"type\": \"yarn\", \"factor\": 40}|original_max_position_embeddings",
                "rope_scaling|{\"type\": \"yarn\", \"factor\": 40, \"original_max_position_embeddings\": 4096, \"mscale\": 1.0}|only one of mscale",
                "rope_scaling|{\"type\": \"yarn\", \"factor\": 40, \"original_max_position_embeddings\": 4096, \"beta_fast\": 0.5}|beta_fast",
                "rope_scaling|{\"type\": \"yarn\", \"factor\": 40, \"original_max_position_embeddings\": 4096, \"low_freq_factor\": 1}|low_freq_factor",
                "rope_scaling|\"yarn\"|rope_scaling",
                "rope_parameters|{\"rope_type\": \"default\"}|rope_scaling",
                "qk_head_dim|191|qk_head_dim",
                "eos_token_id|129280|eos_token_id",
                "eos_token_id|[1, -1]|eos_token_id",
                "eos_token_id|\"</s>\"|eos_token_id",
                "bos_token_id|200000|bos_token_id",
                "torch_dtype|\"int3\"|torch_dtype",
                "dtype|\"float32\"|torch_dtype",
                "index_topk|2048|index_topk",
                "layer_types|[\"sliding_attention\"]|layer_types",
                "mlp_layer_types|[\"sparse\"]|mlp_layer_types",
                "first_k_dense_replace|-1|first_k_dense_replace",
                "moe_layer_freq|0|moe_layer_freq",
                "max_position_embeddings|0|max_position_embeddings",
                "num_nextn_predict_layers|-1|num_nextn_predict_layers",
                "quantization_config|{}|quantization_config.quant_method",
                "quantization_config|{\"quant_method\": \"gptq\"}|quantization_config.quant_method",
                "quantization_config|{\"quant_method\": \"fp8\"}|weight_block_size",
                "quantization_config|{\"quant_method\": \"fp8\", \"weight_block_size\": [128]}|weight_block_size",
                "quantization_config|{\"quant_method\": \"fp8\", \"weight_block_size\": [0, 128]}|weight_block_size",
                "quantization_config|{\"quant_method\": \"fp8\", \"weight_block_size\": [128, 128], \"scale_fmt\": \"e4m3\"}|scale_fmt",
                "quantization_config|{\"quant_method\": \"fp8\", \"weight_block_size\": [128, 128], \"fmt\": \"e5m2\"}|fmt",
                "quantization_config|{\"quant_method\": \"fp8\", \"weight_block_size\": [128, 128], \"activation_scheme\": \"static\"}|activation_scheme",
                "compression_config|{\"format\": \"pack-quantized\"}|compression_config"
            })
    void oneSpoiledFieldIsNamed(String field, String value, String named) throws IOException {
        String spoiled = changed(PublishedConfigs.DEEPSEEK_R1, config -> config.set(field, json(value)));
        HengException error = assertThrows(HengException.class, () -> read(folder, spoiled));
        assertNotNull(error.getMessage());
        assertTrue(
                error.getMessage().contains(named) && error.getMessage().contains("config.json"), error.getMessage());
        assertFalse(error.remedy().isBlank());
        assertFalse(error.getMessage().contains("\n"));
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "model_type",
                "vocab_size",
                "hidden_size",
                "intermediate_size",
                "moe_intermediate_size",
                "num_hidden_layers",
                "num_attention_heads",
                "q_lora_rank",
                "kv_lora_rank",
                "qk_nope_head_dim",
                "qk_rope_head_dim",
                "v_head_dim",
                "n_routed_experts",
                "n_shared_experts",
                "num_experts_per_tok",
                "n_group",
                "topk_group",
                "norm_topk_prob",
                "routed_scaling_factor",
                "first_k_dense_replace",
                "max_position_embeddings"
            })
    void sizesAreNeverGuessed(String field) throws IOException {
        String without = changed(PublishedConfigs.DEEPSEEK_R1, config -> config.remove(field));
        HengException error = assertThrows(HengException.class, () -> read(folder, without));
        assertTrue(String.valueOf(error.getMessage()).contains("'" + field + "' is missing"), error.getMessage());
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "architectures",
                "hidden_act",
                "rms_norm_eps",
                "rope_theta",
                "attention_bias",
                "tie_word_embeddings",
                "scoring_func",
                "topk_method",
                "moe_layer_freq",
                "num_nextn_predict_layers",
                "num_key_value_heads"
            })
    void certainDefaultsMayBeAbsent(String field) throws IOException {
        ModelConfig whole = read(folder, PublishedConfigs.DEEPSEEK_R1);
        assertEquals(whole, read(folder, changed(PublishedConfigs.DEEPSEEK_R1, config -> config.remove(field))));
    }

    @ParameterizedTest
    @ValueSource(strings = {"head_dim", "num_key_value_heads", "partial_rotary_factor", "rope_theta", "rms_norm_eps"})
    void glmsSizesAreNeverGuessed(String field) throws IOException {
        String without = changed(PublishedConfigs.GLM_4_5, config -> config.remove(field));
        HengException error = assertThrows(HengException.class, () -> read(folder, without));
        assertTrue(String.valueOf(error.getMessage()).contains("'" + field + "' is missing"), error.getMessage());
    }

    @Test
    void slidingWindowsAndContradictionsOfQwenAreRefused() throws IOException {
        for (String change : List.of(
                "{\"use_sliding_window\": true}",
                "{\"num_local_experts\": 64}",
                "{\"decoder_sparse_step\": 0}",
                "{\"mlp_only_layers\": [48]}",
                "{\"num_key_value_heads\": 5}",
                "{\"head_dim\": 127}")) {
            String spoiled = changed(PublishedConfigs.QWEN3_30B, config -> config.setAll((ObjectNode) json(change)));
            assertThrows(HengException.class, () -> read(folder, spoiled), change);
        }
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "",
                " ",
                "[]",
                "null",
                "7",
                "{",
                "{\"model_type\": \"deepseek_v3\"",
                "{\"a\": 1, \"a\": 2}",
                "{\"a\": NaN}",
                "{\"a\": 1} {}",
                "{'a': 1}",
                "{\"a\": 1,}",
                "\u0000\u0001"
            })
    void malformedFilesAreOneLine(String content) {
        HengException error = assertThrows(HengException.class, () -> read(folder, content));
        assertTrue(String.valueOf(error.getMessage()).contains("config.json"), error.getMessage());
        assertFalse(String.valueOf(error.getMessage()).contains("\n"), error.getMessage());
    }

    @Test
    void deepNestingAndLargeFilesAreRefusedWithoutReadingThem() throws IOException {
        String deep = "{\"a\": " + "[".repeat(100_000) + "]".repeat(100_000) + "}";
        assertThrows(HengException.class, () -> read(folder, deep));
        Path file = folder.resolve("config.json");
        Files.write(file, new byte[(16 << 20) + 1]);
        HengException error = assertThrows(HengException.class, () -> ModelConfig.read(folder));
        assertTrue(String.valueOf(error.getMessage()).contains("at most"), error.getMessage());
    }

    @Test
    void missingFilesAndFoldersAreNamed() throws IOException {
        HengException missing = assertThrows(HengException.class, () -> ModelConfig.read(folder));
        assertTrue(String.valueOf(missing.getMessage()).contains("config.json"), missing.getMessage());
        Files.createDirectory(folder.resolve("config.json"));
        HengException directory = assertThrows(HengException.class, () -> ModelConfig.read(folder));
        assertTrue(String.valueOf(directory.getMessage()).contains("not a regular file"), directory.getMessage());
    }

    @Test
    void brokenGenerationConfigNamesItself() throws IOException {
        Files.write(
                folder.resolve("generation_config.json"), "{\"eos_token_id\": {}}".getBytes(StandardCharsets.UTF_8));
        HengException error = assertThrows(HengException.class, () -> read(folder, PublishedConfigs.DEEPSEEK_R1));
        assertTrue(String.valueOf(error.getMessage()).contains("generation_config.json"), error.getMessage());
    }
}
