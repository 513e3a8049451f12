package dev.heng.runtime.template;

import dev.heng.runtime.template.Statement.Branch;
import dev.heng.runtime.template.Statement.FilterCall;
import dev.heng.runtime.template.Statement.Parameter;
import dev.heng.runtime.template.Statement.Target;
import dev.heng.runtime.template.Token.Kind;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;

/**
 * Parses the statements of a template. What the language has and this interpreter has not is an error that names it.
 */
final class Parser {

    private static final int MAXIMUM_DEPTH = 100;

    private static final Set<String> UNSUPPORTED =
            Set.of("include", "import", "from", "extends", "block", "do", "autoescape", "trans", "debug");

    private final TokenStream tokens;
    private final ExpressionParser expressions;
    private int depth;
    private int loops;

    private Parser(TokenStream tokens) {
        this.tokens = tokens;
        this.expressions = new ExpressionParser(tokens);
    }

    /**
     * Parses a template whose line ends are line feeds.
     *
     * @throws TemplateException at the first thing that is wrong or not supported
     */
    static List<Statement> parse(String source) {
        Parser parser = new Parser(new TokenStream(Lexer.tokenize(source)));
        return parser.parseBody(0, Set.of());
    }

    /** Parses up to one of the given tags, whose name is the next token then; up to the end if there are none. */
    private List<Statement> parseBody(int opening, Set<String> ends) {
        depth++;
        if (depth > MAXIMUM_DEPTH) {
            throw new TemplateException(opening, "more than " + MAXIMUM_DEPTH + " blocks are nested here");
        }
        List<Statement> body = new ArrayList<>();
        while (true) {
            Token token = tokens.next();
            switch (token.kind()) {
                case DATA -> body.add(new Statement.Data(Text.ofTemplate(token.text()), token.position()));
                case PRINT_BEGIN -> {
                    body.add(new Statement.Print(expressions.parseTuple(), token.position()));
                    tokens.expect(Kind.PRINT_END, "}}");
                }
                case BLOCK_BEGIN -> {
                    if (ends.contains(tokens.peek().text()) && tokens.peek().kind() == Kind.NAME) {
                        depth--;
                        return body;
                    }
                    body.add(parseStatement(token.position()));
                }
                case END -> {
                    if (!ends.isEmpty()) {
                        throw new TemplateException(
                                opening,
                                "the block that begins here has no "
                                        + String.join(
                                                " or ", ends.stream().sorted().toList()));
                    }
                    depth--;
                    return body;
                }
                case PRINT_END, BLOCK_END, NAME, STRING, INTEGER, FLOAT, OPERATOR ->
                    throw tokens.unexpected(token, "text or a tag");
            }
        }
    }

    private Statement parseStatement(int position) {
        Token name = tokens.expectName();
        return switch (name.text()) {
            case "if" -> parseIf(position);
            case "for" -> parseFor(position);
            case "set" -> parseSet(position);
            case "with" -> parseWith(position);
            case "macro" -> parseMacro(position);
            case "call" -> parseCallBlock(position);
            case "filter" -> {
                List<FilterCall> filters = new ArrayList<>(List.of(expressions.parseFilter()));
                parseMoreFilters(filters);
                endTag();
                yield new Statement.FilterBlock(filters, parseUpTo(position, "endfilter"), position);
            }
            case "generation" -> {
                endTag();
                yield new Statement.Group(parseUpTo(position, "endgeneration"), position);
            }
            case "break", "continue" -> {
                if (loops == 0) {
                    throw new TemplateException(name.position(), name.text() + " stands outside of any loop");
                }
                endTag();
                yield name.text().equals("break") ? new Statement.Break(position) : new Statement.Continue(position);
            }
            default -> {
                String problem = UNSUPPORTED.contains(name.text())
                        ? "the statement \"" + name.text() + "\" is not supported"
                        : "there is no statement \"" + name.text() + "\" here";
                throw new TemplateException(name.position(), problem);
            }
        };
    }

    private void endTag() {
        tokens.expect(Kind.BLOCK_END, "%}");
    }

    private List<Statement> parseUpTo(int position, String end) {
        List<Statement> body = parseBody(position, Set.of(end));
        tokens.next();
        endTag();
        return body;
    }

    private Statement parseIf(int position) {
        List<Branch> branches = new ArrayList<>();
        Expression condition = expressions.parseTuple();
        while (true) {
            endTag();
            List<Statement> body = parseBody(position, Set.of("elif", "else", "endif"));
            branches.add(new Branch(condition, body));
            switch (tokens.next().text()) {
                case "elif" -> condition = expressions.parseTuple();
                case "else" -> {
                    endTag();
                    branches.add(new Branch(null, parseUpTo(position, "endif")));
                    return new Statement.If(branches, position);
                }
                default -> {
                    endTag();
                    return new Statement.If(branches, position);
                }
            }
        }
    }

