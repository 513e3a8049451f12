package dev.heng.runtime.template;

import java.util.Collection;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * Is a value of the template language: one of Python's types, as far as templates meet them. Immutable, but for {@link Namespace}.
 */
sealed interface Value {

    /** Python's {@code None}. */
    enum None implements Value {
        NONE
    }

    /** A truth value. */
    record Bool(boolean value) implements Value {
        static final Bool TRUE = new Bool(true);
        static final Bool FALSE = new Bool(false);

        static Bool of(boolean value) {
            return value ? TRUE : FALSE;
        }

        @Override
        public boolean equals(@Nullable Object other) {
            return equalNumbers(this, other);
        }

        @Override
        public int hashCode() {
            return hashNumber(this);
        }
    }

    /** An integer; what does not fit 64 bits is an error. */
    record Int(long value) implements Value {
        @Override
        public boolean equals(@Nullable Object other) {
            return equalNumbers(this, other);
        }

        @Override
        public int hashCode() {
            return hashNumber(this);
        }
    }

    /** A floating point number. */
    record Real(double value) implements Value {
        @Override
        public boolean equals(@Nullable Object other) {
            return equalNumbers(this, other);
        }

        @Override
        public int hashCode() {
            return hashNumber(this);
        }
    }

    /** A string, whose characters know who wrote them. */
    record Str(Text text) implements Value {

        /** Returns a string that the template wrote. */
        static Str ofTemplate(String text) {
            return new Str(Text.ofTemplate(text));
        }
    }

    /**
     * A list or a tuple.
     *
     * @param tuple whether it prints as a tuple
     * @param nesting how deep it nests: 1 if no element is a list or dictionary
     */
    record Items(List<Value> items, boolean tuple, int nesting) implements Value {

        static Items list(List<Value> items) {
            return new Items(items, false, nestingOf(items));
        }

        static Items tuple(Value... items) {
            return tuple(List.of(items));
        }

        static Items tuple(List<Value> items) {
            return new Items(items, true, nestingOf(items));
        }
    }

    /**
     * A dictionary, in order of insertion.
     *
     * @param nesting how deep it nests: 1 if no value is a list or dictionary
     */
    record Dict(Map<Value, Value> entries, int nesting) implements Value {

        static Dict of(Map<Value, Value> entries) {
            return new Dict(entries, nestingOf(entries.values()));
        }
    }

    /**
     * What a name or attribute is that does not exist: empty when printed or looped over, an error when used otherwise.
     *
     * @param name what was looked for, for messages
     */
    record Undefined(String name) implements Value {}

    /** What {@code namespace()} makes: the one thing that assignments inside loops reach from outside. */
    final class Namespace implements Value {
        private final Map<String, Value> attributes = new LinkedHashMap<>();

        Map<String, Value> attributes() {
            return attributes;
        }
    }

    /** The {@code loop} of a for loop: where it stands. */
    final class Loop implements Value {
        private final List<Value> items;
        private int index;
        private Value lastChanged = new Undefined("changed");

        Loop(List<Value> items) {
            this.items = items;
        }

        void moveTo(int newIndex) {
            this.index = newIndex;
        }

        List<Value> items() {
            return items;
        }

        /** Returns the index of the current element, from 0. */
        int index() {
            return index;
        }

        /** Replaces the value that {@code loop.changed} was last asked about and returns the old one. */
        Value replaceLastChanged(Value value) {
            Value last = lastChanged;
            lastChanged = value;
            return last;
        }
    }

    /** Something that can be called. */
    non-sealed interface Function extends Value {
        /**
         * Calls it.
         *
         * @param position where in the template, for messages
         */
        Value call(Arguments arguments, int position);
    }

    /** Lists and dictionaries nest less deep, so that walking them cannot overflow the stack. */
    int MAXIMUM_NESTING = 100;

    private static int nestingOf(Collection<Value> values) {
        int deepest = 0;
        for (Value value : values) {
            int nesting = switch (value) {
                case Items list -> list.nesting();
                case Dict dictionary -> dictionary.nesting();
                case None _, Bool _, Int _, Real _, Str _, Undefined _, Namespace _, Loop _, Function _ -> 0;
            };
            deepest = Math.max(deepest, nesting);
        }
        if (deepest >= MAXIMUM_NESTING) {
            throw new TemplateException(
                    TemplateException.NOWHERE,
                    "lists and dictionaries are nested more than " + MAXIMUM_NESTING + " deep");
        }
        return deepest + 1;
    }

    /** Compares as Python does, where {@code 1}, {@code 1.0} and {@code True} are one key of a dictionary. */
    private static boolean equalNumbers(Value left, @Nullable Object right) {
        return right instanceof Value other && Operators.isNumber(other) && Operators.compareNumbers(left, other) == 0;
    }

    private static int hashNumber(Value value) {
        return Double.hashCode(Operators.real(value) + 0.0);
    }

    /** Returns the name of the value's type, for messages. */
    static String typeName(Value value) {
        return switch (value) {
            case None _ -> "none";
            case Bool _ -> "a truth value";
            case Int _ -> "an integer";
            case Real _ -> "a number";
            case Str _ -> "a string";
            case Items list -> list.tuple() ? "a tuple" : "a list";
            case Dict _ -> "a dictionary";
            case Undefined undefined -> "\"" + undefined.name() + "\", which is not defined";
            case Namespace _ -> "a namespace";
            case Loop _ -> "the loop";
            case Function _ -> "a function";
        };
    }
}
