package dev.heng.runtime.template;

import java.util.List;
import org.jspecify.annotations.Nullable;

/** Is an expression of a template, parsed. Every expression knows its first character in the source. */
sealed interface Expression {

    /** Returns the first character in the source. */
    int position();

    /** A constant. */
    record Literal(Value value, int position) implements Expression {}

    /** A variable. */
    record Name(String name, int position) implements Expression {}

    /** A list or tuple written out. */
    record ItemsLiteral(List<Expression> items, boolean tuple, int position) implements Expression {}

    /** A dictionary written out. */
    record DictLiteral(List<Entry> entries, int position) implements Expression {}

    /** An entry of a dictionary written out. */
    record Entry(Expression key, Expression value) {}

    /** {@code object.name}. */
    record Attribute(Expression object, String name, int position) implements Expression {}

    /** {@code object[key]}. */
    record Subscript(Expression object, Expression key, int position) implements Expression {}

    /** {@code object[from:to:step]}. */
    record Slice(
            Expression object,
            @Nullable Expression from,
            @Nullable Expression to,
            @Nullable Expression step,
            int position)
            implements Expression {}

    /** {@code function(arguments)}. */
    record Call(Expression function, CallArguments arguments, int position) implements Expression {}

    /** {@code operand | filter(arguments)}. */
    record Filtered(Expression operand, String filter, CallArguments arguments, int position) implements Expression {}

    /** {@code operand is test(arguments)}. */
    record Tested(Expression operand, String test, CallArguments arguments, boolean negated, int position)
            implements Expression {}

    /** {@code not operand}. */
    record Not(Expression operand, int position) implements Expression {}

    /** {@code -operand} or {@code +operand}. */
    record Signed(Expression operand, boolean negative, int position) implements Expression {}

    /** {@code left and right} or {@code left or right}. */
    record Logical(Expression left, Expression right, boolean conjunction, int position) implements Expression {}

    /** {@code left operator right} of arithmetic or concatenation. */
    record Binary(String operator, Expression left, Expression right, int position) implements Expression {}

    /** A chain of comparisons, such as {@code a < b <= c}. */
    record Comparison(Expression first, List<Comparand> others, int position) implements Expression {}

    /** One step of a chain of comparisons. */
    record Comparand(String operator, Expression operand) {}

    /** {@code whenTrue if condition else whenFalse}. */
    record Conditional(
            Expression condition,
            Expression whenTrue,
            @Nullable Expression whenFalse,
            int position) implements Expression {}

    /**
     * The arguments of a call.
     *
     * @param positional those without a name
     * @param named those with one
     * @param spread a list given as {@code *list}
     * @param namedSpread a dictionary given as {@code **dictionary}
     */
    record CallArguments(
            List<Expression> positional,
            List<Named> named,
            @Nullable Expression spread,
            @Nullable Expression namedSpread) {

        static final CallArguments NONE = new CallArguments(List.of(), List.of(), null, null);
    }

    /** An argument with a name. */
    record Named(String name, Expression value) {}
}
