package dev.heng.cli;

import com.fasterxml.jackson.core.JacksonException;
import com.fasterxml.jackson.core.StreamReadFeature;
import com.fasterxml.jackson.databind.DeserializationFeature;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.json.JsonMapper;
import dev.heng.runtime.HengException;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;

/** Token ids from a JSON file. */
final class TokenIds {

    /** A million ids with commas and spaces. */
    private static final long MAXIMUM_BYTES = 16L << 20;

    private static final ObjectMapper MAPPER = JsonMapper.builder()
            .enable(DeserializationFeature.FAIL_ON_TRAILING_TOKENS)
            // The message is for a person who has the file.
            .disable(StreamReadFeature.INCLUDE_SOURCE_IN_LOCATION)
            .build();

    private static final String REMEDY = "give a JSON array of token ids, like [0, 17, 4021]";

    private TokenIds() {}

    /**
     * Reads an array of ids.
     *
     * @throws HengException if the file cannot be read or holds anything else
     */
    static int[] read(Path file) {
        JsonNode array;
        try {
            if (Files.size(file) > MAXIMUM_BYTES) {
                throw new HengException(
                        file + " has " + Files.size(file) + " bytes, more than any list of token ids", REMEDY);
            }
            array = MAPPER.readTree(Files.readAllBytes(file));
        } catch (JacksonException e) {
            throw new HengException(
                    file + " is not JSON: " + e.getOriginalMessage() + " at line "
                            + e.getLocation().getLineNr() + ", column "
                            + e.getLocation().getColumnNr(),
                    REMEDY,
                    e);
        } catch (IOException e) {
            throw new HengException(
                    file + (Files.exists(file) ? " cannot be read: " + e.getMessage() : " does not exist"), REMEDY, e);
        }
        if (!array.isArray() || array.isEmpty()) {
            throw new HengException(file + " is " + (array.isArray() ? "an empty array" : "not a JSON array"), REMEDY);
        }
        int[] ids = new int[array.size()];
        for (int i = 0; i < ids.length; i++) {
            JsonNode id = array.get(i);
            if (!id.isIntegralNumber() || !id.canConvertToInt() || id.intValue() < 0) {
                throw new HengException(file + ": element " + i + " is " + id + ", not a token id", REMEDY);
            }
            ids[i] = id.intValue();
        }
        return ids;
    }
}
