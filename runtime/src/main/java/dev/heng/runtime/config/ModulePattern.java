package dev.heng.runtime.config;

import java.util.regex.Pattern;
import java.util.regex.PatternSyntaxException;
import org.jspecify.annotations.Nullable;

/**
 * A module's name as compressed-tensors writes it: the name itself, or {@code re:} and a regular expression that matches from the name's
 * start (Python's {@code re.match}).
 *
 * <p>Threading: safe for use by several threads.
 */
public final class ModulePattern {

    private static final int MAXIMUM_LENGTH = 1000;
    /** Characters that one match may look at: a sound pattern looks at each of some hundred a few times. */
    private static final int MAXIMUM_STEPS = 200_000;

    private final String text;
    private final @Nullable Pattern expression;

    private ModulePattern(String text, @Nullable Pattern expression) {
        this.text = text;
        this.expression = expression;
    }

    /**
     * Parses a pattern.
     *
     * @throws IllegalArgumentException if it is too long or its expression is not one
     */
    public static ModulePattern of(String text) {
        if (text.length() > MAXIMUM_LENGTH) {
            throw new IllegalArgumentException("a module pattern of " + text.length() + " characters");
        }
        if (!text.startsWith("re:")) {
            return new ModulePattern(text, null);
        }
        try {
            return new ModulePattern(text, Pattern.compile(text.substring("re:".length())));
        } catch (PatternSyntaxException e) {
            throw new IllegalArgumentException(
                    "module pattern '" + text + "' is not a regular expression: " + e.getDescription(), e);
        }
    }

    /**
     * Returns whether this pattern is for {@code module}.
     *
     * @throws IllegalArgumentException if the expression backtracks without end
     */
    public boolean matches(String module) {
        return expression == null
                ? text.equals(module)
                : expression.matcher(new Budgeted(module, text)).lookingAt();
    }

    @Override
    public boolean equals(@Nullable Object other) {
        return other instanceof ModulePattern that && text.equals(that.text);
    }

    @Override
    public int hashCode() {
        return text.hashCode();
    }

    @Override
    public String toString() {
        return text;
    }

    /** A name that can be looked at so often only, because a regular expression from a file can take exponential time. */
    private static final class Budgeted implements CharSequence {

        private final String name;
        private final String pattern;
        private int steps;

        Budgeted(String name, String pattern) {
            this.name = name;
            this.pattern = pattern;
        }

        @Override
        public char charAt(int index) {
            steps++;
            if (steps > MAXIMUM_STEPS) {
                throw new IllegalArgumentException(
                        "module pattern '" + pattern + "' does not come to an end on '" + name + "'");
            }
            return name.charAt(index);
        }

        @Override
        public int length() {
            return name.length();
        }

        @Override
        public CharSequence subSequence(int start, int end) {
            return name.subSequence(start, end);
        }

        @Override
        public String toString() {
            return name;
        }
    }
}
