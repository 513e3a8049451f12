package dev.heng.runtime.template;

import dev.heng.runtime.template.Expression.CallArguments;
import dev.heng.runtime.template.Expression.Comparand;
import dev.heng.runtime.template.Expression.Entry;
import dev.heng.runtime.template.Expression.Named;
import dev.heng.runtime.template.Token.Kind;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;

/**
 * Parses expressions by recursive descent; each method is one level of precedence, loosest first: conditional, or, and, not, comparison,
 * sum, concatenation, product, power, sign, and behind an operand attributes, subscripts, calls, filters and tests. Note that
 * {@code not a is b} is {@code not (a is b)}.
 *
 * <p>Filters, tests and methods that do not exist are errors here, not when a conversation happens to reach them.
 *
 * <p><b>Source</b>: the grammar of Jinja 3.1.
 */
final class ExpressionParser {

    /** Nesting of an expression, which bounds the recursion of parser and interpreter. */
    private static final int MAXIMUM_DEPTH = 200;

    private static final Set<String> COMPARISONS = Set.of("==", "!=", "<", "<=", ">", ">=");

    private final TokenStream tokens;
    private int depth;

    ExpressionParser(TokenStream tokens) {
        this.tokens = tokens;
    }

    /** Parses an expression; several with commas between them are a tuple. */
    Expression parseTuple() {
        return parseTuple(true);
    }

    /** Parses what a for loop runs over, where {@code if} filters and does not choose. */
    Expression parseLoopItems() {
        return parseTuple(false);
    }

    private Expression parseTuple(boolean withConditional) {
        int position = tokens.peek().position();
        Expression first = withConditional ? parse() : parseOr();
        if (!tokens.peek().isOperator(",")) {
            return first;
        }
        List<Expression> items = new ArrayList<>(List.of(first));
        while (tokens.skipOperator(",")) {
            if (endsTuple(tokens.peek())) {
                break;
            }
            items.add(withConditional ? parse() : parseOr());
        }
        return new Expression.ItemsLiteral(items, true, position);
    }

    private static boolean endsTuple(Token token) {
        return token.kind() == Kind.BLOCK_END
                || token.kind() == Kind.PRINT_END
                || token.isOperator(")")
                || token.isOperator("=")
                || token.isName("if")
                || token.isName("in");
    }

    /** Parses one expression. */
    Expression parse() {
        enter();
        Expression value = parseOr();
        while (tokens.peek().isName("if")) {
            int position = tokens.next().position();
            Expression condition = parseOr();
            Expression otherwise = tokens.skipName("else") ? parse() : null;
            value = new Expression.Conditional(condition, value, otherwise, position);
        }
        leave();
        return value;
    }

    private void enter() {
        depth++;
        if (depth > MAXIMUM_DEPTH) {
            throw new TemplateException(
                    tokens.peek().position(), "more than " + MAXIMUM_DEPTH + " expressions are nested here");
        }
    }

    private void leave() {
        depth--;
    }

    /** Bounds chains of operators too: they nest to the left as they get longer. */
    private void checkChain(int length) {
        if (length > MAXIMUM_DEPTH) {
            throw new TemplateException(
                    tokens.peek().position(), "more than " + MAXIMUM_DEPTH + " operators follow each other here");
        }
    }

    private Expression parseOr() {
        Expression left = parseAnd();
        for (int chain = 0; tokens.peek().isName("or"); chain++) {
            checkChain(chain);
            int position = tokens.next().position();
            left = new Expression.Logical(left, parseAnd(), false, position);
        }
        return left;
    }

    private Expression parseAnd() {
        Expression left = parseNot();
        for (int chain = 0; tokens.peek().isName("and"); chain++) {
            checkChain(chain);
            int position = tokens.next().position();
            left = new Expression.Logical(left, parseNot(), true, position);
        }
        return left;
    }

    private Expression parseNot() {
        if (!tokens.peek().isName("not")) {
            return parseComparison();
        }
        enter();
        int position = tokens.next().position();
        Expression negated = new Expression.Not(parseNot(), position);
        leave();
        return negated;
    }

    private Expression parseComparison() {
        int position = tokens.peek().position();
        Expression first = parseSum();
        List<Comparand> others = new ArrayList<>();
        while (true) {
            Token token = tokens.peek();
            if (token.kind() == Kind.OPERATOR && COMPARISONS.contains(token.text())) {
                tokens.next();
                others.add(new Comparand(token.text(), parseSum()));
            } else if (token.isName("in")) {
                tokens.next();
                others.add(new Comparand("in", parseSum()));
            } else if (token.isName("not") && tokens.peek(1).isName("in")) {
                tokens.next();
                tokens.next();
                others.add(new Comparand("not in", parseSum()));
            } else {
                return others.isEmpty() ? first : new Expression.Comparison(first, others, position);
            }
        }
    }

    private Expression parseSum() {
        Expression left = parseConcatenation();
        for (int chain = 0; tokens.peek().isOperator("+") || tokens.peek().isOperator("-"); chain++) {
            checkChain(chain);
            Token operator = tokens.next();
            left = new Expression.Binary(operator.text(), left, parseConcatenation(), operator.position());
        }
        return left;
    }

