package dev.heng.runtime.template;

import dev.heng.runtime.template.Value.Bool;
import dev.heng.runtime.template.Value.Dict;
import dev.heng.runtime.template.Value.Function;
import dev.heng.runtime.template.Value.Int;
import dev.heng.runtime.template.Value.Items;
import dev.heng.runtime.template.Value.Loop;
import dev.heng.runtime.template.Value.None;
import dev.heng.runtime.template.Value.Str;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import java.util.function.IntPredicate;
import org.jspecify.annotations.Nullable;

/**
 * The methods of strings, dictionaries, lists and loops. Methods that change a list or dictionary do not exist, as in the sandbox that
 * {@code transformers} renders templates in.
 */
final class Methods {

    private static final Set<String> OF_STRINGS = Set.of(
            "upper",
            "lower",
            "title",
            "capitalize",
            "swapcase",
            "strip",
            "lstrip",
            "rstrip",
            "split",
            "rsplit",
            "splitlines",
            "partition",
            "rpartition",
            "replace",
            "startswith",
            "endswith",
            "find",
            "rfind",
            "index",
            "count",
            "join",
            "isdigit",
            "isalpha",
            "isalnum",
            "isspace",
            "isupper",
            "islower",
            "center",
            "ljust",
            "rjust",
            "zfill",
            "removeprefix",
            "removesuffix");
    private static final Set<String> OF_DICTIONARIES = Set.of("items", "keys", "values", "get");
    private static final Set<String> OF_LISTS = Set.of("index", "count");
    private static final Set<String> OF_LOOPS = Set.of("cycle", "changed");

    private Methods() {}

    static boolean isKnown(String name) {
        return OF_STRINGS.contains(name)
                || OF_DICTIONARIES.contains(name)
                || OF_LISTS.contains(name)
                || OF_LOOPS.contains(name);
    }

    /** Returns the names of all methods, for messages. */
    static String names() {
        Set<String> names = new TreeSet<>(OF_STRINGS);
        names.addAll(OF_DICTIONARIES);
        names.addAll(OF_LISTS);
        names.addAll(OF_LOOPS);
        return String.join(", ", names);
    }

    /** Returns a method bound to its object, or nothing if the object has no such method. */
    static @Nullable Function find(Interpreter interpreter, Value object, String name) {
        if (object instanceof Str string && OF_STRINGS.contains(name)) {
            return (arguments, position) -> {
                interpreter
                        .budget()
                        .characters(position, string.text().characters().length());
                return string(interpreter, string.text(), name, arguments, position);
            };
        }
        if (object instanceof Dict dictionary && OF_DICTIONARIES.contains(name)) {
            return (arguments, position) -> {
                interpreter
                        .budget()
                        .elements(
                                position,
                                name.equals("get") ? 0 : dictionary.entries().size());
                return dictionary(dictionary.entries(), name, arguments, position);
            };
        }
        if (object instanceof Items list && OF_LISTS.contains(name)) {
            return (arguments, position) -> list(interpreter, list.items(), name, arguments, position);
        }
        if (object instanceof Loop loop && OF_LOOPS.contains(name)) {
            return (arguments, position) -> loop(interpreter, loop, name, arguments, position);
        }
        return null;
    }

    private static Value dictionary(Map<Value, Value> entries, String name, Arguments arguments, int position) {
        return switch (name) {
            case "items" -> {
                List<Value> items = new ArrayList<>();
                entries.forEach((key, value) -> items.add(Items.tuple(key, value)));
                yield Items.list(items);
            }
            case "keys" -> Items.list(new ArrayList<>(entries.keySet()));
            case "values" -> Items.list(new ArrayList<>(entries.values()));
            default -> {
                arguments.allow("get", position, "key", "default");
                Value key = Operators.checkedKey(arguments.require(0, "key", "get", position), position);
                Value found = entries.get(key);
                yield found != null ? found : arguments.get(1, "default", None.NONE);
            }
        };
    }

