package dev.heng.runtime.checkpoint;

import static dev.heng.runtime.checkpoint.RawFiles.refused;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.heng.runtime.config.Attention;
import dev.heng.runtime.config.Family;
import dev.heng.runtime.config.ModelConfig;
import dev.heng.runtime.config.ModulePattern;
import dev.heng.runtime.config.QuantizationConfig;
import dev.heng.runtime.config.RopeConfig;
import dev.heng.spi.WeightSource;
import dev.heng.spi.graph.ActivationFormat;
import dev.heng.spi.graph.Value;
import dev.heng.spi.tensor.DType;
import dev.heng.spi.tensor.Quantization;
import dev.heng.spi.tensor.Shape;
import dev.heng.spi.tensor.TensorType;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

final class WeightCatalogTest {

    private static final Path GOLDENS = Path.of("..", "goldens");
    private static final QuantizationConfig FP8 = new QuantizationConfig.Fp8Blocks(128, 128, false);

    @TempDir
    Path folder;

    private final Map<String, SafetensorsWriter.Declaration> declarations = new LinkedHashMap<>();
    private final Map<String, byte[]> contents = new LinkedHashMap<>();
    private final List<Checkpoint> opened = new ArrayList<>();

    @AfterEach
    void close() {
        opened.forEach(Checkpoint::close);
    }

    @ParameterizedTest
    @CsvSource({
        "deepseek-llm-tiny-dense, BF16, None",
        "deepseek-v2-lite-tiny, BF16, None",
        "deepseek-v2-tiny-group, BF16, None",
        "deepseek-v3-tiny, BF16, None",
        "deepseek-v3-tiny-yarn, BF16, None",
        "kimi-k2-tiny, BF16, None",
        "deepseek-v3-tiny-fp8, F8_E4M3, Fp8Blocks",
        "deepseek-v3-tiny-int8, I8, Int8Channels",
        "deepseek-v3-tiny-int4, I4, Int4Groups"
    })
    void goldensOpenWithTheTypesTheyAreStoredIn(String golden, DType dtype, String quantization) {
        Map<String, TensorType> types = everyWeight(GOLDENS.resolve(golden), ActivationRounding.NONE);
        TensorType down = type(types, "model.layers.0.mlp.down_proj.weight");
        assertEquals(dtype, down.dtype());
        assertEquals(quantization, down.quantization().getClass().getSimpleName());
        assertEquals(DType.BF16, type(types, "lm_head.weight").dtype());
        assertEquals(DType.BF16, type(types, "model.norm.weight").dtype());
        TensorType experts = types.get("model.layers.2.mlp.experts.up_proj.weight");
        if (!golden.contains("dense")) {
            assertNotNull(experts);
            assertEquals(dtype, experts.dtype());
            assertEquals(3, experts.shape().rank());
            assertTrue(type(types, "model.layers.2.mlp.gate.weight").isPlain());
        }
    }

    static List<Path> everyGolden() throws IOException {
        try (Stream<Path> folders = Files.list(GOLDENS)) {
            return folders.filter(folder -> Files.exists(folder.resolve("config.json")))
                    .sorted()
                    .toList();
        }
    }

    @ParameterizedTest
    @MethodSource("everyGolden")
    void everyGoldenHasAPlaceForEachOfItsTensors(Path golden) {
        assertFalse(everyWeight(golden, ActivationRounding.AS_CONFIGURED).isEmpty());
    }

    @Test
    void poetOpensWithItsHeadTied() {
        Map<String, TensorType> types = everyWeight(Path.of("..", "models", "poet"), ActivationRounding.AS_CONFIGURED);
        assertEquals(type(types, "model.embed_tokens.weight"), type(types, "lm_head.weight"));
        assertEquals(
                TensorType.of(DType.BF16, Shape.of(64, 256, 64)),
                type(types, "model.layers.4.mlp.experts.down_proj.weight"));
        assertEquals(
                TensorType.of(DType.F32, Shape.of(64)), type(types, "model.layers.4.mlp.gate.e_score_correction_bias"));
    }

