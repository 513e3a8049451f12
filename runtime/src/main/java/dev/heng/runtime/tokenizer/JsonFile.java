package dev.heng.runtime.tokenizer;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.DeserializationFeature;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import dev.heng.runtime.HengException;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/**
 * Holds a small JSON file of a model whose root is an object.
 *
 * @param path where it lies
 * @param root its content
 */
public record JsonFile(Path path, JsonNode root) {

    /** No JSON file of a model is larger; the largest tokenizer.json known is 33 MB. */
    static final long MAXIMUM_BYTES = 128L << 20;

    private static final ObjectMapper JSON = new ObjectMapper()
            .enable(DeserializationFeature.FAIL_ON_TRAILING_TOKENS)
            .enable(DeserializationFeature.FAIL_ON_READING_DUP_TREE_KEY);

    /**
     * Reads a file; one that does not exist counts as an empty object.
     *
     * @throws HengException if it cannot be read, is not JSON, or its root is no object
     */
    public static JsonFile readIfPresent(Path path) {
        if (!Files.exists(path)) {
            return new JsonFile(path, JsonNodeFactory.instance.objectNode());
        }
        return parse(path, text(path));
    }

    static JsonFile parse(Path path, String text) {
        JsonNode root;
        try {
            root = JSON.readTree(text);
        } catch (JsonProcessingException failure) {
            throw malformed(path, failure);
        }
        if (!root.isObject()) {
            throw new HengException(path + " must hold a JSON object", "download the file again from the model's page");
        }
        return new JsonFile(path, root);
    }

    /**
     * Reads a whole text file.
     *
     * @throws HengException if it cannot be read, is too large or is not UTF-8
     */
    public static String text(Path path) {
        try {
            long bytes = Files.size(path);
            if (bytes > MAXIMUM_BYTES) {
                throw new HengException(
                        path + " has " + bytes + " bytes; at most " + MAXIMUM_BYTES + " are read",
                        "check that it is the right file");
            }
            return StandardCharsets.UTF_8
                    .newDecoder()
                    .decode(ByteBuffer.wrap(Files.readAllBytes(path)))
                    .toString();
        } catch (CharacterCodingException failure) {
            throw new HengException(path + " is not UTF-8", "download the file again from the model's page", failure);
        } catch (IOException failure) {
            throw new HengException(
                    path + " cannot be read: " + failure, "check the path and its permissions", failure);
        }
    }

    /** Turns a JSON error into one that names file, line and column. */
    static HengException malformed(Path path, JsonProcessingException failure) {
        String where = failure.getLocation() == null
                ? ""
                : " line " + failure.getLocation().getLineNr() + ", column "
                        + failure.getLocation().getColumnNr();
        return new HengException(
                path + where + " is not valid JSON: "
                        + failure.getOriginalMessage().lines().findFirst().orElse("empty"),
                "download the file again from the model's page",
                failure);
    }

    /** Returns a string field, or nothing if it is missing or null. */
    public @Nullable String string(String key) {
        JsonNode value = root.get(key);
        if (value == null || value.isNull()) {
            return null;
        }
        if (!value.isTextual()) {
            throw wrongType(key, "a string", value);
        }
        return value.textValue();
    }

    /** Returns a truth value, or nothing if it is missing or null. */
    Optional<Boolean> flag(String key) {
        JsonNode value = root.get(key);
        if (value == null || value.isNull()) {
            return Optional.empty();
        }
        if (!value.isBoolean()) {
            throw wrongType(key, "true or false", value);
        }
        return Optional.of(value.booleanValue());
    }

    /** Returns the token ids of a field that holds one, a list of them, or nothing. */
    List<Integer> ids(String key) {
        JsonNode value = root.get(key);
        List<Integer> ids = new ArrayList<>();
        if (value == null || value.isNull()) {
            return ids;
        }
        for (JsonNode id : value.isArray() ? value : List.of(value)) {
            if (!id.isIntegralNumber() || !id.canConvertToInt() || id.intValue() < 0) {
                throw wrongType(key, "a token id or a list of token ids", value);
            }
            ids.add(id.intValue());
        }
        return ids;
    }

    /** Makes the error of a field with the wrong type. */
    public HengException wrongType(String key, String expected, JsonNode value) {
        String shown = value.toString();
        return new HengException(
                path + ": " + key + " must be " + expected + " and is "
                        + (shown.length() > 80 ? shown.substring(0, 80) + "…" : shown),
                "restore the model's own file");
    }
}
