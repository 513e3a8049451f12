package dev.heng.runtime.config;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.heng.runtime.HengException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Iterator;
import java.util.List;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/**
 * The fields of one JSON object with their place, so that every complaint names file, field and value. JSON's null counts as absent, as it
 * does in the configuration classes that wrote the file.
 */
final class Fields {

    private final Path file;
    private final String path;
    private final ObjectNode object;

    Fields(Path file, String path, ObjectNode object) {
        this.file = file;
        this.path = path;
        this.object = object;
    }

    Path file() {
        return file;
    }

    boolean has(String name) {
        JsonNode node = object.get(name);
        return node != null && !node.isNull();
    }

    /** Returns the error that field {@code name} has this fault. */
    HengException fault(String name, String what, String remedy) {
        return new HengException(file + ": field '" + path + name + "' " + what, remedy);
    }

    HengException missing(String name) {
        return fault(name, "is missing", "add it as the model's publisher states it; Heng does not guess it");
    }

    int requireInt(String name, int least, int most) {
        return integer(name, require(name), least, most);
    }

    int intOr(String name, int absent, int least, int most) {
        JsonNode node = find(name);
        return node == null ? absent : integer(name, node, least, most);
    }

    @Nullable
    Integer intOrNull(String name, int least, int most) {
        JsonNode node = find(name);
        return node == null ? null : integer(name, node, least, most);
    }

    double requireDouble(String name, double least, double most) {
        return real(name, require(name), least, most);
    }

    double doubleOr(String name, double absent, double least, double most) {
        JsonNode node = find(name);
        return node == null ? absent : real(name, node, least, most);
    }

    @Nullable
    Double doubleOrNull(String name, double least, double most) {
        JsonNode node = find(name);
        return node == null ? null : real(name, node, least, most);
    }

    boolean requireBoolean(String name) {
        return bool(name, require(name));
    }

    boolean booleanOr(String name, boolean absent) {
        JsonNode node = find(name);
        return node == null ? absent : bool(name, node);
    }

    String requireString(String name) {
        return string(name, require(name));
    }

    @Nullable
    String stringOrNull(String name) {
        JsonNode node = find(name);
        return node == null ? null : string(name, node);
    }

    /** Returns an optional string that must be one of {@code allowed}. */
    @Nullable
    String choiceOrNull(String name, List<String> allowed) {
        String value = stringOrNull(name);
        if (value != null && !allowed.contains(value)) {
            throw unknown(name, value, allowed);
        }
        return value;
    }

    HengException unknown(String name, String value, List<String> allowed) {
        return fault(
                name,
                "is '" + abbreviate(value) + "', which Heng does not know",
                "use a checkpoint where it is " + (allowed.size() == 1 ? "" : "one of ") + String.join(", ", allowed));
    }

    @Nullable
    Fields objectOrNull(String name) {
        JsonNode node = find(name);
        if (node == null) {
            return null;
        }
        if (node instanceof ObjectNode child) {
            return new Fields(file, path + name + ".", child);
        }
        throw wrongType(name, node, "an object");
    }

    Fields requireObject(String name) {
        Fields fields = objectOrNull(name);
        if (fields == null) {
            throw missing(name);
        }
        return fields;
    }

    /** Returns a list of strings, empty if absent. */
    List<String> strings(String name) {
        List<String> values = new ArrayList<>();
        for (JsonNode element : list(name)) {
            values.add(string(name, element));
        }
        return values;
    }

    /** Returns a list of integers, empty if absent. */
    List<Integer> ints(String name, int least, int most) {
        List<Integer> values = new ArrayList<>();
        for (JsonNode element : list(name)) {
            values.add(integer(name, element, least, most));
        }
        return values;
    }

    /** Returns one integer or a list of them as a list, empty if absent. */
    List<Integer> intOrInts(String name, int least, int most) {
        JsonNode node = find(name);
        if (node != null && !node.isArray()) {
            return List.of(integer(name, node, least, most));
        }
        return ints(name, least, most);
    }

    List<String> names() {
        List<String> names = new ArrayList<>();
        for (Iterator<String> iterator = object.fieldNames(); iterator.hasNext(); ) {
            names.add(iterator.next());
        }
        return names;
    }

    /** Refuses a field that is neither absent nor among {@code known}: what it means is unknown, so ignoring it would be a guess. */
    void requireOnly(Set<String> known) {
        for (String name : names()) {
            if (has(name) && !known.contains(name)) {
                throw fault(
                        abbreviate(name),
                        "is not one that Heng knows here",
                        "use a checkpoint without it, or a newer Heng that knows it");
            }
        }
    }

    private @Nullable JsonNode find(String name) {
        return has(name) ? object.get(name) : null;
    }

    private JsonNode require(String name) {
        JsonNode node = find(name);
        if (node == null) {
            throw missing(name);
        }
        return node;
    }

    private Iterable<JsonNode> list(String name) {
        JsonNode node = find(name);
        if (node == null) {
            return List.of();
        }
        if (!node.isArray()) {
            throw wrongType(name, node, "a list");
        }
        return node;
    }

    private int integer(String name, JsonNode node, int least, int most) {
        if (!node.isIntegralNumber()) {
            throw wrongType(name, node, "an integer");
        }
        if (!node.canConvertToInt() || node.intValue() < least || node.intValue() > most) {
            throw outOfRange(name, node, Integer.toString(least), Integer.toString(most));
        }
        return node.intValue();
    }

    private double real(String name, JsonNode node, double least, double most) {
        if (!node.isNumber()) {
            throw wrongType(name, node, "a number");
        }
        double value = node.doubleValue();
        // Written so that a NaN fails it too.
        if (!(value >= least && value <= most)) {
            throw outOfRange(name, node, Double.toString(least), Double.toString(most));
        }
        return value;
    }

    private boolean bool(String name, JsonNode node) {
        if (!node.isBoolean()) {
            throw wrongType(name, node, "true or false");
        }
        return node.booleanValue();
    }

    private String string(String name, JsonNode node) {
        if (!node.isTextual()) {
            throw wrongType(name, node, "a string");
        }
        return node.textValue();
    }

    private HengException wrongType(String name, JsonNode node, String wanted) {
        return fault(
                name,
                "is " + StrictJson.kind(node) + " (" + abbreviate(node.toString()) + "), not " + wanted,
                "write it as " + wanted);
    }

    private HengException outOfRange(String name, JsonNode node, String least, String most) {
        return fault(
                name,
                "is " + abbreviate(node.toString()) + ", which is not within " + least + ".." + most,
                "correct the value");
    }

    private static String abbreviate(String text) {
        String printable = text.replaceAll("\\p{Cc}", "?");
        return printable.length() <= 80 ? printable : printable.substring(0, 80) + "...";
    }
}
