package dev.heng.runtime.template;

import dev.heng.runtime.template.Token.Kind;
import java.util.List;

/** Walks over the tokens of a template. Not thread-safe. */
final class TokenStream {

    private final List<Token> tokens;
    private int index;

    TokenStream(List<Token> tokens) {
        this.tokens = tokens;
    }

    Token peek() {
        return peek(0);
    }

    Token peek(int ahead) {
        return tokens.get(Math.min(index + ahead, tokens.size() - 1));
    }

    Token next() {
        Token token = peek();
        index++;
        return token;
    }

    boolean skipOperator(String operator) {
        return skip(Kind.OPERATOR, operator);
    }

    boolean skipName(String name) {
        return skip(Kind.NAME, name);
    }

    private boolean skip(Kind kind, String text) {
        boolean matches = peek().is(kind, text);
        if (matches) {
            index++;
        }
        return matches;
    }

    void expectOperator(String operator) {
        if (!skipOperator(operator)) {
            throw unexpected(peek(), "\"" + operator + "\"");
        }
    }

    Token expectName() {
        return expect(Kind.NAME, "a name");
    }

    Token expect(Kind kind, String what) {
        Token token = next();
        if (token.kind() != kind) {
            throw unexpected(token, what);
        }
        return token;
    }

    TemplateException unexpected(Token token, String expected) {
        return new TemplateException(token.position(), token.shown() + " stands where " + expected + " is expected");
    }
}
