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
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/** Computes as Python does, within a budget. */
final class Operators {

    private final Budget budget;
    private final Formatter formatter;

    Operators(Budget budget, Formatter formatter) {
        this.budget = budget;
        this.formatter = formatter;
    }

    static boolean isTrue(Value value) {
        return switch (value) {
            case None _, Undefined _ -> false;
            case Bool bool -> bool.value();
            case Int integer -> integer.value() != 0;
            case Real real -> real.value() != 0;
            case Str string -> !string.text().isEmpty();
            case Items list -> !list.items().isEmpty();
            case Dict dictionary -> !dictionary.entries().isEmpty();
            case Namespace _, Loop _, Function _ -> true;
        };
    }

    /** Returns what a for loop runs over. */
    List<Value> iterate(Value value, int position) {
        return switch (value) {
            case Items list -> list.items();
            case Undefined _ -> List.of();
            case Dict dictionary -> {
                budget.elements(position, dictionary.entries().size());
                yield new ArrayList<>(dictionary.entries().keySet());
            }
            case Str string -> {
                budget.elements(position, string.text().characters().length());
                yield string.text().split();
            }
            case None _, Bool _, Int _, Real _, Namespace _, Loop _, Function _ ->
                throw new TemplateException(position, Value.typeName(value) + " has no elements to go through");
        };
    }

    /** Returns whether two values are equal; truth values count as 0 and 1. */
    boolean equal(Value left, Value right, int position) {
        budget.step(position);
        if (left instanceof Str first && right instanceof Str second) {
            budget.characters(
                    position,
                    Math.min(
                            first.text().characters().length(),
                            second.text().characters().length()));
            return first.text().equals(second.text());
        }
        if (left instanceof Items first && right instanceof Items second) {
            return first.tuple() == second.tuple() && equalItems(first.items(), second.items(), position);
        }
        if (left instanceof Dict first && right instanceof Dict second) {
            return equalEntries(first.entries(), second.entries(), position);
        }
        if (isNumber(left) && isNumber(right)) {
            return compareNumbers(left, right) == 0;
        }
        if (left instanceof Undefined && right instanceof Undefined) {
            return true;
        }
        // What is left has an identity of its own, or is none.
        return left.equals(right);
    }

    private boolean equalItems(List<Value> left, List<Value> right, int position) {
        if (left.size() != right.size()) {
            return false;
        }
        for (int i = 0; i < left.size(); i++) {
            if (!equal(left.get(i), right.get(i), position)) {
                return false;
            }
        }
        return true;
    }

    private boolean equalEntries(Map<Value, Value> left, Map<Value, Value> right, int position) {
        if (left.size() != right.size()) {
            return false;
        }
        for (Map.Entry<Value, Value> entry : left.entrySet()) {
            Value other = right.get(entry.getKey());
            if (other == null || !equal(entry.getValue(), other, position)) {
                return false;
            }
        }
        return true;
    }

    /** Orders two numbers, strings or lists. */
    int compare(Value left, Value right, int position) {
        budget.step(position);
        if (isNumber(left) && isNumber(right)) {
            return compareNumbers(left, right);
        }
        if (left instanceof Str first && right instanceof Str second) {
            budget.characters(
                    position,
                    Math.min(
                            first.text().characters().length(),
                            second.text().characters().length()));
            return compareCodePoints(first.text().characters(), second.text().characters());
        }
        if (left instanceof Items first && right instanceof Items second && first.tuple() == second.tuple()) {
            for (int i = 0; i < Math.min(first.items().size(), second.items().size()); i++) {
                if (!equal(first.items().get(i), second.items().get(i), position)) {
                    return compare(first.items().get(i), second.items().get(i), position);
                }
            }
            return Integer.compare(first.items().size(), second.items().size());
        }
        throw new TemplateException(
                position, "there is no order between " + Value.typeName(left) + " and " + Value.typeName(right));
    }

    private static int compareCodePoints(String left, String right) {
        int[] first = left.codePoints().toArray();
        int[] second = right.codePoints().toArray();
        return Arrays.compare(first, second);
    }

    boolean comparison(String operator, Value left, Value right, int position) {
        return switch (operator) {
            case "==" -> equal(left, right, position);
            case "!=" -> !equal(left, right, position);
            case "<" -> compare(left, right, position) < 0;
            case "<=" -> isUnordered(left, right) ? false : compare(left, right, position) <= 0;
            case ">" -> compare(left, right, position) > 0;
            case ">=" -> isUnordered(left, right) ? false : compare(left, right, position) >= 0;
            case "in" -> contains(right, left, position);
            case "not in" -> !contains(right, left, position);
            default -> throw new IllegalArgumentException(operator);
        };
    }

    /** NaN is neither below nor above anything. */
    private static boolean isUnordered(Value left, Value right) {
        return (left instanceof Real first && Double.isNaN(first.value()))
                || (right instanceof Real second && Double.isNaN(second.value()));
    }

    boolean contains(Value container, Value element, int position) {
        return switch (container) {
            case Str string -> {
                if (!(element instanceof Str part)) {
                    throw new TemplateException(position, "a string cannot contain " + Value.typeName(element));
                }
                budget.characters(position, string.text().characters().length());
                yield string.text().characters().contains(part.text().characters());
            }
            case Items list -> {
                for (Value item : list.items()) {
                    if (equal(item, element, position)) {
                        yield true;
                    }
                }
                yield false;
            }
            case Dict dictionary -> dictionary.entries().containsKey(checkedKey(element, position));
            case Undefined _ -> false;
            case None _, Bool _, Int _, Real _, Namespace _, Loop _, Function _ ->
                throw new TemplateException(position, Value.typeName(container) + " cannot contain anything");
        };
    }

