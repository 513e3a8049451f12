package dev.heng.runtime.config;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonFactoryBuilder;
import com.fasterxml.jackson.core.JsonLocation;
import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.core.StreamReadConstraints;
import com.fasterxml.jackson.core.StreamReadFeature;
import com.fasterxml.jackson.databind.DeserializationFeature;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.json.JsonMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.heng.runtime.HengException;
import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;

/**
 * Reads JSON that nobody vouches for: a key given twice, text after the end, a number that is not JSON, deep nesting and oversized files are
 * errors of one line.
 *
 * <p>Threading: safe for use by several threads.
 */
public final class StrictJson {

    private static final int MAXIMUM_DEPTH = 64;
    private static final int MAXIMUM_DETAIL = 200;

    private static final JsonFactory FACTORY = new JsonFactoryBuilder()
            .enable(StreamReadFeature.STRICT_DUPLICATE_DETECTION)
            // A table of names pays where names repeat; here they are tens of thousands of tensors, or chosen to
            // collide.
            .disable(JsonFactory.Feature.CANONICALIZE_FIELD_NAMES)
            .disable(JsonFactory.Feature.INTERN_FIELD_NAMES)
            // Messages quote no input: it may be large, binary or private.
            .disable(StreamReadFeature.INCLUDE_SOURCE_IN_LOCATION)
            .streamReadConstraints(StreamReadConstraints.builder()
                    .maxNestingDepth(MAXIMUM_DEPTH)
                    .maxNumberLength(100)
                    .build())
            .build();

    private static final JsonMapper MAPPER = JsonMapper.builder(FACTORY)
            .enable(DeserializationFeature.FAIL_ON_TRAILING_TOKENS)
            .build();

    private StrictJson() {}

    /** Returns the factory behind this class, for readers that stream. */
    public static JsonFactory factory() {
        return FACTORY;
    }

    /**
     * Reads a file that holds one JSON object.
     *
     * @param file the file
     * @param maximumBytes what a sound file of this kind never exceeds; nothing larger is read
     * @throws HengException if there is no such file, it cannot be read, is larger, is not JSON or not an object
     */
    public static ObjectNode readObject(Path file, long maximumBytes) {
        return readObject(file.toString(), readBounded(file, maximumBytes));
    }

    /** Reads text that is one JSON object; {@code file} is what errors call it. */
    static ObjectNode readObject(String file, byte[] content) {
        try {
            JsonNode root = MAPPER.readTree(content);
            if (root instanceof ObjectNode object) {
                return object;
            }
            throw new HengException(
                    file + " holds " + (root == null ? "nothing" : kind(root)) + ", not a JSON object",
                    "restore the file from the model's source");
        } catch (JsonProcessingException e) {
            throw malformed(file, e);
        } catch (IOException e) {
            throw new HengException(file + " cannot be read: " + e.getMessage(), "check the file and the disk", e);
        }
    }

    /** Returns the error for JSON that does not parse, with the line and column where it stops. */
    public static HengException malformed(String where, JsonProcessingException cause) {
        String detail = cause.getOriginalMessage() == null ? "unexpected content" : cause.getOriginalMessage();
        // What a library quotes of a file may be anything, also commands for the terminal.
        String line = detail.lines().findFirst().orElse("unexpected content").replaceAll("\\p{Cc}", "?");
        if (line.length() > MAXIMUM_DETAIL) {
            line = line.substring(0, MAXIMUM_DETAIL) + "...";
        }
        JsonLocation location = cause.getLocation();
        String place = location == null || location.getLineNr() < 0
                ? ""
                : " at line " + location.getLineNr() + ", column " + location.getColumnNr();
        return new HengException(
                where + " is not valid JSON" + place + ": " + line,
                "restore the file from the model's source, or correct it there",
                cause);
    }

    /** Returns what a person calls the type of {@code node}. */
    static String kind(JsonNode node) {
        return switch (node.getNodeType()) {
            case OBJECT, POJO -> "an object";
            case ARRAY -> "a list";
            case STRING, BINARY -> "a string";
            case NUMBER -> "a number";
            case BOOLEAN -> "true or false";
            case NULL -> "null";
            case MISSING -> "nothing";
        };
    }

    private static byte[] readBounded(Path file, long maximumBytes) {
        try {
            if (!Files.exists(file)) {
                throw new HengException("there is no file " + file, "check the path of the model folder");
            }
            // A pipe or a device would block or never end.
            if (!Files.isRegularFile(file)) {
                throw new HengException(file + " is not a regular file", "give the path of a model folder");
            }
            try (InputStream input = Files.newInputStream(file)) {
                int limit = Math.toIntExact(Math.min(maximumBytes, Integer.MAX_VALUE - 16L));
                if (Files.size(file) > limit) {
                    throw new HengException(
                            file + " has " + Files.size(file) + " bytes; a sound file of this kind has at most "
                                    + limit,
                            "restore the file from the model's source");
                }
                return input.readNBytes(limit);
            }
        } catch (NoSuchFileException e) {
            throw new HengException("there is no file " + file, "check the path of the model folder", e);
        } catch (IOException e) {
            throw new HengException(
                    file + " cannot be read: " + e.getClass().getSimpleName() + ": " + e.getMessage(),
                    "check that the file is readable by this user",
                    e);
        }
    }
}
