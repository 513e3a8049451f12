package dev.heng.runtime.template;

import dev.heng.runtime.template.Value.Bool;
import dev.heng.runtime.template.Value.Dict;
import dev.heng.runtime.template.Value.Int;
import dev.heng.runtime.template.Value.Items;
import dev.heng.runtime.template.Value.None;
import dev.heng.runtime.template.Value.Real;
import dev.heng.runtime.template.Value.Str;
import java.math.BigDecimal;
import java.math.BigInteger;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/** Makes template values of Java ones. Every string becomes one that a value wrote. */
final class Values {

    private Values() {}

    /**
     * Converts what JSON can hold: null, booleans, numbers, strings, lists and maps.
     *
     * @throws IllegalArgumentException if it is anything else
     * @throws TemplateException if it nests too deep
     */
    static Value of(@Nullable Object value) {
        return of(value, 0);
    }

    private static Value of(@Nullable Object value, int depth) {
        if (depth > Value.MAXIMUM_NESTING) {
            throw new TemplateException(
                    TemplateException.NOWHERE,
                    "what the template is given is nested more than " + Value.MAXIMUM_NESTING + " deep",
                    "give it less nested messages and tools");
        }
        return switch (value) {
            case null -> None.NONE;
            case Boolean bool -> Bool.of(bool);
            case Integer integer -> new Int(integer);
            case Long integer -> new Int(integer);
            case BigInteger integer -> {
                if (integer.bitLength() > 63) {
                    throw new TemplateException(
                            TemplateException.NOWHERE,
                            "an integer of " + integer.bitLength() + " bits given to the template does not fit 64",
                            "write it as a string");
                }
                yield new Int(integer.longValue());
            }
            case Double real -> new Real(real);
            case Float real -> new Real(real);
            case BigDecimal real -> new Real(real.doubleValue());
            case String text -> new Str(Text.ofValue(text));
            case List<?> list -> {
                List<Value> items = new ArrayList<>();
                for (Object item : list) {
                    items.add(of(item, depth + 1));
                }
                yield Items.list(items);
            }
            case Map<?, ?> map -> {
                Map<Value, Value> entries = new LinkedHashMap<>();
                for (Map.Entry<?, ?> entry : map.entrySet()) {
                    entries.put(of(entry.getKey(), depth + 1), of(entry.getValue(), depth + 1));
                }
                yield Dict.of(entries);
            }
            default ->
                throw new IllegalArgumentException(
                        "a template cannot be given a " + value.getClass().getName());
        };
    }
}
