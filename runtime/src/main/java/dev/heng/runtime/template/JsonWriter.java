package dev.heng.runtime.template;

import dev.heng.runtime.template.Value.Bool;
import dev.heng.runtime.template.Value.Dict;
import dev.heng.runtime.template.Value.Function;
import dev.heng.runtime.template.Value.Int;
import dev.heng.runtime.template.Value.Items;
import dev.heng.runtime.template.Value.Loop;
import dev.heng.runtime.template.Value.Namespace;
import dev.heng.runtime.template.Value.None;
import dev.heng.runtime.template.Value.Real;
import dev.heng.runtime.template.Value.Str;
import dev.heng.runtime.template.Value.Undefined;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import org.jspecify.annotations.Nullable;

/** Writes values as JSON, as Python's {@code json.dumps} does. */
final class JsonWriter {

    private final Budget budget;
    private final int position;
    private final Style style;
    private final Text.Builder json = new Text.Builder();

    /**
     * Says how JSON looks.
     *
     * @param indent what each level is indented by; lines are broken unless it is missing
     * @param itemSeparator what stands between elements
     * @param keySeparator what stands between key and value
     * @param sortKeys whether keys are in alphabetical order
     * @param onlyAscii whether other characters are escaped
     */
    record Style(@Nullable Text indent, Text itemSeparator, Text keySeparator, boolean sortKeys, boolean onlyAscii) {}

    private JsonWriter(Budget budget, int position, Style style) {
        this.budget = budget;
        this.position = position;
        this.style = style;
    }

    static Text write(Value value, Style style, Budget budget, int position) {
        JsonWriter writer = new JsonWriter(budget, position, style);
        writer.write(value, 0);
        return writer.json.build();
    }

    private void write(Value value, int level) {
        budget.step(position);
        switch (value) {
            case None _ -> json.append("null");
            case Bool bool -> json.append(bool.value() ? "true" : "false");
            case Int integer -> json.append(Long.toString(integer.value()));
            case Real real -> json.append(real(real.value()));
            case Str string -> string(string.text());
            case Items list -> items(list.items(), level);
            case Dict dictionary -> entries(dictionary.entries(), level);
            case Undefined _, Namespace _, Loop _, Function _ ->
                throw new TemplateException(position, "JSON cannot be made of " + Value.typeName(value));
        }
    }

    private static String real(double value) {
        if (Double.isNaN(value)) {
            return "NaN";
        }
        return Double.isInfinite(value) ? (value > 0 ? "Infinity" : "-Infinity") : Formatter.real(value);
    }

    private void items(List<Value> items, int level) {
        if (items.isEmpty()) {
            json.append("[]");
            return;
        }
        json.append("[");
        for (int i = 0; i < items.size(); i++) {
            separate(i, level + 1);
            write(items.get(i), level + 1);
        }
        lineBreak(level);
        json.append("]");
    }

    private void entries(Map<Value, Value> entries, int level) {
        if (entries.isEmpty()) {
            json.append("{}");
            return;
        }
        json.append("{");
        List<Map.Entry<Text, Value>> keyed = new ArrayList<>();
        for (Map.Entry<Value, Value> entry : entries.entrySet()) {
            keyed.add(Map.entry(key(entry.getKey()), entry.getValue()));
        }
        if (style.sortKeys()) {
            TreeMap<String, Map.Entry<Text, Value>> sorted = new TreeMap<>();
            keyed.forEach(entry -> sorted.put(entry.getKey().characters(), entry));
            keyed = List.copyOf(sorted.values());
        }
        for (int i = 0; i < keyed.size(); i++) {
            separate(i, level + 1);
            string(keyed.get(i).getKey());
            json.append(style.keySeparator());
            write(keyed.get(i).getValue(), level + 1);
        }
        lineBreak(level);
        json.append("}");
    }

    private Text key(Value key) {
        return switch (key) {
            case Str string -> string.text();
            case None _ -> Text.ofTemplate("null");
            case Bool bool -> Text.ofTemplate(bool.value() ? "true" : "false");
            case Int integer -> Text.ofTemplate(Long.toString(integer.value()));
            case Real real -> Text.ofTemplate(real(real.value()));
            case Items _, Dict _, Undefined _, Namespace _, Loop _, Function _ ->
                throw new TemplateException(position, Value.typeName(key) + " cannot be a key in JSON");
        };
    }

    private void separate(int index, int level) {
        if (index > 0) {
            json.append(style.itemSeparator());
        }
        lineBreak(level);
    }

    private void lineBreak(int level) {
        Text indent = style.indent();
        if (indent != null) {
            budget.characters(position, 1 + (long) level * indent.characters().length());
            json.append("\n");
            for (int i = 0; i < level; i++) {
                json.append(indent);
            }
        }
    }

    private void string(Text text) {
        String characters = text.characters();
        budget.characters(position, characters.length());
        StringBuilder escaped = new StringBuilder(characters.length());
        for (int i = 0; i < characters.length(); i++) {
            char unit = characters.charAt(i);
            switch (unit) {
                case '"' -> escaped.append("\\\"");
                case '\\' -> escaped.append("\\\\");
                case '\n' -> escaped.append("\\n");
                case '\r' -> escaped.append("\\r");
                case '\t' -> escaped.append("\\t");
                case '\f' -> escaped.append("\\f");
                case '\b' -> escaped.append("\\b");
                default -> {
                    if (unit < 0x20 || (style.onlyAscii() && unit > 0x7E)) {
                        escaped.append(String.format("\\u%04x", (int) unit));
                    } else {
                        escaped.append(unit);
                    }
                }
            }
        }
        json.append("\"").append(text.map(escaped.toString())).append("\"");
    }
}
