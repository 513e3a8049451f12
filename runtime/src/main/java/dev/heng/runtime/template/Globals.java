package dev.heng.runtime.template;

import dev.heng.runtime.template.Value.Dict;
import dev.heng.runtime.template.Value.Int;
import dev.heng.runtime.template.Value.Items;
import dev.heng.runtime.template.Value.Namespace;
import dev.heng.runtime.template.Value.Str;
import java.time.ZonedDateTime;
import java.time.format.TextStyle;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;

/** The functions every template can call. */
final class Globals {

    /** As in the sandbox that {@code transformers} renders templates in. */
    private static final int MAXIMUM_RANGE = 100_000;

    private Globals() {}

    /** Defines them in a scope. */
    static void define(Scope scope, Interpreter interpreter, ZonedDateTime now) {
        scope.set("range", function((arguments, position) -> range(interpreter, arguments, position)));
        scope.set("namespace", function((arguments, position) -> {
            Namespace namespace = new Namespace();
            entries(interpreter, arguments, position)
                    .forEach((key, value) -> namespace
                            .attributes()
                            .put(interpreter.formatter().str(key, position).characters(), value));
            return namespace;
        }));
        scope.set("dict", function((arguments, position) -> Dict.of(entries(interpreter, arguments, position))));
        scope.set("raise_exception", function((arguments, position) -> {
            String message = interpreter
                    .formatter()
                    .str(arguments.require(0, "message", "raise_exception", position), position)
                    .characters();
            throw new TemplateException(
                    position,
                    "the template refuses the conversation: " + message,
                    "give it a conversation of the roles and order it takes, or pass --raw to prompt without it");
        }));
        scope.set(
                "strftime_now",
                function((arguments, position) -> Str.ofTemplate(
                        format(now, Methods.string(arguments, 0, "format", "strftime_now", position), position))));
    }

    private static Value.Function function(Value.Function function) {
        return function;
    }

    private static Value range(Interpreter interpreter, Arguments arguments, int position) {
        arguments.allow("range", position, "start", "stop", "step");
        boolean single = arguments.positional().size() == 1;
        long start = single ? 0 : Methods.integer(arguments, 0, "start", 0, "range", position);
        Long stop = Operators.integer(arguments.require(single ? 0 : 1, "stop", "range", position));
        long step = Methods.integer(arguments, 2, "step", 1, "range", position);
        if (stop == null || step == 0) {
            throw new TemplateException(position, "range takes integers, and a step that is not zero");
        }
        List<Value> numbers = new ArrayList<>();
        for (long number = start; step > 0 ? number < stop : number > stop; ) {
            if (numbers.size() >= MAXIMUM_RANGE) {
                throw new TemplateException(position, "range makes more than " + MAXIMUM_RANGE + " numbers");
            }
            numbers.add(new Int(number));
            long next = number + step;
            if ((step > 0) != (next > number)) {
                break;
            }
            number = next;
        }
        interpreter.budget().elements(position, numbers.size());
        return Items.list(numbers);
    }

    private static Map<Value, Value> entries(Interpreter interpreter, Arguments arguments, int position) {
        Map<Value, Value> entries = new LinkedHashMap<>();
        for (Value given : arguments.positional()) {
            if (given instanceof Dict dictionary) {
                entries.putAll(dictionary.entries());
                continue;
            }
            for (Value pair : interpreter.operators().iterate(given, position)) {
                List<Value> parts = interpreter.operators().iterate(pair, position);
                if (parts.size() != 2) {
                    throw new TemplateException(
                            position, "a dictionary is made of pairs, not of " + parts.size() + " values");
                }
                entries.put(Operators.checkedKey(parts.get(0), position), parts.get(1));
            }
        }
        arguments.named().forEach((name, value) -> entries.put(Str.ofTemplate(name), value));
        return entries;
    }

    /** Writes a time as C's {@code strftime} does in the C locale. */
    private static String format(ZonedDateTime now, String format, int position) {
        StringBuilder text = new StringBuilder();
        int i = 0;
        while (i < format.length()) {
            char letter = format.charAt(i++);
            if (letter != '%' || i == format.length()) {
                text.append(letter);
                continue;
            }
            boolean padded = format.charAt(i) != '-' || i + 1 == format.length();
            if (!padded) {
                i++;
            }
            String field = field(now, format.charAt(i++), position);
            text.append(padded ? field : field.replaceFirst("^[0 ]+(?=.)", ""));
        }
        return text.toString();
    }

    private static String field(ZonedDateTime now, char code, int position) {
        return switch (code) {
            case 'Y' -> Integer.toString(now.getYear());
            case 'y' -> twoDigits(now.getYear() % 100);
            case 'm' -> twoDigits(now.getMonthValue());
            case 'd' -> twoDigits(now.getDayOfMonth());
            case 'e' -> String.format("%2d", now.getDayOfMonth());
            case 'j' -> String.format("%03d", now.getDayOfYear());
            case 'H' -> twoDigits(now.getHour());
            case 'I' -> twoDigits((now.getHour() + 11) % 12 + 1);
            case 'M' -> twoDigits(now.getMinute());
            case 'S' -> twoDigits(now.getSecond());
            case 'p' -> now.getHour() < 12 ? "AM" : "PM";
            case 'B' -> now.getMonth().getDisplayName(TextStyle.FULL, Locale.ENGLISH);
            case 'b', 'h' -> now.getMonth().getDisplayName(TextStyle.SHORT, Locale.ENGLISH);
            case 'A' -> now.getDayOfWeek().getDisplayName(TextStyle.FULL, Locale.ENGLISH);
            case 'a' -> now.getDayOfWeek().getDisplayName(TextStyle.SHORT, Locale.ENGLISH);
            case 'F' -> field(now, 'Y', position) + "-" + field(now, 'm', position) + "-" + field(now, 'd', position);
            case 'T' -> field(now, 'H', position) + ":" + field(now, 'M', position) + ":" + field(now, 'S', position);
            case 'Z' -> now.getZone().getDisplayName(TextStyle.SHORT, Locale.ENGLISH);
            case 'z' ->
                now.getOffset().getId().equals("Z")
                        ? "+0000"
                        : now.getOffset().getId().replace(":", "");
            case '%' -> "%";
            default -> throw new TemplateException(position, "strftime_now does not know %" + code);
        };
    }

    private static String twoDigits(int number) {
        return String.format("%02d", number);
    }
}
