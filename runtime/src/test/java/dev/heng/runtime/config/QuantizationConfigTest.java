package dev.heng.runtime.config;

import static dev.heng.runtime.config.PublishedConfigs.changed;
import static dev.heng.runtime.config.PublishedConfigs.json;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTimeoutPreemptively;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.heng.runtime.HengException;
import java.io.IOException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.function.Consumer;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

final class QuantizationConfigTest {

    private static final String INT8 = """
            {"quant_method": "compressed-tensors", "format": "int-quantized", "quantization_status": "compressed",
             "ignore": ["lm_head", "re:.*mlp.gate$"], "kv_cache_scheme": null, "config_groups": {"group_0": {"targets": ["Linear"],
             "weights": {"num_bits": 8, "type": "int", "symmetric": true, "dynamic": false, "strategy": "channel", "group_size": null},
             "input_activations": {"num_bits": 8, "type": "int", "symmetric": true, "dynamic": true, "strategy": "token"},
             "output_activations": null}}}""";

    private static final String INT4 = """
            {"quant_method": "compressed-tensors", "format": "pack-quantized", "quantization_status": "compressed",
             "ignore": ["re:.*self_attn.*"], "config_groups": {"group_0": {"targets": ["Linear"],
             "weights": {"num_bits": 4, "type": "int", "symmetric": true, "strategy": "group", "group_size": 32, "actorder": null},
             "input_activations": null}}}""";

    @TempDir
    Path folder;

    @Test
    void dynamicInt8IsForEveryLinearModuleThatIsNotIgnored() throws IOException {
        QuantizationConfig.CompressedTensors read =
                assertInstanceOf(QuantizationConfig.CompressedTensors.class, read(INT8));
        QuantizationConfig.Scheme scheme = new QuantizationConfig.Int8Channels(true);
        assertEquals(scheme, read.scheme("model.layers.0.self_attn.o_proj"));
        assertNull(read.scheme("lm_head"));
        assertNull(read.scheme("model.layers.3.mlp.gate"));
        assertEquals(scheme, read.scheme("model.layers.3.mlp.gate_proj"));
    }

    @Test
    void int4GroupsAndTheirVariants() throws IOException {
        assertEquals(new QuantizationConfig.Int4Groups(32, false), scheme(INT4));
        assertEquals(
                new QuantizationConfig.Int4Groups(32, true),
                scheme(changedWeights(INT4, weights -> weights.put("symmetric", false))));
        assertEquals(
                new QuantizationConfig.Int4Groups(null, false),
                scheme(changedWeights(INT4, weights -> weights.put("strategy", "channel"))));
        assertEquals(
                new QuantizationConfig.Int4Groups(32, false),
                scheme(changedWeights(INT4, weights -> weights.put("actorder", "weight"))));
    }

