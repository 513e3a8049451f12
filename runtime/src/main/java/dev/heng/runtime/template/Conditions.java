package dev.heng.runtime.template;

import dev.heng.runtime.template.Value.Bool;
import dev.heng.runtime.template.Value.Dict;
import dev.heng.runtime.template.Value.Function;
import dev.heng.runtime.template.Value.Int;
import dev.heng.runtime.template.Value.Items;
import dev.heng.runtime.template.Value.None;
import dev.heng.runtime.template.Value.Real;
import dev.heng.runtime.template.Value.Str;
import dev.heng.runtime.template.Value.Undefined;
import java.util.Locale;
import java.util.Set;
import java.util.TreeSet;

/** The tests that stand behind {@code is}. */
final class Conditions {

    private static final Set<String> NAMES = Set.of(
            "boolean",
            "callable",
            "defined",
            "divisibleby",
            "eq",
            "equalto",
            "==",
            "even",
            "false",
            "filter",
            "float",
            "ge",
            ">=",
            "gt",
            "greaterthan",
            ">",
            "in",
            "integer",
            "iterable",
            "le",
            "<=",
            "lower",
            "lt",
            "lessthan",
            "<",
            "mapping",
            "ne",
            "!=",
            "none",
            "number",
            "odd",
            "sameas",
            "sequence",
            "string",
            "test",
            "true",
            "undefined",
            "upper");

    private Conditions() {}

    static boolean isKnown(String name) {
        return NAMES.contains(name);
    }

    /** Returns the names of all tests, for messages. */
    static String names() {
        return String.join(", ", new TreeSet<>(NAMES));
    }

    static boolean test(String name, Interpreter interpreter, Value operand, Arguments arguments, int position) {
        return switch (name) {
            case "defined" -> !(operand instanceof Undefined);
            case "undefined" -> operand instanceof Undefined;
            case "none" -> operand instanceof None;
            case "boolean" -> operand instanceof Bool;
            case "true" -> operand instanceof Bool bool && bool.value();
            case "false" -> operand instanceof Bool bool && !bool.value();
            case "integer" -> operand instanceof Int;
            case "float" -> operand instanceof Real;
            case "number" -> Operators.isNumber(operand);
            case "string" -> operand instanceof Str;
            case "mapping" -> operand instanceof Dict;
            case "sequence" ->
                operand instanceof Items
                        || operand instanceof Str
                        || operand instanceof Dict
                        || operand instanceof Undefined;
            case "iterable" ->
                operand instanceof Items
                        || operand instanceof Str
                        || operand instanceof Dict
                        || operand instanceof Undefined;
            case "callable" -> operand instanceof Function;
            case "odd" -> Math.floorMod(integer(name, operand, position), 2) == 1;
            case "even" -> Math.floorMod(integer(name, operand, position), 2) == 0;
            case "divisibleby" -> {
                long divisor = integer(name, arguments.require(0, "num", name, position), position);
                if (divisor == 0) {
                    throw new TemplateException(position, "nothing is divisible by zero");
                }
                yield integer(name, operand, position) % divisor == 0;
            }
            case "upper" -> isCase(interpreter, operand, true, position);
            case "lower" -> isCase(interpreter, operand, false, position);
            case "filter" ->
                Filters.isKnown(interpreter.formatter().str(operand, position).characters());
            case "test" ->
                isKnown(interpreter.formatter().str(operand, position).characters());
            case "sameas" -> isSame(interpreter, operand, arguments.require(0, "other", name, position), position);
            case "in" ->
                interpreter.operators().contains(arguments.require(0, "seq", name, position), operand, position);
            case "eq", "equalto", "==" -> compare("==", interpreter, operand, arguments, position);
            case "ne", "!=" -> compare("!=", interpreter, operand, arguments, position);
            case "lt", "lessthan", "<" -> compare("<", interpreter, operand, arguments, position);
            case "le", "<=" -> compare("<=", interpreter, operand, arguments, position);
            case "gt", "greaterthan", ">" -> compare(">", interpreter, operand, arguments, position);
            case "ge", ">=" -> compare(">=", interpreter, operand, arguments, position);
            default -> throw new TemplateException(position, "there is no test \"" + name + "\"; known are " + names());
        };
    }

    private static boolean compare(
            String operator, Interpreter interpreter, Value operand, Arguments arguments, int position) {
        return interpreter
                .operators()
                .comparison(operator, operand, arguments.require(0, "other", operator, position), position);
    }

    private static boolean isSame(Interpreter interpreter, Value left, Value right, int position) {
        return left.getClass() == right.getClass() && interpreter.operators().equal(left, right, position);
    }

    private static boolean isCase(Interpreter interpreter, Value operand, boolean upper, int position) {
        String text = interpreter.formatter().str(operand, position).characters();
        String raised = text.toUpperCase(Locale.ROOT);
        String lowered = text.toLowerCase(Locale.ROOT);
        return !raised.equals(lowered) && text.equals(upper ? raised : lowered);
    }

    private static long integer(String name, Value value, int position) {
        Long integer = Operators.integer(value);
        if (integer == null) {
            throw new TemplateException(
                    position, "the test \"" + name + "\" takes integers, not " + Value.typeName(value));
        }
        return integer;
    }
}
