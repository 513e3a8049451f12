package dev.heng.runtime.template;

/**
 * Is a piece of a template's source.
 *
 * @param kind what it is
 * @param text its text; of a string what it stands for
 * @param position its first character in the source
 */
record Token(Kind kind, String text, int position) {

    /** Says what a token is. */
    enum Kind {
        /** Text between tags, trimmed as the tags around it ask. */
        DATA,
        /** The opening of a printing tag. */
        PRINT_BEGIN,
        /** The end of a printing tag. */
        PRINT_END,
        /** The opening of a statement. */
        BLOCK_BEGIN,
        /** The end of a statement. */
        BLOCK_END,
        /** An identifier or keyword. */
        NAME,
        /** A quoted string. */
        STRING,
        /** An integer. */
        INTEGER,
        /** A number with a fraction or an exponent. */
        FLOAT,
        /** An operator or a bracket. */
        OPERATOR,
        /** The end of the source. */
        END
    }

    boolean is(Kind expected, String expectedText) {
        return kind == expected && text.equals(expectedText);
    }

    boolean isOperator(String operator) {
        return is(Kind.OPERATOR, operator);
    }

    boolean isName(String name) {
        return is(Kind.NAME, name);
    }

    /** Returns the token as a message shows it. */
    String shown() {
        return kind == Kind.END ? "the end of the template" : "\"" + text + "\"";
    }
}
