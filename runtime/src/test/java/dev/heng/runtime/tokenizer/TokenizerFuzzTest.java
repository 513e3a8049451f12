package dev.heng.runtime.tokenizer;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assertions.fail;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.heng.runtime.HengException;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * Mutates real tokenizer files a few thousand times. Each mutant must either load, and then encode and decode, or be refused with one clear
 * message; anything else fails, and a crash of the native library ends the test process.
 */
class TokenizerFuzzTest {

    private static final long SEED = 3_141_592;
    private static final int ROUNDS = 2_000;
    private static final ObjectMapper JSON = new ObjectMapper();
    private static final Path POET = RepositoryFiles.of("models/poet");

    /** Poet's tokenizer with its first 400 tokens: the same structure, quick to load. */
    private static ObjectNode smallTokenizer() throws IOException {
        ObjectNode file =
                (ObjectNode) JSON.readTree(POET.resolve("tokenizer.json").toFile());
        ObjectNode model = (ObjectNode) file.get("model");
        ObjectNode vocabulary = JSON.createObjectNode();
        for (Map.Entry<String, JsonNode> token : model.get("vocab").properties()) {
            if (token.getValue().intValue() < 400) {
                vocabulary.set(token.getKey(), token.getValue());
            }
        }
        ArrayNode merges = JSON.createArrayNode();
        for (JsonNode merge : model.get("merges")) {
            String left =
                    merge.isArray() ? merge.get(0).asText() : merge.asText().split(" ", -1)[0];
            String right =
                    merge.isArray() ? merge.get(1).asText() : merge.asText().split(" ", -1)[1];
            if (vocabulary.has(left) && vocabulary.has(right) && vocabulary.has(left + right)) {
                merges.add(merge);
            }
        }
        model.set("vocab", vocabulary);
        model.set("merges", merges);
        return file;
    }

    @Test
    void mutatedTokenizersLoadOrAreRefused(@TempDir Path directory) throws IOException {
        Path target = directory.resolve("tokenizer.json");
        Files.copy(POET.resolve("tokenizer_config.json"), directory.resolve("tokenizer_config.json"));
        ObjectNode original = smallTokenizer();
        byte[] text = JSON.writeValueAsBytes(original);
        Random random = new Random(SEED);
        int loaded = 0;
        for (int round = 0; round < ROUNDS; round++) {
            Files.write(target, round % 2 == 0 ? mutateBytes(text, random) : mutateTree(original, random));
            loaded += loadsOrIsRefused(directory, "tokenizer.json, round " + round) ? 1 : 0;
        }
        assertTrue(
                loaded > ROUNDS / 20 && loaded < ROUNDS,
                "only a mix shows anything: " + loaded + " of " + ROUNDS + " loaded");
    }

    @Test
    void mutatedConfigsLoadOrAreRefused(@TempDir Path directory) throws IOException {
        JSON.writeValue(directory.resolve("tokenizer.json").toFile(), smallTokenizer());
        Random random = new Random(SEED);
        int loaded = 0;
        for (String name : List.of("tokenizer_config.json", "generation_config.json")) {
            Path original = POET.resolve(name);
            Files.copy(original, directory.resolve(name));
            for (int round = 0; round < ROUNDS / 10; round++) {
                byte[] mutant = round % 2 == 0
                        ? mutateBytes(Files.readAllBytes(original), random)
                        : mutateTree(JSON.readTree(original.toFile()), random);
                Files.write(directory.resolve(name), mutant);
                loaded += loadsOrIsRefused(directory, name + ", round " + round) ? 1 : 0;
            }
            Files.delete(directory.resolve(name));
        }
        assertTrue(loaded > 0);
    }