    private static Value list(
            Interpreter interpreter, List<Value> items, String name, Arguments arguments, int position) {
        Value wanted = arguments.require(0, "value", name, position);
        long count = 0;
        for (int i = 0; i < items.size(); i++) {
            if (interpreter.operators().equal(items.get(i), wanted, position)) {
                if (name.equals("index")) {
                    return new Int(i);
                }
                count++;
            }
        }
        if (name.equals("index")) {
            throw new TemplateException(position, "the list has no such element");
        }
        return new Int(count);
    }

    private static Value loop(Interpreter interpreter, Loop loop, String name, Arguments arguments, int position) {
        if (name.equals("changed")) {
            Value now = Items.tuple(arguments.positional());
            return Bool.of(!interpreter.operators().equal(loop.replaceLastChanged(now), now, position));
        }
        if (arguments.positional().isEmpty()) {
            throw new TemplateException(position, "loop.cycle has nothing to choose from");
        }
        return arguments.positional().get(loop.index() % arguments.positional().size());
    }

    private static Value string(Interpreter interpreter, Text text, String name, Arguments arguments, int position) {
        String characters = text.characters();
        return switch (name) {
            case "upper" -> new Str(text.map(characters.toUpperCase(Locale.ROOT)));
            case "lower" -> new Str(text.map(characters.toLowerCase(Locale.ROOT)));
            case "title" -> new Str(text.map(title(characters)));
            case "capitalize" -> new Str(text.map(capitalize(characters)));
            case "swapcase" -> new Str(text.map(swapCase(characters)));
            case "strip", "lstrip", "rstrip" -> {
                String unwanted = optionalString(arguments, 0, "chars", name, position);
                yield new Str(
                        unwanted != null && unwanted.isEmpty()
                                ? text
                                : text.strip(
                                        unwanted == null ? "" : unwanted,
                                        !name.equals("rstrip"),
                                        !name.equals("lstrip")));
            }
            case "split", "rsplit" -> {
                arguments.allow(name, position, "sep", "maxsplit");
                String separator = optionalString(arguments, 0, "sep", name, position);
                long most = integer(arguments, 1, "maxsplit", -1, name, position);
                if (separator != null && separator.isEmpty()) {
                    throw new TemplateException(position, name + " has an empty separator");
                }
                yield Items.list(
                        Splitting.split(text, separator, most < 0 ? Long.MAX_VALUE : most, name.equals("rsplit")));
            }
            case "splitlines" ->
                Items.list(Splitting.lines(text, Operators.isTrue(arguments.get(0, "keepends", Bool.FALSE))));
            case "partition", "rpartition" ->
                Items.tuple(Splitting.partition(
                        text, string(arguments, 0, "sep", name, position), name.equals("rpartition")));
            case "replace" -> {
                arguments.allow(name, position, "old", "new", "count");
                yield new Str(replace(
                        interpreter,
                        text,
                        string(arguments, 0, "old", name, position),
                        text(arguments, 1, "new", name, position),
                        integer(arguments, 2, "count", -1, name, position),
                        position));
            }
            case "startswith", "endswith" ->
                Bool.of(hasAffix(characters, name.equals("startswith"), arguments, position));
            case "find", "rfind", "index" -> new Int(find(text, name, arguments, position));
            case "count" -> new Int(count(characters, string(arguments, 0, "sub", name, position)));
            case "join" -> join(interpreter, text, arguments.require(0, "iterable", name, position), position);
            case "isdigit" -> allAre(characters, Character::isDigit);
            case "isalpha" -> allAre(characters, Character::isLetter);
            case "isalnum" -> allAre(characters, Character::isLetterOrDigit);
            case "isspace" -> allAre(characters, Text::isSpace);
            case "isupper" ->
                Bool.of(characters.equals(characters.toUpperCase(Locale.ROOT))
                        && !characters.equals(characters.toLowerCase(Locale.ROOT)));
            case "islower" ->
                Bool.of(characters.equals(characters.toLowerCase(Locale.ROOT))
                        && !characters.equals(characters.toUpperCase(Locale.ROOT)));
            case "center", "ljust", "rjust", "zfill" -> pad(interpreter, text, name, arguments, position);
            case "removeprefix" -> {
                String prefix = string(arguments, 0, "prefix", name, position);
                yield new Str(
                        characters.startsWith(prefix) ? text.substring(prefix.length(), characters.length()) : text);
            }
            case "removesuffix" -> {
                String suffix = string(arguments, 0, "suffix", name, position);
                yield new Str(
                        characters.endsWith(suffix) ? text.substring(0, characters.length() - suffix.length()) : text);
            }
            default -> throw new IllegalArgumentException(name);
        };
    }

