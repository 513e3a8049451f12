package dev.heng.runtime.template;

import dev.heng.runtime.template.Value.Bool;
import dev.heng.runtime.template.Value.Int;
import dev.heng.runtime.template.Value.Items;
import dev.heng.runtime.template.Value.None;
import dev.heng.runtime.template.Value.Real;
import dev.heng.runtime.template.Value.Str;
import dev.heng.runtime.template.Value.Undefined;
import java.math.BigDecimal;
import java.math.RoundingMode;
import java.util.Locale;
import java.util.Map;
import java.util.TreeSet;
import org.jspecify.annotations.Nullable;

/** The filters that stand behind {@code |}; those over lists are in {@link ListFilters}. */
final class Filters {

    /** Is a filter. */
    @FunctionalInterface
    interface Filter {
        Value apply(Interpreter interpreter, Value operand, Arguments arguments, int position);
    }

    private static final Map<String, Filter> FILTERS = Map.ofEntries(
            Map.entry("abs", Filters::abs),
            Map.entry(
                    "attr",
                    (interpreter, operand, arguments, position) -> interpreter.attribute(
                            operand, Methods.string(arguments, 0, "name", "attr", position), position)),
            Map.entry("batch", ListFilters::batch),
            Map.entry("capitalize", (interpreter, operand, _, position) -> {
                Text text = interpreter.formatter().str(operand, position);
                return new Str(text.map(Methods.capitalize(text.characters())));
            }),
            Map.entry("count", ListFilters::length),
            Map.entry("d", Filters::fallback),
            Map.entry("default", Filters::fallback),
            Map.entry("dictsort", ListFilters::dictsort),
            Map.entry("first", ListFilters::first),
            Map.entry("float", Filters::toReal),
            Map.entry("indent", Filters::indent),
            Map.entry("int", Filters::toInteger),
            Map.entry("items", ListFilters::items),
            Map.entry("join", ListFilters::join),
            Map.entry("last", ListFilters::last),
            Map.entry("length", ListFilters::length),
            Map.entry("list", ListFilters::list),
            Map.entry("lower", (interpreter, operand, _, position) -> {
                Text text = interpreter.formatter().str(operand, position);
                return new Str(text.map(text.characters().toLowerCase(Locale.ROOT)));
            }),
            Map.entry("map", ListFilters::map),
            Map.entry(
                    "max",
                    (interpreter, operand, arguments, position) ->
                            ListFilters.extreme(interpreter, operand, arguments, true, position)),
            Map.entry(
                    "min",
                    (interpreter, operand, arguments, position) ->
                            ListFilters.extreme(interpreter, operand, arguments, false, position)),
            Map.entry(
                    "reject",
                    (interpreter, operand, arguments, position) ->
                            ListFilters.select(interpreter, operand, arguments, false, false, position)),
            Map.entry(
                    "rejectattr",
                    (interpreter, operand, arguments, position) ->
                            ListFilters.select(interpreter, operand, arguments, true, false, position)),
            Map.entry("replace", Filters::replace),
            Map.entry("reverse", ListFilters::reverse),
            Map.entry("round", Filters::round),
            // Nothing is escaped here, so that everything is safe.
            Map.entry(
                    "safe",
                    (interpreter, operand, _, position) ->
                            new Str(interpreter.formatter().str(operand, position))),
            Map.entry(
                    "select",
                    (interpreter, operand, arguments, position) ->
                            ListFilters.select(interpreter, operand, arguments, false, true, position)),
            Map.entry(
                    "selectattr",
                    (interpreter, operand, arguments, position) ->
                            ListFilters.select(interpreter, operand, arguments, true, true, position)),
            Map.entry("sort", ListFilters::sort),
            Map.entry(
                    "string",
                    (interpreter, operand, _, position) ->
                            new Str(interpreter.formatter().str(operand, position))),
            Map.entry("sum", ListFilters::sum),
            Map.entry("title", Filters::title),
            Map.entry("tojson", Filters::toJson),
            Map.entry("trim", (interpreter, operand, arguments, position) -> {
                String unwanted = Methods.optionalString(arguments, 0, "chars", "trim", position);
                Text text = interpreter.formatter().str(operand, position);
                return new Str(text.strip(unwanted == null ? "" : unwanted, true, true));
            }),
            Map.entry("unique", ListFilters::unique),
            Map.entry("upper", (interpreter, operand, _, position) -> {
                Text text = interpreter.formatter().str(operand, position);
                return new Str(text.map(text.characters().toUpperCase(Locale.ROOT)));
            }),
            Map.entry(
                    "wordcount",
                    (interpreter, operand, _, position) -> new Int(
                            Splitting.split(interpreter.formatter().str(operand, position), null, Long.MAX_VALUE, false)
                                    .size())));

