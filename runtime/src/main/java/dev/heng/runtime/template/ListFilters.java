package dev.heng.runtime.template;

import dev.heng.runtime.template.Value.Bool;
import dev.heng.runtime.template.Value.Dict;
import dev.heng.runtime.template.Value.Int;
import dev.heng.runtime.template.Value.Items;
import dev.heng.runtime.template.Value.None;
import dev.heng.runtime.template.Value.Str;
import dev.heng.runtime.template.Value.Undefined;
import java.util.ArrayList;
import java.util.Collections;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/** The filters over lists and dictionaries. What is a generator in Python is a list here. */
final class ListFilters {

    private ListFilters() {}

    private static List<Value> elements(Interpreter interpreter, Value operand, int position) {
        List<Value> elements = interpreter.operators().iterate(operand, position);
        interpreter.budget().elements(position, elements.size());
        return elements;
    }

    static Value length(Interpreter interpreter, Value operand, Arguments arguments, int position) {
        return switch (operand) {
            case Str string -> new Int(string.text().codePoints());
            case Items list -> new Int(list.items().size());
            case Dict dictionary -> new Int(dictionary.entries().size());
            case Undefined _ -> new Int(0);
            case None _, Bool _, Int _, Value.Real _, Value.Namespace _, Value.Loop _, Value.Function _ ->
                throw new TemplateException(position, Value.typeName(operand) + " has no length");
        };
    }

    static Value list(Interpreter interpreter, Value operand, Arguments arguments, int position) {
        return Items.list(elements(interpreter, operand, position));
    }

    static Value items(Interpreter interpreter, Value operand, Arguments arguments, int position) {
        if (operand instanceof Undefined) {
            return Items.list(List.of());
        }
        if (!(operand instanceof Dict dictionary)) {
            throw new TemplateException(position, "items takes a dictionary, not " + Value.typeName(operand));
        }
        List<Value> items = new ArrayList<>();
        dictionary.entries().forEach((key, value) -> items.add(Items.tuple(key, value)));
        return Items.list(items);
    }

    static Value first(Interpreter interpreter, Value operand, Arguments arguments, int position) {
        List<Value> elements = elements(interpreter, operand, position);
        return elements.isEmpty() ? new Undefined("the first element of nothing") : elements.getFirst();
    }

    static Value last(Interpreter interpreter, Value operand, Arguments arguments, int position) {
        List<Value> elements = elements(interpreter, operand, position);
        return elements.isEmpty() ? new Undefined("the last element of nothing") : elements.getLast();
    }

    static Value reverse(Interpreter interpreter, Value operand, Arguments arguments, int position) {
        List<Value> reversed = new ArrayList<>(elements(interpreter, operand, position));
        Collections.reverse(reversed);
        if (!(operand instanceof Str)) {
            return Items.list(reversed);
        }
        Text.Builder text = new Text.Builder();
        reversed.forEach(point -> text.append(((Str) point).text()));
        return new Str(text.build());
    }

    static Value join(Interpreter interpreter, Value operand, Arguments arguments, int position) {
        arguments.allow("join", position, "d", "attribute");
        Text separator = interpreter.formatter().str(arguments.get(0, "d", new Str(Text.EMPTY)), position);
        Value attribute = arguments.get(1, "attribute", None.NONE);
        List<Value> parts = new ArrayList<>();
        for (Value element : elements(interpreter, operand, position)) {
            Value part = attribute instanceof None ? element : attribute(interpreter, element, attribute, position);
            parts.add(new Str(interpreter.formatter().str(part, position)));
        }
        Value join = interpreter.attribute(new Str(separator), "join", position);
        return interpreter.call(join, new Arguments(List.of(Items.list(parts)), Map.of()), position);
    }

    /** Follows a path such as {@code function.name} or {@code 0.id}. */
    private static Value attribute(Interpreter interpreter, Value element, Value path, int position) {
        Value found = element;
        Long index = Operators.integer(path);
        if (index != null) {
            return interpreter.subscript(element, new Int(index), position);
        }
        for (String step :
                interpreter.formatter().str(path, position).characters().split("\\.", -1)) {
            boolean isIndex = step.matches("\\d{1,9}");
            Value key = isIndex ? new Int(Integer.parseInt(step)) : Str.ofTemplate(step);
            found = interpreter.subscript(found, key, position);
        }
        return found;
    }

