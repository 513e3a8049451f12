package dev.heng.runtime.template;

import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * Holds the arguments of a call.
 *
 * @param positional those without a name
 * @param named those with one
 */
record Arguments(List<Value> positional, Map<String, Value> named) {

    static final Arguments NONE = new Arguments(List.of(), Map.of());

    /** Returns an argument by its place or name, or nothing if it is not given. */
    @Nullable
    Value find(int index, String name) {
        return index < positional.size() ? positional.get(index) : named.get(name);
    }

    /** Returns an argument, or the default if it is not given. */
    Value get(int index, String name, Value fallback) {
        Value found = find(index, name);
        return found == null ? fallback : found;
    }

    /** Returns an argument that must be given. */
    Value require(int index, String name, String function, int position) {
        Value found = find(index, name);
        if (found == null) {
            throw new TemplateException(position, function + " needs the argument \"" + name + "\"");
        }
        return found;
    }

    /** Refuses arguments beyond those a function knows, rather than ignore one that means something. */
    void allow(String function, int position, String... names) {
        if (positional.size() > names.length) {
            throw new TemplateException(
                    position, function + " takes " + names.length + " arguments and is given " + positional.size());
        }
        for (String given : named.keySet()) {
            if (!List.of(names).contains(given)) {
                throw new TemplateException(position, function + " has no argument \"" + given + "\"");
            }
        }
    }
}
