package dev.heng.conformance.run;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.DeserializationFeature;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import dev.heng.runtime.HengException;
import java.io.IOException;
import java.net.URI;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.DateTimeException;
import java.time.LocalDate;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;

/**
 * The waivers of a file: {@code {"format": "heng-waivers", "version": 1, "waivers": [{"case", "backend", "library", "versions", "issue",
 * "expires"}]}}. Every field is required and no other is known; a mistake ends the command before anything runs.
 *
 * @param all the waivers; copied
 */
public record Waivers(List<Waiver> all) {

    private static final Set<String> FIELDS =
            new TreeSet<>(Set.of("case", "backend", "library", "versions", "issue", "expires"));

    public Waivers {
        all = List.copyOf(all);
        Set<String> seen = new HashSet<>();
        for (Waiver waiver : all) {
            if (!seen.add(waiver.backend() + " " + waiver.id())) {
                throw new IllegalArgumentException("two waivers of " + waiver.id() + " for " + waiver.backend());
            }
        }
    }

    /** Returns no waivers. */
    public static Waivers none() {
        return new Waivers(List.of());
    }

    /**
     * Reads a file.
     *
     * @throws HengException if it is not such a file; the message names the entry and the field
     */
    public static Waivers read(Path file) {
        String remedy = "see 'Waivers' in docs/conformance.md for the form";
        try {
            JsonNode root = new ObjectMapper()
                    .enable(DeserializationFeature.FAIL_ON_READING_DUP_TREE_KEY)
                    .enable(DeserializationFeature.FAIL_ON_TRAILING_TOKENS)
                    .readTree(Files.readString(file));
            if (!root.path("format").asText().equals("heng-waivers")
                    || root.path("version").asInt() != 1
                    || !root.path("waivers").isArray()) {
                throw new HengException(file + " is no file of waivers of version 1", remedy);
            }
            List<Waiver> waivers = new ArrayList<>();
            for (JsonNode entry : root.get("waivers")) {
                waivers.add(waiver(entry, waivers.size()));
            }
            return new Waivers(waivers);
        } catch (JsonProcessingException e) {
            throw new HengException(file + " is no JSON: " + e.getOriginalMessage(), remedy, e);
        } catch (IOException e) {
            throw new HengException(
                    "cannot read the waivers " + file + ": " + e.getMessage(), "name a readable file", e);
        } catch (IllegalArgumentException | DateTimeException e) {
            throw new HengException(file + ": " + e.getMessage(), remedy, e);
        }
    }

    private static Waiver waiver(JsonNode entry, int number) {
        Set<String> names = new TreeSet<>();
        entry.fieldNames().forEachRemaining(names::add);
        if (!names.equals(FIELDS)) {
            throw new IllegalArgumentException("waiver " + number + " has the fields " + names + ", not " + FIELDS);
        }
        return new Waiver(
                text(entry, "case", number),
                text(entry, "backend", number),
                text(entry, "library", number),
                new VersionRange(text(entry, "versions", number)),
                URI.create(text(entry, "issue", number)),
                LocalDate.parse(text(entry, "expires", number)));
    }

    private static String text(JsonNode entry, String field, int number) {
        JsonNode value = entry.path(field);
        if (!value.isTextual()) {
            throw new IllegalArgumentException("field '" + field + "' of waiver " + number + " is no text");
        }
        return value.asText();
    }
}