    /** Returns a value that may be a key of a dictionary. */
    static Value checkedKey(Value key, int position) {
        return switch (key) {
            case None _, Bool _, Int _, Real _, Str _ -> key;
            case Items _, Dict _, Undefined _, Namespace _, Loop _, Function _ ->
                throw new TemplateException(position, Value.typeName(key) + " cannot be a key");
        };
    }

    static boolean isNumber(Value value) {
        return value instanceof Int || value instanceof Real || value instanceof Bool;
    }

    /** Returns an integer; a truth value is 0 or 1. */
    static @Nullable Long integer(Value value) {
        if (value instanceof Int integer) {
            return integer.value();
        }
        if (value instanceof Bool bool) {
            return bool.value() ? 1L : 0L;
        }
        return null;
    }

    static double real(Value value) {
        Long integer = integer(value);
        return integer != null ? integer : ((Real) value).value();
    }

    /** Orders two numbers. */
    static int compareNumbers(Value left, Value right) {
        Long first = integer(left);
        Long second = integer(right);
        if (first != null && second != null) {
            return Long.compare(first, second);
        }
        double a = real(left);
        double b = real(right);
        if (a == b) {
            return 0;
        }
        return a < b ? -1 : 1;
    }

    Value binary(String operator, Value left, Value right, int position) {
        if (operator.equals("~")) {
            return concatenate(formatter.str(left, position), formatter.str(right, position), position);
        }
        if (isNumber(left) && isNumber(right)) {
            return arithmetic(operator, left, right, position);
        }
        if (operator.equals("+")) {
            if (left instanceof Str first && right instanceof Str second) {
                return concatenate(first.text(), second.text(), position);
            }
            if (left instanceof Items first && right instanceof Items second && first.tuple() == second.tuple()) {
                budget.elements(
                        position, (long) first.items().size() + second.items().size());
                List<Value> joined = new ArrayList<>(first.items());
                joined.addAll(second.items());
                return first.tuple() ? Items.tuple(joined) : Items.list(joined);
            }
        }
        if (operator.equals("*")) {
            Long count = integer(right) != null ? integer(right) : integer(left);
            Value repeated = integer(right) != null ? left : right;
            if (count != null && (repeated instanceof Str || repeated instanceof Items)) {
                return repeat(repeated, Math.max(0, count), position);
            }
        }
        throw new TemplateException(
                position, "\"" + operator + "\" cannot join " + Value.typeName(left) + " and " + Value.typeName(right));
    }

    private Value concatenate(Text left, Text right, int position) {
        budget.characters(
                position, (long) left.characters().length() + right.characters().length());
        return new Str(new Text.Builder().append(left).append(right).build());
    }

    private Value repeat(Value value, long count, int position) {
        if (value instanceof Str string) {
            budget.characters(
                    position, product(count, string.text().characters().length()));
            Text.Builder text = new Text.Builder();
            for (long i = 0; i < count && !string.text().isEmpty(); i++) {
                text.append(string.text());
            }
            return new Str(text.build());
        }
        Items list = (Items) value;
        budget.elements(position, product(count, list.items().size()));
        List<Value> items = new ArrayList<>();
        for (long i = 0; i < count && !list.items().isEmpty(); i++) {
            items.addAll(list.items());
        }
        return list.tuple() ? Items.tuple(items) : Items.list(items);
    }

    private static long product(long count, long size) {
        return size == 0 ? 0 : (count > Long.MAX_VALUE / size ? Long.MAX_VALUE : count * size);
    }

    private static Value arithmetic(String operator, Value left, Value right, int position) {
        Long first = integer(left);
        Long second = integer(right);
        if (List.of("/", "//", "%").contains(operator) && real(right) == 0) {
            throw new TemplateException(position, "\"" + operator + "\" divides by zero");
        }
        try {
            if (first != null && second != null && !operator.equals("/") && !(operator.equals("**") && second < 0)) {
                return new Int(integerArithmetic(operator, first, second));
            }
        } catch (ArithmeticException _) {
            throw new TemplateException(position, "the result of \"" + operator + "\" does not fit 64 bits");
        }
        return new Real(realArithmetic(operator, real(left), real(right)));
    }

    private static long integerArithmetic(String operator, long left, long right) {
        return switch (operator) {
            case "+" -> Math.addExact(left, right);
            case "-" -> Math.subtractExact(left, right);
            case "*" -> Math.multiplyExact(left, right);
            case "//" -> Math.floorDivExact(left, right);
            case "%" -> Math.floorMod(left, right);
            case "**" -> Math.powExact(left, Math.toIntExact(right));
            default -> throw new IllegalArgumentException(operator);
        };
    }

    private static double realArithmetic(String operator, double left, double right) {
        return switch (operator) {
            case "+" -> left + right;
            case "-" -> left - right;
            case "*" -> left * right;
            case "/" -> left / right;
            case "//" -> Math.floor(left / right);
            case "%" -> {
                double remainder = left % right;
                yield remainder != 0 && (remainder < 0) != (right < 0) ? remainder + right : remainder;
            }
            case "**" -> Math.pow(left, right);
            default -> throw new IllegalArgumentException(operator);
        };
    }

    Value signed(Value operand, boolean negative, int position) {
        if (!isNumber(operand)) {
            throw new TemplateException(position, "there is no sign before " + Value.typeName(operand));
        }
        Long integer = integer(operand);
        if (integer == null) {
            return new Real(negative ? -real(operand) : real(operand));
        }
        if (negative && integer == Long.MIN_VALUE) {
            throw new TemplateException(position, "the result of \"-\" does not fit 64 bits");
        }
        return new Int(negative ? -integer : integer);
    }
}