    private Expression parseConcatenation() {
        Expression left = parseProduct();
        for (int chain = 0; tokens.peek().isOperator("~"); chain++) {
            checkChain(chain);
            Token operator = tokens.next();
            left = new Expression.Binary("~", left, parseProduct(), operator.position());
        }
        return left;
    }

    private Expression parseProduct() {
        Expression left = parsePower();
        for (int chain = 0; isProduct(tokens.peek()); chain++) {
            checkChain(chain);
            Token operator = tokens.next();
            left = new Expression.Binary(operator.text(), left, parsePower(), operator.position());
        }
        return left;
    }

    private static boolean isProduct(Token token) {
        return token.isOperator("*") || token.isOperator("/") || token.isOperator("//") || token.isOperator("%");
    }

    private Expression parsePower() {
        Expression left = parseSigned(true);
        for (int chain = 0; tokens.peek().isOperator("**"); chain++) {
            checkChain(chain);
            Token operator = tokens.next();
            left = new Expression.Binary("**", left, parseSigned(true), operator.position());
        }
        return left;
    }

    private Expression parseSigned(boolean withFilters) {
        Token token = tokens.peek();
        Expression operand;
        if (token.isOperator("-") || token.isOperator("+")) {
            enter();
            tokens.next();
            operand = new Expression.Signed(parseSigned(false), token.text().equals("-"), token.position());
            leave();
        } else {
            operand = parsePrimary();
        }
        operand = parsePostfix(operand);
        return withFilters ? parseFilters(operand) : operand;
    }

    private Expression parsePrimary() {
        Token token = tokens.next();
        return switch (token.kind()) {
            case NAME -> parseName(token);
            case STRING -> {
                StringBuilder text = new StringBuilder(token.text());
                while (tokens.peek().kind() == Kind.STRING) {
                    text.append(tokens.next().text());
                }
                yield literal(Value.Str.ofTemplate(text.toString()), token);
            }
            case INTEGER -> integer(token);
            case FLOAT -> literal(new Value.Real(Double.parseDouble(token.text())), token);
            case OPERATOR -> parseBracketed(token);
            case DATA, PRINT_BEGIN, PRINT_END, BLOCK_BEGIN, BLOCK_END, END ->
                throw tokens.unexpected(token, "an expression");
        };
    }

    private static Expression integer(Token token) {
        try {
            return literal(new Value.Int(Long.parseLong(token.text())), token);
        } catch (NumberFormatException _) {
            throw new TemplateException(
                    token.position(), "the integer " + shorten(token.text()) + " does not fit 64 bits");
        }
    }

    private static String shorten(String text) {
        return text.length() > 40 ? text.substring(0, 40) + "…" : text;
    }

    private static Expression literal(Value value, Token token) {
        return new Expression.Literal(value, token.position());
    }

    private static Expression parseName(Token token) {
        return switch (token.text()) {
            case "true", "True" -> literal(Value.Bool.TRUE, token);
            case "false", "False" -> literal(Value.Bool.FALSE, token);
            case "none", "None" -> literal(Value.None.NONE, token);
            default -> new Expression.Name(token.text(), token.position());
        };
    }

    private Expression parseBracketed(Token open) {
        enter();
        Expression value = switch (open.text()) {
            case "(" -> {
                if (tokens.skipOperator(")")) {
                    yield new Expression.ItemsLiteral(List.of(), true, open.position());
                }
                Expression inner = parseTuple();
                tokens.expectOperator(")");
                yield inner;
            }
            case "[" -> new Expression.ItemsLiteral(parseItems(), false, open.position());
            case "{" -> new Expression.DictLiteral(parseEntries(), open.position());
            default -> throw tokens.unexpected(open, "an expression");
        };
        leave();
        return value;
    }

    private List<Expression> parseItems() {
        List<Expression> items = new ArrayList<>();
        while (!tokens.skipOperator("]")) {
            if (!items.isEmpty()) {
                tokens.expectOperator(",");
                if (tokens.skipOperator("]")) {
                    break;
                }
            }
            items.add(parse());
        }
        return items;
    }

    private List<Entry> parseEntries() {
        List<Entry> entries = new ArrayList<>();
        while (!tokens.skipOperator("}")) {
            if (!entries.isEmpty()) {
                tokens.expectOperator(",");
                if (tokens.skipOperator("}")) {
                    break;
                }
            }
            Expression key = parse();
            tokens.expectOperator(":");
            entries.add(new Entry(key, parse()));
        }
        return entries;
    }

    private Expression parsePostfix(Expression start) {
        Expression operand = start;
        for (int chain = 0; ; chain++) {
            checkChain(chain);
            Token token = tokens.peek();
            if (token.isOperator(".")) {
                operand = parseAttribute(operand);
            } else if (token.isOperator("[")) {
                operand = parseSubscript(operand);
            } else if (token.isOperator("(")) {
                operand = parseCall(operand);
            } else {
                return operand;
            }
        }
    }