    static Value map(Interpreter interpreter, Value operand, Arguments arguments, int position) {
        Value attribute = arguments.named().get("attribute");
        List<Value> mapped = new ArrayList<>();
        if (attribute != null) {
            arguments.allow("map", position, "attribute", "default");
            Value fallback = arguments.named().get("default");
            for (Value element : elements(interpreter, operand, position)) {
                Value found = attribute(interpreter, element, attribute, position);
                mapped.add(found instanceof Undefined && fallback != null ? fallback : found);
            }
            return Items.list(mapped);
        }
        String filter = Methods.string(arguments, 0, "filter", "map", position);
        Arguments rest = new Arguments(
                arguments.positional().subList(1, arguments.positional().size()), arguments.named());
        for (Value element : elements(interpreter, operand, position)) {
            mapped.add(Filters.apply(filter, interpreter, element, rest, position));
        }
        return Items.list(mapped);
    }

    static Value select(
            Interpreter interpreter,
            Value operand,
            Arguments arguments,
            boolean byAttribute,
            boolean wanted,
            int position) {
        int skipped = byAttribute ? 1 : 0;
        Value attribute = byAttribute ? arguments.require(0, "attribute", "selectattr", position) : None.NONE;
        boolean hasTest = arguments.positional().size() > skipped;
        String test = hasTest ? Methods.string(arguments, skipped, "test", "select", position) : "";
        Arguments rest = hasTest
                ? new Arguments(
                        arguments
                                .positional()
                                .subList(skipped + 1, arguments.positional().size()),
                        arguments.named())
                : Arguments.NONE;
        List<Value> selected = new ArrayList<>();
        for (Value element : elements(interpreter, operand, position)) {
            Value tested = byAttribute ? attribute(interpreter, element, attribute, position) : element;
            boolean passes =
                    hasTest ? Conditions.test(test, interpreter, tested, rest, position) : Operators.isTrue(tested);
            if (passes == wanted) {
                selected.add(element);
            }
        }
        return Items.list(selected);
    }

    private static Value sortKey(
            Interpreter interpreter, Value element, Value attribute, boolean caseSensitive, int position) {
        Value key = attribute instanceof None ? element : attribute(interpreter, element, attribute, position);
        if (key instanceof Str string && !caseSensitive) {
            return new Str(string.text().map(string.text().characters().toLowerCase(Locale.ROOT)));
        }
        return key;
    }

    private static List<Value> sorted(
            Interpreter interpreter,
            List<Value> elements,
            Value attribute,
            boolean caseSensitive,
            boolean reverse,
            int position) {
        record Keyed(Value key, Value element) {}
        List<Keyed> keyed = new ArrayList<>();
        for (Value element : elements) {
            keyed.add(new Keyed(sortKey(interpreter, element, attribute, caseSensitive, position), element));
        }
        Comparator<Keyed> order = (left, right) -> interpreter.operators().compare(left.key(), right.key(), position);
        keyed.sort(reverse ? order.reversed() : order);
        List<Value> sorted = new ArrayList<>();
        keyed.forEach(entry -> sorted.add(entry.element()));
        return sorted;
    }

    static Value sort(Interpreter interpreter, Value operand, Arguments arguments, int position) {
        arguments.allow("sort", position, "reverse", "case_sensitive", "attribute");
        return Items.list(sorted(
                interpreter,
                elements(interpreter, operand, position),
                arguments.get(2, "attribute", None.NONE),
                Operators.isTrue(arguments.get(1, "case_sensitive", Bool.FALSE)),
                Operators.isTrue(arguments.get(0, "reverse", Bool.FALSE)),
                position));
    }

