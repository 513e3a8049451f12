package dev.heng.runtime.template;

import dev.heng.runtime.template.Token.Kind;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * Splits a template into tokens.
 *
 * <p>White space is controlled as {@code transformers} sets Jinja up: the first line feed behind a statement or comment goes
 * ({@code trim_blocks}), so do blanks between the start of a line and a statement or comment ({@code lstrip_blocks}), and so does one line feed
 * at the very end. {@code -} at a tag takes all white space on its side, {@code +} leaves it all.
 */
final class Lexer {

    private static final List<String> OPERATORS = List.of(
            "**", "//", "==", "!=", "<=", ">=", "+", "-", "*", "/", "%", "~", "<", ">", "=", ".", ",", ":", "|", "(",
            ")", "[", "]", "{", "}");

    private static final Pattern RAW_END = Pattern.compile("\\{%([-+]?)\\s*endraw\\s*([-+]?)%}");

    private final String source;
    private final List<Token> tokens = new ArrayList<>();
    private int position;

    /** Whether the last tag ended a line, so that what follows begins one. */
    private boolean atLineStart = true;

    private Lexer(String source) {
        this.source = source;
    }

    /**
     * Splits a source whose line ends are line feeds.
     *
     * @throws TemplateException if a tag, string or comment has no end, or a character means nothing
     */
    static List<Token> tokenize(String source) {
        Lexer lexer = new Lexer(source.endsWith("\n") ? source.substring(0, source.length() - 1) : source);
        lexer.run();
        return lexer.tokens;
    }

    private void run() {
        while (position < source.length()) {
            int tag = nextTag();
            if (tag < 0) {
                data(position, source.length());
                position = source.length();
                break;
            }
            char kind = source.charAt(tag + 1);
            char sign = tag + 2 < source.length() ? source.charAt(tag + 2) : ' ';
            boolean signed = sign == '-' || (sign == '+' && kind != '{');
            data(position, endOfData(position, tag, kind, sign));
            position = tag + (signed ? 3 : 2);
            switch (kind) {
                case '#' -> comment(tag);
                case '{' -> inside(tag, Kind.PRINT_BEGIN, Kind.PRINT_END, "}}");
                default -> statement(tag);
            }
        }
        tokens.add(new Token(Kind.END, "", source.length()));
    }

    private int nextTag() {
        for (int brace = source.indexOf('{', position); brace >= 0; brace = source.indexOf('{', brace + 1)) {
            if (brace + 1 < source.length() && "{%#".indexOf(source.charAt(brace + 1)) >= 0) {
                return brace;
            }
        }
        return -1;
    }

    private int endOfData(int start, int tag, char kind, char sign) {
        if (sign == '-') {
            int end = tag;
            while (end > start && Text.isSpace(source.charAt(end - 1))) {
                end--;
            }
            return end;
        }
        if (sign == '+' || kind == '{') {
            return tag;
        }
        int blank = tag;
        while (blank > start && source.charAt(blank - 1) != '\n' && Text.isSpace(source.charAt(blank - 1))) {
            blank--;
        }
        boolean beginsLine = blank > start ? source.charAt(blank - 1) == '\n' : atLineStart;
        return beginsLine ? blank : tag;
    }

    private void data(int start, int end) {
        if (end > start) {
            tokens.add(new Token(Kind.DATA, source.substring(start, end), start));
        }
    }

    private void comment(int tag) {
        int end = source.indexOf("#}", position);
        if (end < 0) {
            throw new TemplateException(tag, "the comment that begins here has no end");
        }
        char sign = end > position ? source.charAt(end - 1) : ' ';
        endTag(end + 2, sign);
    }

    /** Ends a statement or comment: skips the white space that its sign asks for. */
    private void endTag(int end, char sign) {
        position = end;
        if (sign == '-') {
            skipSpace();
        } else if (sign != '+' && position < source.length() && source.charAt(position) == '\n') {
            position++;
        }
        atLineStart = source.charAt(position - 1) == '\n';
    }

    private void skipSpace() {
        while (position < source.length() && Text.isSpace(source.charAt(position))) {
            position++;
        }
    }

    private void statement(int tag) {
        int first = tokens.size();
        inside(tag, Kind.BLOCK_BEGIN, Kind.BLOCK_END, "%}");
        if (tokens.size() == first + 3 && tokens.get(first + 1).isName("raw")) {
            // Behind this tag no line feed is taken.
            int end = tokens.get(first + 2).position();
            boolean signed = source.charAt(end) == '-';
            position = end + (signed ? 3 : 2);
            if (signed) {
                skipSpace();
            }
            tokens.subList(first, tokens.size()).clear();
            raw(tag);
        }
    }

    private void raw(int tag) {
        Matcher end = RAW_END.matcher(source);
        if (!end.find(position)) {
            throw new TemplateException(tag, "the raw block that begins here has no {% endraw %}");
        }
        char left = end.group(1).isEmpty() ? ' ' : end.group(1).charAt(0);
        data(position, endOfData(position, end.start(), '%', left));
        char right = end.group(2).isEmpty() ? ' ' : end.group(2).charAt(0);
        endTag(end.end(), right);
    }