    @Test
    void fp8BlocksTakeTheirScalesFromWhereverTheyAre() {
        tensor("m.weight", StoredType.F8_E4M3, 130, 200);
        scales("m.weight_scale_inv", 2, 2);
        WeightCatalog catalog = catalog(FP8);
        TensorType type = catalog.linear("m", 130, 200);
        assertEquals(new Quantization.Fp8Blocks(128, 128, DType.F32), type.quantization());
        WeightSource.Part part = data(catalog, "m.weight", type).parts().getFirst();
        assertEquals(130 * 200, part.elements().byteSize());
        assertEquals(16, size(part.scales()));
        assertNull(part.zeroPoints());
        catalog.requireAllUsed();
    }

    @ParameterizedTest
    @EnumSource(names = {"BF16", "F8_E8M0"})
    void fp8ScalesMayBeSmall(StoredType stored) {
        tensor("m.weight", StoredType.F8_E4M3, 4, 4);
        tensor("m.weight_scale_inv", stored, 1, 1);
        TensorType type = catalog(FP8).linear("m", 4, 4);
        assertEquals(
                new Quantization.Fp8Blocks(128, 128, stored == StoredType.BF16 ? DType.BF16 : DType.F8_E8M0),
                type.quantization());
    }

    @Test
    void theNewerNameOfTheScaleIsCertainWithItsOwnTypeOnly() {
        tensor("m.weight", StoredType.F8_E4M3, 4, 4);
        tensor("m.scale", StoredType.F8_E8M0, 1, 1);
        tensor("n.weight", StoredType.F8_E4M3, 4, 4);
        scales("n.scale", 1, 1);
        tensor("b.weight", StoredType.F8_E4M3, 4, 4);
        scales("b.weight_scale_inv", 1, 1);
        tensor("b.scale", StoredType.F8_E8M0, 1, 1);
        WeightCatalog catalog = catalog(FP8);
        assertEquals(
                new Quantization.Fp8Blocks(128, 128, DType.F8_E8M0),
                catalog.linear("m", 4, 4).quantization());
        refused(() -> catalog.linear("n", 4, 4), "'n.scale'", "F32");
        refused(() -> catalog.linear("b", 4, 4), "'b.weight'", "two scales");
    }

    @Test
    void anFp8WeightWithoutItsScaleIsAnError() {
        tensor("m.weight", StoredType.F8_E4M3, 4, 4);
        refused(() -> catalog(FP8).linear("m", 4, 4), "'m.weight'", "no scale", "m.weight_scale_inv", ".safetensors");
    }

    @Test
    void anFp8WeightThatConfigDoesNotDeclareIsAnError() {
        tensor("m.weight", StoredType.F8_E4M3, 4, 4);
        scales("m.weight_scale_inv", 1, 1);
        refused(() -> catalog(new QuantizationConfig.Unquantized()).linear("m", 4, 4), "'m.weight'", "config.json");
    }

    @Test
    void scalesOfAnotherBlockSizeAreAnError() {
        // 576 rows have 5 blocks of 128, and 576 / 5 is no block size.
        tensor("m.weight", StoredType.F8_E4M3, 576, 128);
        scales("m.weight_scale_inv", 4, 1);
        refused(() -> catalog(FP8).linear("m", 576, 128), "'m.weight_scale_inv'", "[4, 1]", "[5, 1]");
    }

    @ParameterizedTest
    @ValueSource(floats = {Float.NaN, Float.POSITIVE_INFINITY, Float.NEGATIVE_INFINITY, -1e-30f})
    void scalesThatCannotBeAreFoundWhenTheyAreHandedOut(float scale) {
        tensor("m.weight", StoredType.F8_E4M3, 4, 256);
        floats("m.weight_scale_inv", new float[] {1, scale}, 1, 2);
        WeightCatalog catalog = catalog(FP8);
        TensorType type = catalog.linear("m", 4, 256);
        refused(() -> data(catalog, "m.weight", type), "'m.weight_scale_inv'", "element 1");
    }