    private Expression parseAttribute(Expression object) {
        int position = tokens.next().position();
        Token name = tokens.next();
        if (name.kind() == Kind.INTEGER) {
            return new Expression.Subscript(object, integer(name), position);
        }
        if (name.kind() != Kind.NAME) {
            throw tokens.unexpected(name, "the name of an attribute");
        }
        return new Expression.Attribute(object, name.text(), name.position());
    }

    private Expression parseSubscript(Expression object) {
        int position = tokens.next().position();
        Expression from = tokens.peek().isOperator(":") ? null : parseTuple();
        if (from != null && tokens.skipOperator("]")) {
            return new Expression.Subscript(object, from, position);
        }
        tokens.expectOperator(":");
        Expression to = null;
        Expression step = null;
        if (!tokens.peek().isOperator(":") && !tokens.peek().isOperator("]")) {
            to = parse();
        }
        if (tokens.skipOperator(":") && !tokens.peek().isOperator("]")) {
            step = parse();
        }
        tokens.expectOperator("]");
        return new Expression.Slice(object, from, to, step, position);
    }

    /** Parses the call of what stands before it. */
    Expression.Call parseCall(Expression function) {
        if (function instanceof Expression.Attribute attribute && !Methods.isKnown(attribute.name())) {
            throw new TemplateException(
                    attribute.position(),
                    "there is no method \"" + attribute.name() + "\"; known are " + Methods.names());
        }
        int position = tokens.peek().position();
        return new Expression.Call(function, parseArguments(), position);
    }

    private CallArguments parseArguments() {
        tokens.expectOperator("(");
        List<Expression> positional = new ArrayList<>();
        List<Named> named = new ArrayList<>();
        Expression spread = null;
        Expression namedSpread = null;
        boolean first = true;
        while (!tokens.skipOperator(")")) {
            if (!first) {
                tokens.expectOperator(",");
                if (tokens.skipOperator(")")) {
                    break;
                }
            }
            first = false;
            Token token = tokens.peek();
            if (tokens.skipOperator("**")) {
                requireArgument(namedSpread == null, token);
                namedSpread = parse();
            } else if (tokens.skipOperator("*")) {
                requireArgument(spread == null && namedSpread == null, token);
                spread = parse();
            } else if (token.kind() == Kind.NAME && tokens.peek(1).isOperator("=")) {
                requireArgument(namedSpread == null, token);
                tokens.next();
                tokens.next();
                named.add(new Named(token.text(), parse()));
            } else {
                requireArgument(named.isEmpty() && spread == null && namedSpread == null, token);
                positional.add(parse());
            }
        }
        return new CallArguments(positional, named, spread, namedSpread);
    }

    private static void requireArgument(boolean inOrder, Token token) {
        if (!inOrder) {
            throw new TemplateException(token.position(), "this argument stands behind one it must precede");
        }
    }

    private Expression parseFilters(Expression start) {
        Expression operand = start;
        for (int chain = 0; ; chain++) {
            checkChain(chain);
            Token token = tokens.peek();
            if (token.isOperator("|")) {
                tokens.next();
                Statement.FilterCall filter = parseFilter();
                operand = new Expression.Filtered(operand, filter.name(), filter.arguments(), filter.position());
            } else if (token.isName("is")) {
                operand = parseTest(operand);
            } else if (token.isOperator("(")) {
                operand = parseCall(operand);
            } else {
                return operand;
            }
        }
    }

    /** Parses the name and arguments of a filter. */
    Statement.FilterCall parseFilter() {
        Token name = tokens.expectName();
        if (!Filters.isKnown(name.text())) {
            throw new TemplateException(
                    name.position(), "there is no filter \"" + name.text() + "\"; known are " + Filters.names());
        }
        CallArguments arguments = tokens.peek().isOperator("(") ? parseArguments() : CallArguments.NONE;
        return new Statement.FilterCall(name.text(), arguments, name.position());
    }

    private Expression parseTest(Expression operand) {
        int position = tokens.next().position();
        boolean negated = tokens.skipName("not");
        Token name = tokens.expectName();
        if (!Conditions.isKnown(name.text())) {
            throw new TemplateException(
                    name.position(), "there is no test \"" + name.text() + "\"; known are " + Conditions.names());
        }
        CallArguments arguments = CallArguments.NONE;
        Token next = tokens.peek();
        if (next.isOperator("(")) {
            arguments = parseArguments();
        } else if (startsTestArgument(next)) {
            if (next.isName("is")) {
                throw new TemplateException(
                        next.position(), "tests cannot follow each other; put the first in parentheses");
            }
            arguments = new CallArguments(List.of(parsePostfix(parsePrimary())), List.of(), null, null);
        }
        return new Expression.Tested(operand, name.text(), arguments, negated, position);
    }

    private static boolean startsTestArgument(Token token) {
        return switch (token.kind()) {
            case NAME -> !Set.of("else", "or", "and", "if", "in", "not").contains(token.text());
            case STRING, INTEGER, FLOAT -> true;
            case OPERATOR -> token.text().equals("[") || token.text().equals("{");
            case DATA, PRINT_BEGIN, PRINT_END, BLOCK_BEGIN, BLOCK_END, END -> false;
        };
    }
}