    private static Bool allAre(String characters, IntPredicate property) {
        return Bool.of(!characters.isEmpty() && characters.codePoints().allMatch(property));
    }

    /** Returns the text with a capital at its start and none behind. */
    static String capitalize(String text) {
        if (text.isEmpty()) {
            return text;
        }
        int first = Character.charCount(text.codePointAt(0));
        return text.substring(0, first).toUpperCase(Locale.ROOT)
                + text.substring(first).toLowerCase(Locale.ROOT);
    }

    private static String title(String text) {
        StringBuilder titled = new StringBuilder();
        boolean inWord = false;
        for (int codePoint : text.codePoints().toArray()) {
            titled.appendCodePoint(inWord ? Character.toLowerCase(codePoint) : Character.toTitleCase(codePoint));
            inWord = Character.isLetter(codePoint);
        }
        return titled.toString();
    }

    private static String swapCase(String text) {
        StringBuilder swapped = new StringBuilder();
        for (int codePoint : text.codePoints().toArray()) {
            String letter = Character.toString(codePoint);
            swapped.append(
                    Character.isUpperCase(codePoint)
                            ? letter.toLowerCase(Locale.ROOT)
                            : letter.toUpperCase(Locale.ROOT));
        }
        return swapped.toString();
    }

    private static boolean hasAffix(String text, boolean atStart, Arguments arguments, int position) {
        String name = atStart ? "startswith" : "endswith";
        arguments.allow(name, position, atStart ? "prefix" : "suffix");
        Value wanted = arguments.require(0, atStart ? "prefix" : "suffix", name, position);
        List<Value> choices = wanted instanceof Items list && list.tuple() ? list.items() : List.of(wanted);
        for (Value choice : choices) {
            if (!(choice instanceof Str affix)) {
                throw new TemplateException(
                        position, name + " compares with strings, not with " + Value.typeName(choice));
            }
            String characters = affix.text().characters();
            if (atStart ? text.startsWith(characters) : text.endsWith(characters)) {
                return true;
            }
        }
        return false;
    }

    private static long find(Text text, String name, Arguments arguments, int position) {
        arguments.allow(name, position, "sub");
        String wanted = string(arguments, 0, "sub", name, position);
        int found = name.equals("rfind")
                ? text.characters().lastIndexOf(wanted)
                : text.characters().indexOf(wanted);
        if (found < 0 && name.equals("index")) {
            throw new TemplateException(position, "the string has no such part");
        }
        return found < 0 ? -1 : text.characters().codePointCount(0, found);
    }

    private static long count(String text, String wanted) {
        if (wanted.isEmpty()) {
            return text.codePointCount(0, text.length()) + 1L;
        }
        long count = 0;
        for (int at = text.indexOf(wanted); at >= 0; at = text.indexOf(wanted, at + wanted.length())) {
            count++;
        }
        return count;
    }

    /** Replaces the first occurrences of a part; a negative count means all. */
    static Text replace(Interpreter interpreter, Text text, String old, Text replacement, long count, int position) {
        String characters = text.characters();
        Text.Builder replaced = new Text.Builder();
        int from = 0;
        long left = count < 0 ? Long.MAX_VALUE : count;
        int at = characters.indexOf(old);
        while (at >= 0 && left > 0) {
            interpreter
                    .budget()
                    .characters(
                            position,
                            (long) at - from + replacement.characters().length() + 1);
            checkLength(
                    interpreter,
                    (long) replaced.length()
                            + at
                            - from
                            + replacement.characters().length(),
                    position);
            replaced.append(text.substring(from, at)).append(replacement);
            left--;
            from = at + old.length();
            if (!old.isEmpty()) {
                at = characters.indexOf(old, from);
                continue;
            }
            // The empty string occurs before every code point and at the end.
            at = from < characters.length() ? from + Character.charCount(characters.codePointAt(from)) : -1;
        }
        checkLength(interpreter, (long) replaced.length() + characters.length() - from, position);
        return replaced.append(text.substring(from, characters.length())).build();
    }