    @Test
    void aScaleOfZeroIsABlockOfZeros() {
        tensor("m.weight", StoredType.F8_E4M3, 4, 4);
        floats("m.weight_scale_inv", new float[] {0}, 1, 1);
        WeightCatalog catalog = catalog(FP8);
        assertEquals(
                1, data(catalog, "m.weight", catalog.linear("m", 4, 4)).parts().size());
    }

    @Test
    void aScaleBesideAPlainWeightIsAnError() {
        tensor("m.weight", StoredType.BF16, 4, 4);
        scales("m.weight_scale_inv", 1, 1);
        refused(() -> catalog(FP8).linear("m", 4, 4), "'m.weight_scale_inv'", "BF16");
    }

    @Test
    void aScaleWithoutAWeightIsAnError() {
        scales("m.weight_scale_inv", 1, 1);
        refused(() -> catalog(FP8).requireAllUsed(), "'m.weight_scale_inv'", "no quantised weight 'm.weight'");
    }

    @Test
    void roundingOfActivationsFollowsTheConfigOnlyWhereWanted() {
        for (String module : List.of("m", "model.layers.0.self_attn.kv_b_proj", "plain")) {
            tensor(module + ".weight", module.equals("plain") ? StoredType.BF16 : StoredType.F8_E4M3, 4, 4);
        }
        scales("m.weight_scale_inv", 1, 1);
        scales("model.layers.0.self_attn.kv_b_proj.weight_scale_inv", 1, 1);
        Checkpoint checkpoint = checkpoint();
        assertEquals(ActivationFormat.FLOAT, activation(checkpoint, FP8, ActivationRounding.NONE, "m"));
        assertEquals(
                ActivationFormat.FP8_PER_TOKEN_128, activation(checkpoint, FP8, ActivationRounding.AS_CONFIGURED, "m"));
        assertEquals(
                ActivationFormat.FP8_PER_TOKEN_128_POWER_OF_TWO,
                activation(
                        checkpoint,
                        new QuantizationConfig.Fp8Blocks(128, 128, true),
                        ActivationRounding.AS_CONFIGURED,
                        "m"));
        assertEquals(
                ActivationFormat.FLOAT,
                activation(checkpoint, FP8, ActivationRounding.AS_CONFIGURED, "model.layers.0.self_attn.kv_b_proj"));
        assertEquals(ActivationFormat.FLOAT, activation(checkpoint, FP8, ActivationRounding.AS_CONFIGURED, "plain"));
        refused(
                () -> activation(
                        checkpoint,
                        new QuantizationConfig.Fp8Blocks(64, 64, false),
                        ActivationRounding.AS_CONFIGURED,
                        "m"),
                "runs of 64 columns");
        assertThrows(IllegalArgumentException.class, () -> catalog(FP8).activation("m"));
    }

    @Test
    void int8ChannelsAndTheirActivations() {
        tensor("m.weight", StoredType.I8, 4, 6);
        scales("m.weight_scale", 4, 1);
        tensor("n.weight", StoredType.I8, 4, 6);
        tensor("n.weight_scale", StoredType.BF16, 4);
        tensor("kv_b_proj.weight", StoredType.I8, 4, 6);
        tensor("x.kv_b_proj.weight", StoredType.I8, 4, 6);
        scales("x.kv_b_proj.weight_scale", 4, 1);
        WeightCatalog catalog =
                new WeightCatalog(checkpoint(), config(int8(true), false), ActivationRounding.AS_CONFIGURED);
        assertEquals(
                new Quantization.Int8Channels(DType.F32),
                catalog.linear("m", 4, 6).quantization());
        assertEquals(ActivationFormat.INT8_PER_TOKEN, catalog.activation("m"));
        assertEquals(
                new Quantization.Int8Channels(DType.BF16),
                catalog.linear("n", 4, 6).quantization());
        assertEquals(
                new Quantization.Int8Channels(DType.F32),
                catalog.linear("x.kv_b_proj", 4, 6).quantization());
        assertEquals(ActivationFormat.FLOAT, catalog.activation("x.kv_b_proj"));
        refused(() -> catalog.linear("kv_b_proj", 4, 6), "'kv_b_proj.weight'", "no scale");
    }

