package dev.heng.runtime.checkpoint;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import com.sun.management.ThreadMXBean;
import dev.heng.runtime.HengException;
import dev.heng.runtime.config.ModelConfig;
import java.io.IOException;
import java.io.RandomAccessFile;
import java.lang.management.ManagementFactory;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * Real checkpoints damaged at random, by seed: each must end in one clean error or load right, and never allocate by a number in the file.
 */
final class CheckpointFuzzTest {

    private static final int CASES = 250;
    private static final long SEED = 20261125;

    /** Heap that one load may take whatever the files say: parsing, a message, and what JUnit and the JIT's counters add. */
    private static final long MOST_ALLOCATED = 32L << 20;

    /** Spaces behind the header, which the format allows, so that a damaged header can be longer than the sound one. */
    private static final int SLACK = 4096;

    private static final List<String> HOSTILE = List.of(
            "0",
            "-1",
            "1",
            "2",
            "3",
            "7",
            "127",
            "129",
            "2147483647",
            "2147483648",
            "-2147483649",
            "4294967296",
            "9223372036854775807",
            "9223372036854775808",
            "1e308",
            "1e999",
            "-0.0",
            "0.5",
            "1e-320",
            "true",
            "false",
            "null",
            "\"\"",
            "\"x\"",
            "\"F32\"",
            "\"BF16\"",
            "\"I8\"",
            "\"F8_E4M3\"",
            "\"re:(a*)*b\"",
            "\"re:.*\"",
            "\"re:[\"",
            "\"\\u0000\"",
            "[]",
            "{}",
            "[0]",
            "[[[]]]",
            "[1, 1, 1]",
            "{\"a\": 1}",
            "\"model.safetensors\"",
            "\"../model.safetensors\"",
            "\"yarn\"",
            "\"linear\"",
            "\"greedy\"",
            "\"sigmoid\"",
            "\"deepseek_v2\"",
            "\"pack-quantized\"",
            "\"channel\"",
            "\"group\"");

    private static final ObjectMapper MAPPER = new ObjectMapper();

    @TempDir
    Path folder;

    private int loaded;
    private int refused;

    @ParameterizedTest
    @ValueSource(
            strings = {
                "deepseek-v3-tiny-fp8",
                "deepseek-v3-tiny-int8",
                "deepseek-v3-tiny-int4",
                "deepseek-v2-tiny-group",
                "deepseek-llm-tiny-dense"
            })
    void damagedCheckpointsLoadRightOrEndInOneCleanError(String golden) throws IOException {
        Path source = Path.of("..", "goldens", golden);
        try (var files = Files.list(source)) {
            for (Path file : files.toList()) {
                if (!file.endsWith("golden.safetensors")) {
                    Files.copy(file, folder.resolve(file.getFileName()));
                }
            }
        }
        Random random = new Random(SEED + golden.hashCode());
        load("as published");
        assertEquals(1, loaded, "the sound checkpoint loads");
        Path weights = Files.exists(folder.resolve("model.safetensors"))
                ? folder.resolve("model.safetensors")
                : folder.resolve("model-00003-of-00005.safetensors");
        fuzzHeader(weights, random);
        fuzzJson(folder.resolve("config.json"), random, 2 * CASES);
        fuzzJson(folder.resolve("generation_config.json"), random, CASES / 10);
        if (Files.exists(folder.resolve("model.safetensors.index.json"))) {
            fuzzJson(folder.resolve("model.safetensors.index.json"), random, CASES);
        }
        load("restored");
        assertTrue(refused > CASES, "damage is found: " + refused);
        assertTrue(loaded > 20, "harmless changes load: " + loaded);
    }

    /** Damages the header in place: the data behind it stays where it is. */
    private void fuzzHeader(Path file, Random random) throws IOException {
        byte[] sound = Files.readAllBytes(file);
        int length = (int) Long.reverseBytes(java.nio.ByteBuffer.wrap(sound).getLong());
        byte[] header = Arrays.copyOfRange(sound, Long.BYTES, Long.BYTES + length);
        byte[] data = Arrays.copyOfRange(sound, Long.BYTES + length, sound.length);
        int padded = length + SLACK;
        RawFiles.write(file, spaced(header, padded), data);
        JsonNode tree = MAPPER.readTree(header);
        for (int index = 0; index < CASES; index++) {
            byte[] damaged = damage(header, tree, random);
            try (RandomAccessFile raw = new RandomAccessFile(file.toFile(), "rw")) {
                long size = raw.length();
                raw.seek(Long.BYTES);
                raw.write(spaced(damaged, padded));
                if (index % 10 == 0) {
                    raw.seek(0);
                    raw.writeLong(Long.reverseBytes(hostileLength(random, padded, size)));
                }
                if (index % 10 == 1) {
                    raw.setLength(random.nextLong(size));
                }
            }
            load("header " + index);
            if (index % 10 <= 1) {
                RawFiles.write(file, spaced(header, padded), data);
            }
        }
        Files.write(file, sound);
    }