    private Filters() {}

    static boolean isKnown(String name) {
        return FILTERS.containsKey(name);
    }

    /** Returns the names of all filters, for messages. */
    static String names() {
        return String.join(", ", new TreeSet<>(FILTERS.keySet()));
    }

    static Value apply(String name, Interpreter interpreter, Value operand, Arguments arguments, int position) {
        Filter filter = FILTERS.get(name);
        if (filter == null) {
            throw new TemplateException(position, "there is no filter \"" + name + "\"; known are " + names());
        }
        interpreter.budget().characters(position, size(operand));
        return filter.apply(interpreter, operand, arguments, position);
    }

    private static long size(Value operand) {
        if (operand instanceof Str string) {
            return string.text().characters().length();
        }
        return operand instanceof Items list ? list.items().size() : 1;
    }

    private static Value fallback(Interpreter interpreter, Value operand, Arguments arguments, int position) {
        arguments.allow("default", position, "default_value", "boolean");
        boolean alsoFalse = Operators.isTrue(arguments.get(1, "boolean", Bool.FALSE));
        boolean missing = operand instanceof Undefined || (alsoFalse && !Operators.isTrue(operand));
        return missing ? arguments.get(0, "default_value", new Str(Text.EMPTY)) : operand;
    }

    private static Value abs(Interpreter interpreter, Value operand, Arguments arguments, int position) {
        boolean negative = Operators.isNumber(operand) && Operators.real(operand) < 0;
        return interpreter.operators().signed(operand, negative, position);
    }

    private static Value replace(Interpreter interpreter, Value operand, Arguments arguments, int position) {
        arguments.allow("replace", position, "old", "new", "count");
        Formatter formatter = interpreter.formatter();
        String old = formatter
                .str(arguments.require(0, "old", "replace", position), position)
                .characters();
        Text replacement = formatter.str(arguments.require(1, "new", "replace", position), position);
        long count = Methods.integer(arguments, 2, "count", -1, "replace", position);
        return new Str(
                Methods.replace(interpreter, formatter.str(operand, position), old, replacement, count, position));
    }

    private static Value title(Interpreter interpreter, Value operand, Arguments arguments, int position) {
        Text text = interpreter.formatter().str(operand, position);
        StringBuilder titled = new StringBuilder();
        boolean inWord = false;
        for (int codePoint : text.characters().codePoints().toArray()) {
            String letter = Character.toString(codePoint);
            titled.append(inWord ? letter.toLowerCase(Locale.ROOT) : letter.toUpperCase(Locale.ROOT));
            inWord = !Text.isSpace(codePoint) && "-({[<".indexOf(codePoint) < 0;
        }
        return new Str(text.map(titled.toString()));
    }

    private static Value indent(Interpreter interpreter, Value operand, Arguments arguments, int position) {
        arguments.allow("indent", position, "width", "first", "blank");
        Value width = arguments.get(0, "width", new Int(4));
        Text indentation;
        if (width instanceof Str string) {
            indentation = string.text();
        } else {
            long count = Math.max(0, Methods.integer(arguments, 0, "width", 4, "indent", position));
            interpreter.budget().characters(position, count);
            indentation = Text.ofTemplate(" ".repeat(Math.toIntExact(count)));
        }
        boolean first = Operators.isTrue(arguments.get(1, "first", Bool.FALSE));
        boolean blank = Operators.isTrue(arguments.get(2, "blank", Bool.FALSE));
        Text text = interpreter.formatter().str(operand, position);
        Text.Builder indented = new Text.Builder();
        String separator = "";
        // A line end at the end of the text begins one more line.
        Text whole = new Text.Builder().append(text).append("\n").build();
        for (Value line : Splitting.lines(whole, false)) {
            Text content = ((Str) line).text();
            boolean isFirst = separator.isEmpty();
            indented.append(separator);
            boolean wanted = isFirst ? first : blank || !content.isEmpty();
            if (wanted) {
                interpreter
                        .budget()
                        .characters(
                                position,
                                (long) indented.length()
                                                        + indentation
                                                                .characters()
                                                                .length()
                                                > Budget.MAXIMUM_CHARACTERS
                                        ? Budget.MAXIMUM_CHARACTERS + 1L
                                        : indentation.characters().length());
                indented.append(indentation);
            }
            indented.append(content);
            separator = "\n";
        }
        return new Str(indented.build());
    }