    @Test
    void int8ThatConfigDoesNotDeclareIsAnError() {
        tensor("m.weight", StoredType.I8, 4, 6);
        scales("m.weight_scale", 4, 1);
        Checkpoint checkpoint = checkpoint();
        for (QuantizationConfig other : List.of(
                FP8,
                new QuantizationConfig.Unquantized(),
                int4(32, false),
                new QuantizationConfig.CompressedTensors(
                        List.of(new QuantizationConfig.Group(
                                new QuantizationConfig.Int8Channels(false), true, List.of())),
                        List.of(ModulePattern.of("m"))))) {
            WeightCatalog catalog = new WeightCatalog(checkpoint, config(other, false), ActivationRounding.NONE);
            refused(() -> catalog.linear("m", 4, 6), "'m.weight'", "int-quantized");
        }
    }

    @Test
    void aPlainWeightThatASchemeTargetsIsStillPlain() {
        // A router's gate is a parameter and not a Linear module, whatever "Linear" seems to say.
        tensor("model.layers.1.mlp.gate.weight", StoredType.F32, 4, 6);
        assertTrue(catalog(int8(true)).linear("model.layers.1.mlp.gate", 4, 6).isPlain());
    }

    @Test
    void int4GroupsWithAndWithoutZeroPoints() {
        packed("m", 10, 36, 32, true);
        WeightCatalog catalog = catalog(int4(32, true));
        TensorType type = catalog.linear("m", 10, 36);
        assertEquals(
                new TensorType(DType.I4, Shape.of(10, 36), new Quantization.Int4Groups(32, DType.BF16, true)), type);
        WeightSource.Part part = data(catalog, "m.weight", type).parts().getFirst();
        assertEquals(10 * 5 * 4, part.elements().byteSize());
        assertEquals(10 * 2 * 2, size(part.scales()));
        assertEquals(2 * 2 * 4, size(part.zeroPoints()));
        catalog.requireAllUsed();
    }

    @Test
    void int4ChannelsAreOneGroup() {
        packed("m", 3, 20, 20, false);
        TensorType type = catalog(int4(null, false)).linear("m", 3, 20);
        assertEquals(new Quantization.Int4Groups(20, DType.BF16, false), type.quantization());
    }

    @Test
    void int4WithWrongPartsIsAnError() {
        packed("shape", 3, 20, 32, false);
        contents.put("shape.weight_shape", longs(3, 21));
        packed("packed", 3, 20, 32, false);
        tensor("packed.weight_packed", StoredType.I32, 3, 2);
        packed("type", 3, 20, 32, false);
        tensor("type.weight_packed", StoredType.F32, 3, 3);
        packed("order", 3, 20, 32, false);
        tensor("order.weight_g_idx", StoredType.I32, 20);
        packed("zeros", 3, 20, 32, false);
        packed("scale", 3, 20, 32, false);
        declarations.remove("scale.weight_scale");
        packed("groups", 3, 20, 16, false);
        Checkpoint checkpoint = checkpoint();
        WeightCatalog catalog = new WeightCatalog(checkpoint, config(int4(32, false), false), ActivationRounding.NONE);
        refused(() -> catalog.linear("shape", 3, 20), "'shape.weight_shape'", "[3, 21]", "[3, 20]");
        refused(() -> catalog.linear("packed", 3, 20), "'packed.weight_packed'", "[3, 2]", "[3, 3]");
        refused(() -> catalog.linear("type", 3, 20), "'type.weight_packed'", "F32", "I32");
        refused(() -> catalog.linear("order", 3, 20), "'order.weight_packed'", "weight_g_idx");
        refused(() -> catalog.linear("scale", 3, 20), "'scale.weight_packed'", "no scale");
        refused(() -> catalog.linear("groups", 3, 20), "'groups.weight_scale'", "[3, 2]", "[3, 1]");
        WeightCatalog asymmetric =
                new WeightCatalog(checkpoint, config(int4(32, true), false), ActivationRounding.NONE);
        refused(() -> asymmetric.linear("zeros", 3, 20), "'zeros.weight_zero_point' is missing");
        WeightCatalog undeclared = new WeightCatalog(checkpoint, config(FP8, false), ActivationRounding.NONE);
        refused(() -> undeclared.linear("zeros", 3, 20), "'zeros.weight_packed'", "pack-quantized");
    }