    private Statement parseFor(int position) {
        Target target = parseTarget(false);
        if (!tokens.skipName("in")) {
            throw tokens.unexpected(tokens.peek(), "\"in\"");
        }
        Expression items = expressions.parseLoopItems();
        Expression filter = tokens.skipName("if") ? expressions.parse() : null;
        if (tokens.peek().isName("recursive")) {
            throw new TemplateException(tokens.peek().position(), "recursive loops are not supported");
        }
        endTag();
        loops++;
        List<Statement> body = parseBody(position, Set.of("else", "endfor"));
        loops--;
        boolean otherwise = tokens.next().isName("else");
        endTag();
        return new Statement.For(
                target, items, filter, body, otherwise ? parseUpTo(position, "endfor") : List.of(), position);
    }

    private Target parseTarget(boolean namespaces) {
        int position = tokens.peek().position();
        List<Target> targets = new ArrayList<>();
        boolean unpacks = false;
        do {
            if (tokens.peek().isName("in") || tokens.peek().isOperator("=")) {
                break;
            }
            if (tokens.peek().isOperator("(")) {
                targets.add(parseNestedTarget(namespaces));
            } else {
                targets.add(parseSimpleTarget(namespaces));
            }
            unpacks |= tokens.peek().isOperator(",");
        } while (tokens.skipOperator(","));
        if (targets.isEmpty()) {
            throw tokens.unexpected(tokens.peek(), "a name");
        }
        return unpacks ? new Target.Unpacked(targets, position) : targets.getFirst();
    }

    private Target parseNestedTarget(boolean namespaces) {
        depth++;
        if (depth > MAXIMUM_DEPTH) {
            throw new TemplateException(
                    tokens.peek().position(), "more than " + MAXIMUM_DEPTH + " parentheses are nested here");
        }
        tokens.expectOperator("(");
        Target inner = parseTarget(namespaces);
        tokens.expectOperator(")");
        depth--;
        return inner;
    }

    private Target parseSimpleTarget(boolean namespaces) {
        Token name = tokens.expectName();
        if (Set.of("true", "false", "none", "True", "False", "None", "loop").contains(name.text())) {
            throw new TemplateException(name.position(), "nothing can be assigned to \"" + name.text() + "\"");
        }
        if (namespaces && tokens.skipOperator(".")) {
            return new Target.NamespaceAttribute(
                    name.text(), tokens.expectName().text(), name.position());
        }
        return new Target.Variable(name.text(), name.position());
    }

    private Statement parseSet(int position) {
        Target target = parseTarget(true);
        if (tokens.skipOperator("=")) {
            Expression value = expressions.parseTuple();
            endTag();
            return new Statement.Set(target, value, position);
        }
        List<FilterCall> filters = new ArrayList<>();
        parseMoreFilters(filters);
        endTag();
        return new Statement.SetBlock(target, filters, parseUpTo(position, "endset"), position);
    }

    private void parseMoreFilters(List<FilterCall> filters) {
        while (tokens.skipOperator("|")) {
            filters.add(expressions.parseFilter());
        }
    }

    private Statement parseWith(int position) {
        List<Statement.Set> assignments = new ArrayList<>();
        while (tokens.peek().kind() != Kind.BLOCK_END) {
            if (!assignments.isEmpty()) {
                tokens.expectOperator(",");
            }
            Token name = tokens.expectName();
            tokens.expectOperator("=");
            assignments.add(new Statement.Set(
                    new Target.Variable(name.text(), name.position()), expressions.parse(), name.position()));
        }
        endTag();
        return new Statement.With(assignments, parseUpTo(position, "endwith"), position);
    }

    private Statement parseMacro(int position) {
        Token name = tokens.expectName();
        List<Parameter> parameters = parseParameters();
        endTag();
        return new Statement.Macro(name.text(), parameters, parseFunctionBody(position, "endmacro"), position);
    }

    private Statement parseCallBlock(int position) {
        List<Parameter> parameters = tokens.peek().isOperator("(") ? parseParameters() : List.of();
        Expression call = expressions.parse();
        if (!(call instanceof Expression.Call macroCall)) {
            throw new TemplateException(call.position(), "a call block must call a macro");
        }
        endTag();
        return new Statement.CallBlock(macroCall, parameters, parseFunctionBody(position, "endcall"), position);
    }

    /** A loop around a macro is not around what the macro does. */
    private List<Statement> parseFunctionBody(int position, String end) {
        int outer = loops;
        loops = 0;
        List<Statement> body = parseUpTo(position, end);
        loops = outer;
        return body;
    }

    private List<Parameter> parseParameters() {
        List<Parameter> parameters = new ArrayList<>();
        tokens.expectOperator("(");
        while (!tokens.skipOperator(")")) {
            if (!parameters.isEmpty()) {
                tokens.expectOperator(",");
            }
            Token name = tokens.expectName();
            parameters.add(new Parameter(name.text(), tokens.skipOperator("=") ? expressions.parse() : null));
        }
        return parameters;
    }
}