    private static Value toInteger(Interpreter interpreter, Value operand, Arguments arguments, int position) {
        arguments.allow("int", position, "default", "base");
        Value fallback = arguments.get(0, "default", new Int(0));
        long base = Methods.integer(arguments, 1, "base", 10, "int", position);
        if (base < Character.MIN_RADIX || base > Character.MAX_RADIX) {
            throw new TemplateException(position, "int takes a base from 2 to 36, not " + base);
        }
        Long integer = Operators.integer(operand);
        if (integer != null) {
            return new Int(integer);
        }
        if (operand instanceof Str string) {
            String digits = string.text().characters().strip().replace("_", "");
            try {
                return new Int(Long.parseLong(digits, (int) base));
            } catch (NumberFormatException _) {
                // It may still be a number with a fraction.
            }
        }
        Double real = parse(operand);
        return real == null || real.isNaN() || Math.abs(real) >= 0x1p63 ? fallback : new Int(real.longValue());
    }

    private static Value toReal(Interpreter interpreter, Value operand, Arguments arguments, int position) {
        arguments.allow("float", position, "default");
        Double real = parse(operand);
        return real == null ? arguments.get(0, "default", new Real(0)) : new Real(real);
    }

    private static @Nullable Double parse(Value value) {
        if (Operators.isNumber(value)) {
            return Operators.real(value);
        }
        if (value instanceof Str string) {
            String text = string.text().characters().strip().toLowerCase(Locale.ROOT);
            if (text.matches("[-+]?(\\d+\\.?\\d*|\\.\\d+)(e[-+]?\\d+)?")) {
                return Double.parseDouble(text);
            }
        }
        return null;
    }

    private static Value round(Interpreter interpreter, Value operand, Arguments arguments, int position) {
        arguments.allow("round", position, "precision", "method");
        if (!Operators.isNumber(operand)) {
            throw new TemplateException(position, "round takes a number, not " + Value.typeName(operand));
        }
        long precision = Methods.integer(arguments, 0, "precision", 0, "round", position);
        String method = Methods.optionalString(arguments, 1, "method", "round", position);
        RoundingMode mode = switch (method == null ? "common" : method) {
            case "common" -> RoundingMode.HALF_EVEN;
            case "ceil" -> RoundingMode.CEILING;
            case "floor" -> RoundingMode.FLOOR;
            default ->
                throw new TemplateException(position, "round knows common, ceil and floor, not \"" + method + "\"");
        };
        double value = Operators.real(operand);
        if (Double.isNaN(value) || Double.isInfinite(value) || precision > 308) {
            return new Real(value);
        }
        int digits = Math.toIntExact(Math.max(precision, -310));
        double rounded = new BigDecimal(value).setScale(digits, mode).doubleValue();
        return new Real(rounded == 0 ? Math.copySign(0, value) : rounded);
    }

    private static Value toJson(Interpreter interpreter, Value operand, Arguments arguments, int position) {
        arguments.allow("tojson", position, "ensure_ascii", "indent", "separators", "sort_keys");
        Value indent = arguments.get(1, "indent", None.NONE);
        Text indentation = null;
        if (indent instanceof Str string) {
            indentation = string.text();
        } else if (!(indent instanceof None)) {
            long width = Math.max(0, Methods.integer(arguments, 1, "indent", 0, "tojson", position));
            interpreter.budget().characters(position, width);
            indentation = Text.ofTemplate(" ".repeat(Math.toIntExact(width)));
        }
        Text itemSeparator = Text.ofTemplate(indentation == null ? ", " : ",");
        Text keySeparator = Text.ofTemplate(": ");
        Value separators = arguments.get(2, "separators", None.NONE);
        if (separators instanceof Items pair && pair.items().size() == 2) {
            itemSeparator = interpreter.formatter().str(pair.items().get(0), position);
            keySeparator = interpreter.formatter().str(pair.items().get(1), position);
        } else if (!(separators instanceof None)) {
            throw new TemplateException(position, "tojson takes two separators, not " + Value.typeName(separators));
        }
        JsonWriter.Style style = new JsonWriter.Style(
                indentation,
                itemSeparator,
                keySeparator,
                Operators.isTrue(arguments.get(3, "sort_keys", Bool.FALSE)),
                Operators.isTrue(arguments.get(0, "ensure_ascii", Bool.FALSE)));
        return new Str(JsonWriter.write(operand, style, interpreter.budget(), position));
    }
}