    static Value dictsort(Interpreter interpreter, Value operand, Arguments arguments, int position) {
        arguments.allow("dictsort", position, "case_sensitive", "by", "reverse");
        String by = Methods.optionalString(arguments, 1, "by", "dictsort", position);
        if (by != null && !by.equals("key") && !by.equals("value")) {
            throw new TemplateException(position, "dictsort sorts by key or value, not by \"" + by + "\"");
        }
        List<Value> items = ((Items) items(interpreter, operand, Arguments.NONE, position)).items();
        return Items.list(sorted(
                interpreter,
                items,
                new Int("value".equals(by) ? 1 : 0),
                Operators.isTrue(arguments.get(0, "case_sensitive", Bool.FALSE)),
                Operators.isTrue(arguments.get(2, "reverse", Bool.FALSE)),
                position));
    }

    static Value unique(Interpreter interpreter, Value operand, Arguments arguments, int position) {
        arguments.allow("unique", position, "case_sensitive", "attribute");
        boolean caseSensitive = Operators.isTrue(arguments.get(0, "case_sensitive", Bool.FALSE));
        Value attribute = arguments.get(1, "attribute", None.NONE);
        Map<Value, Value> seen = new LinkedHashMap<>();
        for (Value element : elements(interpreter, operand, position)) {
            Value key =
                    Operators.checkedKey(sortKey(interpreter, element, attribute, caseSensitive, position), position);
            seen.putIfAbsent(key, element);
        }
        return Items.list(new ArrayList<>(seen.values()));
    }

    static Value extreme(Interpreter interpreter, Value operand, Arguments arguments, boolean largest, int position) {
        arguments.allow(largest ? "max" : "min", position, "case_sensitive", "attribute");
        boolean caseSensitive = Operators.isTrue(arguments.get(0, "case_sensitive", Bool.FALSE));
        Value attribute = arguments.get(1, "attribute", None.NONE);
        Value best = null;
        for (Value element : elements(interpreter, operand, position)) {
            if (best == null || precedes(interpreter, element, best, attribute, caseSensitive, largest, position)) {
                best = element;
            }
        }
        return best == null ? new Undefined("the extreme of nothing") : best;
    }

    private static boolean precedes(
            Interpreter interpreter,
            Value left,
            Value right,
            Value attribute,
            boolean caseSensitive,
            boolean largest,
            int position) {
        int order = interpreter
                .operators()
                .compare(
                        sortKey(interpreter, left, attribute, caseSensitive, position),
                        sortKey(interpreter, right, attribute, caseSensitive, position),
                        position);
        return largest ? order > 0 : order < 0;
    }

    static Value sum(Interpreter interpreter, Value operand, Arguments arguments, int position) {
        arguments.allow("sum", position, "attribute", "start");
        Value attribute = arguments.get(0, "attribute", None.NONE);
        Value sum = arguments.get(1, "start", new Int(0));
        for (Value element : elements(interpreter, operand, position)) {
            Value summand = attribute instanceof None ? element : attribute(interpreter, element, attribute, position);
            sum = interpreter.operators().binary("+", sum, summand, position);
        }
        return sum;
    }

    static Value batch(Interpreter interpreter, Value operand, Arguments arguments, int position) {
        arguments.allow("batch", position, "linecount", "fill_with");
        long size = Methods.integer(arguments, 0, "linecount", 0, "batch", position);
        if (size < 1 || size > Budget.MAXIMUM_ELEMENTS) {
            throw new TemplateException(
                    position, "batch takes a size from 1 to " + Budget.MAXIMUM_ELEMENTS + ", not " + size);
        }
        @Nullable Value fill = arguments.find(1, "fill_with");
        List<Value> batches = new ArrayList<>();
        List<Value> elements = elements(interpreter, operand, position);
        for (int start = 0; start < elements.size(); start += (int) size) {
            List<Value> part = new ArrayList<>(elements.subList(start, Math.min(elements.size(), start + (int) size)));
            interpreter.budget().elements(position, size);
            while (fill != null && !(fill instanceof None) && part.size() < size) {
                part.add(fill);
            }
            batches.add(Items.list(part));
        }
        return Items.list(batches);
    }
}