    private void inside(int tag, Kind begin, Kind end, String closing) {
        tokens.add(new Token(begin, source.substring(tag, tag + 2), tag));
        Deque<Character> brackets = new ArrayDeque<>();
        while (true) {
            skipSpace();
            if (position >= source.length()) {
                throw new TemplateException(tag, "the tag that begins here has no " + closing);
            }
            if (brackets.isEmpty()) {
                char sign = source.charAt(position);
                boolean signed = sign == '-' || (sign == '+' && end == Kind.BLOCK_END);
                if (source.startsWith(closing, position + (signed ? 1 : 0))) {
                    tokens.add(new Token(end, closing, position));
                    if (end == Kind.BLOCK_END) {
                        endTag(position + (signed ? 3 : 2), sign);
                    } else {
                        position += signed ? 3 : 2;
                        if (signed) {
                            skipSpace();
                        }
                        atLineStart = source.charAt(position - 1) == '\n';
                    }
                    return;
                }
            }
            token(brackets);
        }
    }

    private void token(Deque<Character> brackets) {
        char first = source.charAt(position);
        if (first == '"' || first == '\'') {
            string(first);
        } else if (first >= '0' && first <= '9') {
            number();
        } else if (Character.isUnicodeIdentifierStart(first) || first == '_') {
            int start = position;
            while (position < source.length()
                    && (Character.isUnicodeIdentifierPart(source.charAt(position)) || source.charAt(position) == '_')) {
                position++;
            }
            tokens.add(new Token(Kind.NAME, source.substring(start, position), start));
        } else {
            operator(brackets);
        }
    }

    private void operator(Deque<Character> brackets) {
        for (String operator : OPERATORS) {
            if (source.startsWith(operator, position)) {
                switch (operator) {
                    case "(", "[", "{" -> brackets.push(operator.charAt(0));
                    case ")", "]", "}" -> {
                        char open = operator.equals(")") ? '(' : operator.equals("]") ? '[' : '{';
                        if (brackets.isEmpty() || brackets.pop() != open) {
                            throw new TemplateException(position, "\"" + operator + "\" closes nothing");
                        }
                    }
                    default -> {
                        // Balances nothing.
                    }
                }
                tokens.add(new Token(Kind.OPERATOR, operator, position));
                position += operator.length();
                return;
            }
        }
        throw new TemplateException(
                position,
                "the character \"" + Character.toString(source.codePointAt(position)) + "\" means nothing here");
    }

    private void number() {
        int start = position;
        digits();
        boolean fraction = position + 1 < source.length() && source.charAt(position) == '.' && isDigit(position + 1);
        if (fraction) {
            position++;
            digits();
        }
        int exponent = position;
        if (exponent < source.length() && (source.charAt(exponent) == 'e' || source.charAt(exponent) == 'E')) {
            int digit = exponent + 1;
            if (digit < source.length() && (source.charAt(digit) == '+' || source.charAt(digit) == '-')) {
                digit++;
            }
            if (isDigit(digit)) {
                fraction = true;
                position = digit;
                digits();
            }
        }
        tokens.add(new Token(
                fraction ? Kind.FLOAT : Kind.INTEGER,
                source.substring(start, position).replace("_", ""),
                start));
    }

    private void digits() {
        while (isDigit(position)
                || (position < source.length() && source.charAt(position) == '_' && isDigit(position + 1))) {
            position++;
        }
    }

    private boolean isDigit(int index) {
        return index < source.length() && source.charAt(index) >= '0' && source.charAt(index) <= '9';
    }

    private void string(char quote) {
        int start = position++;
        StringBuilder text = new StringBuilder();
        while (position < source.length() && source.charAt(position) != quote) {
            char letter = source.charAt(position++);
            if (letter == '\\' && position < source.length()) {
                escape(text, start);
            } else {
                text.append(letter);
            }
        }
        if (position >= source.length()) {
            throw new TemplateException(start, "the string that begins here has no closing quote");
        }
        position++;
        tokens.add(new Token(Kind.STRING, text.toString(), start));
    }

    /** Reads what follows a backslash, as Python does; an unknown escape stands for itself, backslash included. */
    private void escape(StringBuilder text, int start) {
        char letter = source.charAt(position++);
        switch (letter) {
            case 'n' -> text.append('\n');
            case 't' -> text.append('\t');
            case 'r' -> text.append('\r');
            case 'a' -> text.append('\u0007');
            case 'b' -> text.append('\b');
            case 'f' -> text.append('\f');
            case 'v' -> text.append('\u000B');
            case '\\', '\'', '"' -> text.append(letter);
            case '\n' -> {
                // A line that goes on.
            }
            case 'x' -> hexadecimal(text, 2, start);
            case 'u' -> hexadecimal(text, 4, start);
            case 'U' -> hexadecimal(text, 8, start);
            case '0', '1', '2', '3', '4', '5', '6', '7' -> octal(text, letter);
            default -> text.append('\\').append(letter);
        }
    }

    private void hexadecimal(StringBuilder text, int digits, int start) {
        int codePoint = -1;
        if (position + digits <= source.length()) {
            try {
                codePoint = Integer.parseUnsignedInt(source.substring(position, position + digits), 16);
            } catch (NumberFormatException _) {
                codePoint = -1;
            }
        }
        if (!Character.isValidCodePoint(codePoint)) {
            throw new TemplateException(start, "the string that begins here has a broken \\x, \\u or \\U escape");
        }
        text.appendCodePoint(codePoint);
        position += digits;
    }

    private void octal(StringBuilder text, char first) {
        int value = first - '0';
        for (int count = 1; count < 3 && position < source.length(); count++) {
            int digit = source.charAt(position) - '0';
            if (digit < 0 || digit > 7) {
                break;
            }
            value = value * 8 + digit;
            position++;
        }
        text.append((char) value);
    }
}