    @Test
    void expertsAreStackedInOrderAndMustBeAlike() {
        for (int expert = 0; expert < 3; expert++) {
            tensor("e." + expert + ".up_proj.weight", StoredType.BF16, 2, 2);
            byte[] mark = {(byte) expert, 0, 0, 0, 0, 0, 0, 0};
            contents.put("e." + expert + ".up_proj.weight", mark);
            tensor("e." + expert + ".gate_proj.weight", expert == 2 ? StoredType.F32 : StoredType.BF16, 2, 2);
        }
        WeightCatalog catalog = catalog(new QuantizationConfig.Unquantized());
        TensorType type = catalog.experts("e", "up_proj", 3, 2, 2);
        assertEquals(TensorType.of(DType.BF16, Shape.of(3, 2, 2)), type);
        List<WeightSource.Part> parts = data(catalog, "e.up_proj.weight", type).parts();
        for (int expert = 0; expert < 3; expert++) {
            assertEquals(expert, parts.get(expert).elements().get(ValueLayout.JAVA_BYTE, 0));
        }
        assertEquals(ActivationFormat.FLOAT, catalog.activation("e.up_proj"));
        refused(() -> catalog.experts("e", "gate_proj", 3, 2, 2), "'e.2.gate_proj.weight'", "F32", "BF16");
        refused(() -> catalog.experts("e", "down_proj", 3, 2, 2), "'e.0.down_proj.weight' is missing");
    }

    @Test
    void fusedExpertsAreExplained() {
        tensor("e.gate_up_proj", StoredType.BF16, 3, 4, 2);
        refused(
                () -> catalog(new QuantizationConfig.Unquantized()).experts("e", "up_proj", 3, 2, 2),
                "'e.gate_up_proj'",
                "fused");
    }