    private static boolean loadsOrIsRefused(Path directory, String what) {
        try (Tokenizer tokenizer = Tokenizer.load(directory)) {
            for (String sample : List.of("", "秋夜 a1 \n", "<｜User｜>\u0000")) {
                int[] literal = tokenizer.encodeLiterally(sample);
                for (int id : tokenizer.encode(sample, true)) {
                    assertTrue(id >= 0 && id <= 1 << 22, what);
                }
                for (int id : literal) {
                    assertFalse(tokenizer.isControl(id), what);
                }
                assertEquals(tokenizer.decodeNatively(literal, false), tokenizer.decode(literal, false), what);
            }
            return true;
        } catch (HengException refused) {
            assertFalse(refused.getMessage().isBlank(), what);
            assertTrue(
                    refused.getMessage().contains(directory.toString()),
                    what + " names no file: " + refused.getMessage());
            assertTrue(
                    refused.getMessage().length() < 1_000,
                    what + " is a flood: " + refused.getMessage().length());
            return false;
        } catch (RuntimeException failure) {
            return fail(what + " of seed " + SEED, failure);
        }
    }

    /** Flips, drops, doubles or cuts bytes. */
    private static byte[] mutateBytes(byte[] original, Random random) {
        byte[] bytes = original.clone();
        if (random.nextInt(8) == 0) {
            return Arrays.copyOf(bytes, random.nextInt(bytes.length));
        }
        for (int count = 1 + random.nextInt(4); count > 0; count--) {
            bytes[random.nextInt(bytes.length)] = (byte)
                    (random.nextInt(6) == 0 ? random.nextInt(256) : "\"{}[],:0-9etnf\\u ".charAt(random.nextInt(17)));
        }
        return bytes;
    }

    /** Replaces, removes or moves one node of the tree. */
    private static byte[] mutateTree(JsonNode original, Random random) throws IOException {
        JsonNode tree = original.deepCopy();
        List<JsonNode> inner = new ArrayList<>();
        // The vocabulary alone has hundreds of nodes; the rare ones matter as much.
        collect(tree, inner, 0);
        JsonNode parent = inner.get(random.nextInt(inner.size()));
        JsonNode value = randomValue(random, inner);
        if (parent instanceof ObjectNode object && !object.isEmpty()) {
            List<String> keys = new ArrayList<>();
            object.fieldNames().forEachRemaining(keys::add);
            String key = keys.get(random.nextInt(keys.size()));
            switch (random.nextInt(3)) {
                case 0 -> object.remove(key);
                case 1 -> object.set(key, value);
                default ->
                    object.set(
                            random.nextBoolean() ? "" : keys.get(random.nextInt(keys.size())) + "x",
                            object.remove(key));
            }
        } else if (parent instanceof ArrayNode array && !array.isEmpty()) {
            int index = random.nextInt(array.size());
            switch (random.nextInt(3)) {
                case 0 -> array.remove(index);
                case 1 -> array.set(index, value);
                default -> array.add(array.get(index));
            }
        }
        return JSON.writeValueAsString(tree).getBytes(StandardCharsets.UTF_8);
    }

    private static void collect(JsonNode node, List<JsonNode> inner, int depth) {
        if (node.isContainerNode()) {
            inner.add(node);
            if (node.size() < 100 || depth < 2) {
                node.forEach(child -> collect(child, inner, depth + 1));
            }
        }
    }

    private static JsonNode randomValue(Random random, List<JsonNode> inner) {
        return switch (random.nextInt(11)) {
            case 0 -> JSON.nullNode();
            case 1 -> JSON.getNodeFactory().numberNode(-1);
            case 2 -> JSON.getNodeFactory().numberNode(Long.MAX_VALUE);
            case 3 -> JSON.getNodeFactory().numberNode(random.nextInt(500));
            case 4 -> JSON.getNodeFactory().numberNode(0.5);
            case 5 -> JSON.getNodeFactory().booleanNode(random.nextBoolean());
            case 6 -> JSON.getNodeFactory().textNode("");
            case 7 ->
                JSON.getNodeFactory()
                        .textNode(List.of(
                                        "(",
                                        "[a-",
                                        "(a*)*b",
                                        "\\p{Nope}",
                                        "(?=)",
                                        "<｜User｜>",
                                        "Ġ",
                                        "BPE",
                                        "NFC",
                                        "Isolated")
                                .get(random.nextInt(10)));
            case 8 -> JSON.createObjectNode();
            case 9 -> JSON.createArrayNode();
            default -> inner.get(random.nextInt(inner.size())).deepCopy();
        };
    }
}
