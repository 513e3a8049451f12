package dev.heng.conformance.report;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.util.ArrayList;
import java.util.Iterator;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import java.util.regex.Pattern;

/**
 * Holds JSON against a schema, as far as parity.schema.json uses JSON Schema 2020-12; any other keyword is refused when the schema is
 * read, so that nothing is checked in appearance only. A library for all of JSON Schema would bring three others for one file.
 */
final class SchemaCheck {

    private static final Set<String> KNOWN = Set.of(
            "$schema",
            "$id",
            "$defs",
            "$ref",
            "title",
            "description",
            "type",
            "const",
            "enum",
            "pattern",
            "minimum",
            "required",
            "properties",
            "additionalProperties",
            "items",
            "anyOf");

    private static final int MOST_FAULTS = 10;

    private final JsonNode root;

    private SchemaCheck(JsonNode root) {
        this.root = root;
        check(root);
    }

    /** Returns the check of {@code parity.json}. */
    static SchemaCheck parity() {
        try (InputStream file = SchemaCheck.class.getResourceAsStream("parity.schema.json")) {
            if (file == null) {
                throw new IllegalStateException("the build left out parity.schema.json");
            }
            return of(new ObjectMapper().readTree(file));
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    static SchemaCheck of(JsonNode schema) {
        return new SchemaCheck(schema);
    }

    private static void check(JsonNode schema) {
        for (Iterator<String> names = schema.fieldNames(); names.hasNext(); ) {
            String name = names.next();
            if (!KNOWN.contains(name)) {
                throw new IllegalArgumentException("the schema uses '" + name + "', which is not checked here");
            }
        }
        schema.path("properties").forEach(SchemaCheck::check);
        schema.path("$defs").forEach(SchemaCheck::check);
        schema.path("anyOf").forEach(SchemaCheck::check);
        if (schema.path("items").isObject()) {
            check(schema.get("items"));
        }
        if (schema.path("additionalProperties").isObject()) {
            check(schema.get("additionalProperties"));
        }
    }

    /** Returns what is wrong with {@code document}, each with its place; the first ten. */
    List<String> faults(JsonNode document) {
        List<String> faults = new ArrayList<>();
        check(root, document, "$", faults);
        return faults.size() > MOST_FAULTS ? faults.subList(0, MOST_FAULTS) : faults;
    }

    private void check(JsonNode schema, JsonNode value, String place, List<String> faults) {
        if (faults.size() > MOST_FAULTS) {
            return;
        }
        if (schema.has("$ref")) {
            check(resolve(schema.get("$ref").asText()), value, place, faults);
            return;
        }
        if (schema.has("anyOf")) {
            List<String> first = new ArrayList<>();
            for (JsonNode option : schema.get("anyOf")) {
                List<String> found = new ArrayList<>();
                check(option, value, place, found);
                if (found.isEmpty()) {
                    return;
                }
                first.addAll(found);
            }
            faults.add(String.join(" or ", first));
            return;
        }
        if (schema.has("type") && !isOf(schema.get("type").asText(), value)) {
            faults.add(place + " is " + value.getNodeType() + ", not "
                    + schema.get("type").asText());
            return;
        }
        if (schema.has("const") && !schema.get("const").equals(value)) {
            faults.add(place + " is " + value + ", not " + schema.get("const"));
        }
        if (schema.has("enum") && !contains(schema.get("enum"), value)) {
            faults.add(place + " is " + value + ", none of " + schema.get("enum"));
        }
        if (schema.has("pattern")
                && !Pattern.compile(schema.get("pattern").asText())
                        .matcher(value.asText())
                        .find()) {
            faults.add(place + " is " + value + ", which does not match " + schema.get("pattern"));
        }
        if (schema.has("minimum") && value.asDouble() < schema.get("minimum").asDouble()) {
            faults.add(place + " is " + value + ", less than " + schema.get("minimum"));
        }
        members(schema, value, place, faults);
    }

    private void members(JsonNode schema, JsonNode value, String place, List<String> faults) {
        Set<String> present = new TreeSet<>();
        value.fieldNames().forEachRemaining(present::add);
        for (JsonNode required : schema.path("required")) {
            if (!present.contains(required.asText())) {
                faults.add(place + " lacks '" + required.asText() + "'");
            }
        }
        for (Map.Entry<String, JsonNode> member : value.properties()) {
            JsonNode own = schema.path("properties").path(member.getKey());
            JsonNode other = schema.path("additionalProperties");
            if (own.isObject()) {
                check(own, member.getValue(), place + "." + member.getKey(), faults);
            } else if (other.isObject()) {
                check(other, member.getValue(), place + "." + member.getKey(), faults);
            } else if (other.isBoolean() && !other.asBoolean()) {
                faults.add(place + " has the unknown field '" + member.getKey() + "'");
            }
        }
        if (value.isArray() && schema.has("items")) {
            int index = 0;
            for (JsonNode item : value) {
                check(schema.get("items"), item, place + "[" + index + "]", faults);
                index++;
            }
        }
    }

    private JsonNode resolve(String reference) {
        JsonNode found = root.at(reference.replaceFirst("^#", ""));
        if (found.isMissingNode()) {
            throw new IllegalArgumentException("the schema refers to " + reference + ", which it lacks");
        }
        return found;
    }

    private static boolean contains(JsonNode options, JsonNode value) {
        for (JsonNode option : options) {
            if (option.equals(value)) {
                return true;
            }
        }
        return false;
    }

    private static boolean isOf(String type, JsonNode value) {
        return switch (type) {
            case "object" -> value.isObject();
            case "array" -> value.isArray();
            case "string" -> value.isTextual();
            case "integer" -> value.isIntegralNumber();
            case "number" -> value.isNumber();
            case "boolean" -> value.isBoolean();
            default -> throw new IllegalArgumentException("the schema names the type '" + type + "'");
        };
    }
}