    private static long hostileLength(Random random, int padded, long size) {
        return switch (random.nextInt(5)) {
            case 0 -> random.nextLong();
            case 1 -> size - random.nextInt(16);
            case 2 -> padded + random.nextInt(-8, 9);
            case 3 -> 100_000_000L + random.nextInt(-1, 2);
            default -> random.nextInt(SLACK);
        };
    }

    private void fuzzJson(Path file, Random random, int cases) throws IOException {
        byte[] sound = Files.readAllBytes(file);
        JsonNode tree = MAPPER.readTree(sound);
        for (int index = 0; index < cases; index++) {
            Files.write(file, damage(sound, tree, random));
            load(file.getFileName() + " " + index);
        }
        Files.write(file, sound);
    }

    private static byte[] damage(byte[] sound, JsonNode tree, Random random) throws IOException {
        if (random.nextInt(3) == 0) {
            return damageBytes(sound, random);
        }
        JsonNode copy = tree.deepCopy();
        int changes = 1 + random.nextInt(2);
        for (int change = 0; change < changes; change++) {
            damageTree(copy, random);
        }
        return MAPPER.writeValueAsString(copy).getBytes(StandardCharsets.UTF_8);
    }

    private static byte[] damageBytes(byte[] sound, Random random) {
        byte[] damaged = sound.clone();
        int at = random.nextInt(damaged.length);
        switch (random.nextInt(5)) {
            case 0 -> damaged[at] = (byte) random.nextInt(256);
            case 1 -> damaged[at] ^= (byte) (1 << random.nextInt(8));
            case 2 -> damaged = Arrays.copyOf(damaged, at);
            case 3 -> {
                // A run doubled, which makes duplicate keys and longer numbers.
                int run = Math.min(1 + random.nextInt(64), damaged.length - at);
                byte[] longer = Arrays.copyOf(damaged, damaged.length + run);
                System.arraycopy(damaged, at, longer, at + run, damaged.length - at);
                damaged = longer;
            }
            default -> {
                int run = Math.min(1 + random.nextInt(64), damaged.length - at);
                System.arraycopy(damaged, at + run, damaged, at, damaged.length - at - run);
                damaged = Arrays.copyOf(damaged, damaged.length - run);
            }
        }
        return damaged;
    }

    private static void damageTree(JsonNode tree, Random random) throws IOException {
        List<JsonNode> containers = new ArrayList<>();
        collect(tree, containers);
        JsonNode container = containers.get(random.nextInt(containers.size()));
        JsonNode hostile = MAPPER.readTree(HOSTILE.get(random.nextInt(HOSTILE.size())));
        if (container instanceof ObjectNode object) {
            List<String> names = new ArrayList<>();
            object.fieldNames().forEachRemaining(names::add);
            String name = names.isEmpty() ? "x" : names.get(random.nextInt(names.size()));
            switch (random.nextInt(5)) {
                case 0 -> object.remove(name);
                case 1 -> object.set(name + "x", object.get(name) == null ? hostile : object.remove(name));
                case 2 ->
                    object.set(name, object.get(names.isEmpty() ? name : names.get(random.nextInt(names.size()))));
                default -> object.set(name, hostile);
            }
        } else if (container instanceof ArrayNode array && !array.isEmpty()) {
            int at = random.nextInt(array.size());
            switch (random.nextInt(4)) {
                case 0 -> array.remove(at);
                case 1 -> array.insert(at, hostile);
                case 2 ->
                    array.set(at, MAPPER.readTree(Long.toString(array.get(at).asLong() + random.nextInt(-8, 9))));
                default -> array.set(at, hostile);
            }
        }
    }

    private static void collect(JsonNode node, List<JsonNode> containers) {
        if (node.isContainerNode()) {
            containers.add(node);
            node.forEach(child -> collect(child, containers));
        }
    }

    private static byte[] spaced(byte[] header, int length) {
        byte[] padded = Arrays.copyOf(header, length);
        if (header.length < length) {
            Arrays.fill(padded, header.length, length, (byte) ' ');
        }
        return padded;
    }

    private void load(String what) {
        ThreadMXBean threads = (ThreadMXBean) ManagementFactory.getThreadMXBean();
        long before = threads.getCurrentThreadAllocatedBytes();
        try (Checkpoint checkpoint = Checkpoint.open(folder)) {
            ModelConfig config = ModelConfig.read(folder);
            EveryWeight.of(config, new WeightCatalog(checkpoint, config, ActivationRounding.AS_CONFIGURED));
            loaded++;
        } catch (HengException e) {
            refused++;
            String message = String.valueOf(e.getMessage());
            assertTrue(message.contains(".safetensors") || message.contains(".json"), () -> what + ": " + message);
            assertTrue(message.length() < 2000, () -> what + ": " + message);
            assertFalse(message.chars().anyMatch(Character::isISOControl), () -> what + ": " + message);
            assertFalse(e.remedy().isBlank(), what);
        } catch (RuntimeException e) {
            throw new AssertionError(what + " ended in " + e, e);
        }
        long allocated = threads.getCurrentThreadAllocatedBytes() - before;
        assertTrue(allocated < MOST_ALLOCATED, () -> what + " allocated " + allocated + " bytes");
    }
}