    @ParameterizedTest
    @EnumSource(names = {"BF16", "F16"})
    void theChoiceBiasIsWidenedExactly(StoredType stored) {
        String name = "model.layers.1.mlp.gate.e_score_correction_bias";
        tensor(name, stored, 2);
        // 2.015625 in bfloat16, and its neighbour in binary16 that is 1 + 2^-10 below zero.
        contents.put(name, stored == StoredType.BF16 ? new byte[] {1, 0x40, 0, 0} : new byte[] {1, (byte) 0xbc, 0, 0});
        WeightCatalog catalog = catalog(new QuantizationConfig.Unquantized());
        TensorType type = catalog.vector(name, 2);
        assertEquals(TensorType.of(DType.F32, Shape.of(2)), type);
        MemorySegment elements = data(catalog, name, type).parts().getFirst().elements();
        assertEquals(8, elements.byteSize());
        float expected = stored == StoredType.BF16 ? 2.015625f : -(1 + 1f / 1024);
        assertEquals(expected, elements.get(ValueLayout.JAVA_FLOAT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN), 0));
        assertTrue(elements.isReadOnly());
    }

    @Test
    void vectorsAreFinite() {
        floats("norm.weight", new float[] {1, Float.NaN}, 2);
        WeightCatalog catalog = catalog(new QuantizationConfig.Unquantized());
        TensorType type = catalog.vector("norm.weight", 2);
        refused(() -> data(catalog, "norm.weight", type), "'norm.weight'", "NaN", "element 1");
        refused(() -> catalog.vector("norm2.weight", 2), "'norm2.weight' is missing");
    }

    @ParameterizedTest
    @EnumSource(names = {"F64", "I32", "U8", "F8_E5M2", "BOOL", "I64"})
    void typesThatAreNoWeightsAreAnError(StoredType stored) {
        tensor("m.weight", stored, 4, 4);
        refused(() -> catalog(new QuantizationConfig.Unquantized()).linear("m", 4, 4), "'m.weight'", stored.name());
    }

    @Test
    void shapesComeFromTheConfig() {
        tensor("m.weight", StoredType.BF16, 4, 6);
        refused(
                () -> catalog(new QuantizationConfig.Unquantized()).linear("m", 6, 4),
                "'m.weight'",
                "[4, 6]",
                "[6, 4]",
                "config.json");
    }

    @Test
    void tiedHeadsMayBeStoredTwiceButNotDifferently() {
        tensor("model.embed_tokens.weight", StoredType.BF16, 4, 2);
        tensor("lm_head.weight", StoredType.BF16, 4, 2);
        Checkpoint same = checkpoint();
        WeightCatalog catalog =
                new WeightCatalog(same, config(new QuantizationConfig.Unquantized(), true), ActivationRounding.NONE);
        TensorType type = catalog.linear("lm_head", 4, 2);
        MemorySegment elements =
                data(catalog, "lm_head.weight", type).parts().getFirst().elements();
        assertEquals(same.require("model.embed_tokens.weight").data().address(), elements.address());
        catalog.requireAllUsed();

        contents.put("lm_head.weight", new byte[] {1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0});
        WeightCatalog other = new WeightCatalog(
                checkpoint(), config(new QuantizationConfig.Unquantized(), true), ActivationRounding.NONE);
        refused(() -> other.linear("lm_head", 4, 2), "'lm_head.weight'", "tie_word_embeddings");
    }

    @Test
    void whatNobodyAsksForIsAnError() {
        tensor("model.layers.0.self_attn.rotary_emb.inv_freq", StoredType.F32, 8);
        tensor("model.layers.2.eh_proj.weight", StoredType.BF16, 2, 2);
        WeightCatalog fine = catalog(new QuantizationConfig.Unquantized());
        fine.requireAllUsed();
        assertTrue(fine.has("model.layers.2.eh_proj.weight"));
        assertFalse(fine.has("model.layers.2.weight"));
        tensor("model.layers.3.eh_proj.weight", StoredType.BF16, 2, 2);
        refused(
                () -> catalog(new QuantizationConfig.Unquantized()).requireAllUsed(),
                "'model.layers.3.eh_proj.weight'",
                "no place in a model of type deepseek_v3");
    }

    @Test
    void mistakesOfTheCallerAreCaught() {
        tensor("m.weight", StoredType.BF16, 4, 4);
        WeightCatalog catalog = catalog(new QuantizationConfig.Unquantized());
        TensorType type = catalog.linear("m", 4, 4);
        assertEquals(type, catalog.linear("m", 4, 4));
        assertThrows(IllegalArgumentException.class, () -> catalog.linear("m", 4, 5));
        assertThrows(IllegalArgumentException.class, () -> data(catalog, "n.weight", type));
        assertThrows(IllegalArgumentException.class, () -> data(catalog, "m.weight", type.withDtype(DType.F32)));
    }

    private static long size(@Nullable MemorySegment segment) {
        assertNotNull(segment);
        return segment.byteSize();
    }

    private static TensorType type(Map<String, TensorType> types, String name) {
        TensorType type = types.get(name);
        assertNotNull(type, name);
        return type;
    }

    private Map<String, TensorType> everyWeight(Path model, ActivationRounding rounding) {
        Checkpoint checkpoint = Checkpoint.open(model);
        opened.add(checkpoint);
        ModelConfig config = ModelConfig.read(model);
        return EveryWeight.of(config, new WeightCatalog(checkpoint, config, rounding));
    }

    private static ActivationFormat activation(
            Checkpoint checkpoint, QuantizationConfig quantization, ActivationRounding rounding, String module) {
        WeightCatalog catalog = new WeightCatalog(checkpoint, config(quantization, false), rounding);
        catalog.linear(module, 4, 4);
        return catalog.activation(module);
    }

    private static WeightSource.WeightData data(WeightCatalog catalog, String name, TensorType type) {
        return catalog.source().data(new Value(0, name, Value.Role.WEIGHT, type));
    }

    private WeightCatalog catalog(QuantizationConfig quantization) {
        return new WeightCatalog(checkpoint(), config(quantization, false), ActivationRounding.NONE);
    }

    private Checkpoint checkpoint() {
        Path file = folder.resolve("model" + opened.size() + ".safetensors");
        try (SafetensorsWriter writer = SafetensorsWriter.create(file, List.copyOf(declarations.values()), Map.of())) {
            for (SafetensorsWriter.Declaration declaration : declarations.values()) {
                writer.append(
                        declaration.name(),
                        MemorySegment.ofArray(contents.getOrDefault(declaration.name(), zeros(declaration))));
            }
            writer.finish();
        }
        Checkpoint checkpoint = Checkpoint.open(file);
        opened.add(checkpoint);
        return checkpoint;
    }

    private static byte[] zeros(SafetensorsWriter.Declaration declaration) {
        return new byte
                [(int) (declaration.shape().elements() * declaration.type().bits() / 8)];
    }

    private void tensor(String name, StoredType type, long... dims) {
        declarations.put(name, new SafetensorsWriter.Declaration(name, type, Shape.of(dims)));
    }

    private void scales(String name, long... dims) {
        tensor(name, StoredType.F32, dims);
    }

    private void floats(String name, float[] values, long... dims) {
        tensor(name, StoredType.F32, dims);
        ByteBuffer bytes = ByteBuffer.allocate(values.length * Float.BYTES).order(ByteOrder.LITTLE_ENDIAN);
        bytes.asFloatBuffer().put(values);
        contents.put(name, bytes.array());
    }

    private void packed(String module, int rows, int columns, int group, boolean zeroPoints) {
        int groups = Math.ceilDiv(columns, group);
        tensor(module + ".weight_packed", StoredType.I32, rows, Math.ceilDiv(columns, 8));
        tensor(module + ".weight_scale", StoredType.BF16, rows, groups);
        tensor(module + ".weight_shape", StoredType.I64, 2);
        contents.put(module + ".weight_shape", longs(rows, columns));
        if (zeroPoints) {
            tensor(module + ".weight_zero_point", StoredType.I32, Math.ceilDiv(rows, 8), groups);
        }
    }

    private static byte[] longs(long first, long second) {
        return ByteBuffer.allocate(16)
                .order(ByteOrder.LITTLE_ENDIAN)
                .putLong(first)
                .putLong(second)
                .array();
    }

    private static QuantizationConfig int8(boolean activations) {
        return compressed(new QuantizationConfig.Int8Channels(activations));
    }

    private static QuantizationConfig int4(@Nullable Integer groupSize, boolean zeroPoints) {
        return compressed(new QuantizationConfig.Int4Groups(groupSize, zeroPoints));
    }

    private static QuantizationConfig compressed(QuantizationConfig.Scheme scheme) {
        return new QuantizationConfig.CompressedTensors(
                List.of(new QuantizationConfig.Group(scheme, true, List.of())), List.of());
    }

    private static ModelConfig config(QuantizationConfig quantization, boolean tied) {
        return new ModelConfig(
                Path.of("config.json"),
                Family.DEEPSEEK_V3,
                16,
                8,
                2,
                8,
                1e-6,
                tied,
                64,
                1,
                new Attention.Latent(2, null, 4, 4, 2, 4, false),
                new RopeConfig(10000, 2, true, new RopeConfig.Unscaled()),
                null,
                quantization,
                null,
                null,
                List.of());
    }
}
