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
import java.math.BigDecimal;
import java.util.Map;

/** Writes values as Python does: {@code str}, and {@code repr} for what lies inside lists and dictionaries. */
final class Formatter {

    private final Budget budget;

    Formatter(Budget budget) {
        this.budget = budget;
    }

    /** Returns the value as it is printed. */
    Text str(Value value, int position) {
        if (value instanceof Str string) {
            return string.text();
        }
        Text.Builder text = new Text.Builder();
        if (!(value instanceof Undefined)) {
            repr(value, text, position);
        }
        return text.build();
    }

    private void repr(Value value, Text.Builder text, int position) {
        budget.step(position);
        switch (value) {
            case None _ -> text.append("None");
            case Bool bool -> text.append(bool.value() ? "True" : "False");
            case Int integer -> text.append(Long.toString(integer.value()));
            case Real real -> text.append(real(real.value()));
            case Str string -> {
                budget.characters(position, string.text().characters().length());
                text.append(string.text().derive(quote(string.text().characters())));
            }
            case Items list -> {
                text.append(list.tuple() ? "(" : "[");
                String separator = "";
                for (Value item : list.items()) {
                    text.append(separator);
                    repr(item, text, position);
                    separator = ", ";
                }
                text.append(list.tuple() && list.items().size() == 1 ? "," : "").append(list.tuple() ? ")" : "]");
            }
            case Dict dictionary -> {
                text.append("{");
                String separator = "";
                for (Map.Entry<Value, Value> entry : dictionary.entries().entrySet()) {
                    text.append(separator);
                    repr(entry.getKey(), text, position);
                    text.append(": ");
                    repr(entry.getValue(), text, position);
                    separator = ", ";
                }
                text.append("}");
            }
            case Undefined _ -> text.append("Undefined");
            case Namespace _, Loop _, Function _ ->
                throw new TemplateException(position, Value.typeName(value) + " cannot be printed");
        }
    }

    private static String quote(String text) {
        char mark = text.indexOf('\'') >= 0 && text.indexOf('"') < 0 ? '"' : '\'';
        StringBuilder quoted = new StringBuilder().append(mark);
        text.codePoints().forEach(codePoint -> {
            switch (codePoint) {
                case '\n' -> quoted.append("\\n");
                case '\r' -> quoted.append("\\r");
                case '\t' -> quoted.append("\\t");
                case '\\' -> quoted.append("\\\\");
                default -> {
                    if (codePoint == mark) {
                        quoted.append('\\').append(mark);
                    } else if (codePoint == ' ' || isPrintable(codePoint)) {
                        quoted.appendCodePoint(codePoint);
                    } else if (codePoint < 0x100) {
                        quoted.append(String.format("\\x%02x", codePoint));
                    } else {
                        quoted.append(String.format(codePoint < 0x10000 ? "\\u%04x" : "\\U%08x", codePoint));
                    }
                }
            }
        });
        return quoted.append(mark).toString();
    }

    private static boolean isPrintable(int codePoint) {
        return switch (Character.getType(codePoint)) {
            case Character.CONTROL,
                    Character.FORMAT,
                    Character.SURROGATE,
                    Character.PRIVATE_USE,
                    Character.UNASSIGNED,
                    Character.LINE_SEPARATOR,
                    Character.PARAGRAPH_SEPARATOR,
                    Character.SPACE_SEPARATOR -> false;
            default -> true;
        };
    }

    /** Writes a number as Python does: the shortest digits that read back, plain from 1e-4 to 1e16. */
    static String real(double value) {
        if (Double.isNaN(value)) {
            return "nan";
        }
        if (Double.isInfinite(value)) {
            return value > 0 ? "inf" : "-inf";
        }
        if (value == 0) {
            return 1 / value < 0 ? "-0.0" : "0.0";
        }
        BigDecimal exact = new BigDecimal(Double.toString(value)).stripTrailingZeros();
        int exponent = exact.precision() - exact.scale() - 1;
        if (exponent >= -4 && exponent < 16) {
            String plain = exact.toPlainString();
            return plain.indexOf('.') < 0 ? plain + ".0" : plain;
        }
        String digits = exact.unscaledValue().abs().toString();
        String mantissa = digits.length() == 1 ? digits : digits.charAt(0) + "." + digits.substring(1);
        return (value < 0 ? "-" : "") + mantissa + "e" + (exponent < 0 ? "-" : "+")
                + String.format("%02d", Math.abs(exponent));
    }
}