    @Test
    void powerOfTwoScalesOfDeepSeekV31() throws IOException {
        assertEquals(
                new QuantizationConfig.Fp8Blocks(128, 128, true),
                read(
                        "{\"quant_method\": \"fp8\", \"fmt\": \"e4m3\", \"weight_block_size\": [128, 128], \"scale_fmt\": \"ue8m0\"}"));
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "num_bits|4|num_bits",
                "num_bits|null|num_bits",
                "type|\"float\"|type",
                "type|null|type",
                "symmetric|false|symmetric",
                "strategy|\"tensor\"|strategy",
                "strategy|\"group\"|strategy",
                "strategy|null|strategy",
                "dynamic|true|dynamic",
                "actorder|\"group\"|actorder"
            })
    void unknownInt8WeightsAreNamed(String field, String value, String named) {
        refused(
                changedWeights(INT8, weights -> weights.set(field, json(value))),
                "config_groups.group_0.weights." + named);
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "num_bits|4|num_bits",
                "dynamic|false|dynamic",
                "dynamic|\"local\"|dynamic",
                "strategy|\"tensor\"|strategy",
                "symmetric|false|symmetric",
                "type|\"float\"|type"
            })
    void unknownActivationsAreNamed(String field, String value, String named) {
        refused(
                changedGroup(INT8, group -> ((ObjectNode) group.get("input_activations")).set(field, json(value))),
                "config_groups.group_0.input_activations." + named);
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "format|\"float-quantized\"|format",
                "format|\"nvfp4-pack-quantized\"|format",
                "format|null|format",
                "config_groups|{}|config_groups",
                "config_groups|null|config_groups",
                "config_groups|{\"group_0\": null}|config_groups.group_0",
                "config_groups|{\"group_0\": {}}|config_groups.group_0.weights",
                "kv_cache_scheme|{\"num_bits\": 8}|kv_cache_scheme",
                "sparsity_config|{\"format\": \"sparse-24\"}|sparsity_config",
                "transform_config|{\"config_groups\": {}}|transform_config",
                "quantization_status|\"calibration\"|quantization_status",
                "ignore|\"lm_head\"|ignore",
                "ignore|[7]|ignore",
                "ignore|[\"re:(\"]|ignore"
            })
    void unknownSettingsAreNamed(String field, String value, String named) {
        refused(changed(INT8, config -> config.set(field, json(value))), named);
    }

    @Test
    void targetsByNameGoBeforeTheClass() throws IOException {
        String mixed = changed(INT8, config -> ((ObjectNode) config.get("config_groups")).set("group_1", json("""
                        {"format": "pack-quantized", "targets": ["re:.*experts\\\\.\\\\d+\\\\..*"],
                         "weights": {"num_bits": 4, "type": "int", "strategy": "group", "group_size": 64}}""")));
        QuantizationConfig.CompressedTensors read =
                assertInstanceOf(QuantizationConfig.CompressedTensors.class, read(mixed));
        assertEquals(new QuantizationConfig.Int4Groups(64, false), read.scheme("model.layers.1.mlp.experts.7.up_proj"));
        assertEquals(
                new QuantizationConfig.Int8Channels(true), read.scheme("model.layers.1.mlp.shared_experts.up_proj"));
    }

    @Test
    void twoSchemesForOneModuleAreNotChosenFrom() {
        QuantizationConfig.Group first = new QuantizationConfig.Group(
                new QuantizationConfig.Int8Channels(true), false, List.of(ModulePattern.of("re:a")));
        QuantizationConfig.Group second = new QuantizationConfig.Group(
                new QuantizationConfig.Int8Channels(false), false, List.of(ModulePattern.of("ab")));
        QuantizationConfig.CompressedTensors config =
                new QuantizationConfig.CompressedTensors(List.of(first, second), List.of());
        assertThrows(IllegalArgumentException.class, () -> config.scheme("ab"));
        assertEquals(new QuantizationConfig.Int8Channels(true), config.scheme("abc"));
    }

    @Test
    void patternsMatchFromTheStartAsPythonsDo() {
        assertTrue(ModulePattern.of("re:model.*gate").matches("model.layers.0.gate_proj"));
        assertFalse(ModulePattern.of("re:gate").matches("model.gate"));
        assertTrue(ModulePattern.of("lm_head").matches("lm_head"));
        assertFalse(ModulePattern.of("lm_head").matches("lm_head2"));
    }

    @Test
    void endlessPatternsEnd() {
        ModulePattern evil = ModulePattern.of("re:(.*)*(.*)*(.*)*(.*)*!");
        assertTimeoutPreemptively(
                Duration.ofSeconds(10),
                () -> assertThrows(
                        IllegalArgumentException.class, () -> evil.matches("model.layers.0.mlp.experts.0.gate_proj")));
        assertThrows(IllegalArgumentException.class, () -> ModulePattern.of("re:" + "(".repeat(998)));
        assertThrows(IllegalArgumentException.class, () -> ModulePattern.of("x".repeat(1001)));
    }

    private QuantizationConfig read(String quantization) throws IOException {
        String config = changed(PublishedConfigs.DEEPSEEK_R1, r1 -> r1.set("quantization_config", json(quantization)));
        return PublishedConfigs.read(folder, config).quantization();
    }

    private QuantizationConfig.Scheme scheme(String quantization) throws IOException {
        QuantizationConfig.Scheme scheme = assertInstanceOf(
                        QuantizationConfig.CompressedTensors.class, read(quantization))
                .scheme("model.layers.0.mlp.up_proj");
        if (scheme == null) {
            throw new AssertionError("no scheme");
        }
        return scheme;
    }

    private void refused(String quantization, String named) {
        HengException error = assertThrows(HengException.class, () -> read(quantization));
        assertTrue(String.valueOf(error.getMessage()).contains("quantization_config." + named), error.getMessage());
    }

    private static String changedGroup(String config, Consumer<ObjectNode> change) {
        return changed(
                config,
                node -> change.accept((ObjectNode) node.get("config_groups").get("group_0")));
    }

    private static String changedWeights(String config, Consumer<ObjectNode> change) {
        return changedGroup(config, group -> change.accept((ObjectNode) group.get("weights")));
    }
}