    private static void checkLength(Interpreter interpreter, long length, int position) {
        if (length > Budget.MAXIMUM_CHARACTERS) {
            interpreter.budget().characters(position, length);
        }
    }

    private static Value join(Interpreter interpreter, Text separator, Value parts, int position) {
        Text.Builder joined = new Text.Builder();
        boolean first = true;
        for (Value part : interpreter.operators().iterate(parts, position)) {
            if (!(part instanceof Str string)) {
                throw new TemplateException(position, "join takes strings, not " + Value.typeName(part));
            }
            interpreter
                    .budget()
                    .characters(
                            position,
                            (long) separator.characters().length()
                                    + string.text().characters().length());
            checkLength(
                    interpreter,
                    (long) joined.length()
                            + separator.characters().length()
                            + string.text().characters().length(),
                    position);
            if (!first) {
                joined.append(separator);
            }
            joined.append(string.text());
            first = false;
        }
        return new Str(joined.build());
    }

    private static Value pad(Interpreter interpreter, Text text, String name, Arguments arguments, int position) {
        long width = integer(arguments, 0, "width", 0, name, position);
        long missing = Math.max(0, width - text.codePoints());
        interpreter.budget().characters(position, missing);
        int count = Math.toIntExact(missing);
        if (name.equals("zfill")) {
            int sign = text.characters().startsWith("-") || text.characters().startsWith("+") ? 1 : 0;
            return new Str(new Text.Builder()
                    .append(text.substring(0, sign))
                    .append("0".repeat(count))
                    .append(text.substring(sign, text.characters().length()))
                    .build());
        }
        String fill = optionalString(arguments, 1, "fillchar", name, position);
        if (fill != null && fill.codePointCount(0, fill.length()) != 1) {
            throw new TemplateException(position, name + " fills with one character, not with \"" + fill + "\"");
        }
        int left = switch (name) {
            case "ljust" -> 0;
            case "rjust" -> count;
            // Where both sides cannot be equal, Python puts the odd one left if the width is odd.
            default -> count / 2 + (int) (count & width & 1);
        };
        String filling = fill == null ? " " : fill;
        return new Str(new Text.Builder()
                .append(filling.repeat(left))
                .append(text)
                .append(filling.repeat(count - left))
                .build());
    }

    /** Returns an argument that must be a string. */
    static Text text(Arguments arguments, int index, String name, String function, int position) {
        Value value = arguments.require(index, name, function, position);
        if (!(value instanceof Str string)) {
            throw new TemplateException(
                    position, function + " takes a string as \"" + name + "\", not " + Value.typeName(value));
        }
        return string.text();
    }

    /** Returns the characters of an argument that must be a string. */
    static String string(Arguments arguments, int index, String name, String function, int position) {
        return text(arguments, index, name, function, position).characters();
    }

    /** Returns the characters of an argument that must be a string if it is given and not none. */
    static @Nullable String optionalString(Arguments arguments, int index, String name, String function, int position) {
        Value value = arguments.find(index, name);
        return value == null || value instanceof None ? null : string(arguments, index, name, function, position);
    }

    /** Returns an argument that must be an integer if it is given and not none. */
    static long integer(Arguments arguments, int index, String name, long fallback, String function, int position) {
        Value value = arguments.find(index, name);
        if (value == null || value instanceof None) {
            return fallback;
        }
        Long integer = Operators.integer(value);
        if (integer == null) {
            throw new TemplateException(
                    position, function + " takes an integer as \"" + name + "\", not " + Value.typeName(value));
        }
        return integer;
    }
}
