package dev.heng.runtime.template;

import java.util.List;
import org.jspecify.annotations.Nullable;

/** Is a statement of a template, parsed. */
sealed interface Statement {

    /** Text between tags. */
    record Data(Text text, int position) implements Statement {}

    /** <code>{{ value }}</code>. */
    record Print(Expression value, int position) implements Statement {}

    /** The branches of an if; the one without condition is the last. */
    record If(List<Branch> branches, int position) implements Statement {}

    /** A branch of an if; without condition it is the else. */
    record Branch(@Nullable Expression condition, List<Statement> body) {}

    /**
     * A for loop.
     *
     * @param otherwise what happens when there is no element
     */
    record For(
            Target target,
            Expression items,
            @Nullable Expression filter,
            List<Statement> body,
            List<Statement> otherwise,
            int position)
            implements Statement {}

    /** An assignment of a value. */
    record Set(Target target, Expression value, int position) implements Statement {}

    /** An assignment of what the body prints, run through filters. */
    record SetBlock(Target target, List<FilterCall> filters, List<Statement> body, int position) implements Statement {}

    /** Prints what the body prints, run through filters. */
    record FilterBlock(List<FilterCall> filters, List<Statement> body, int position) implements Statement {}

    /** A filter to run text through. */
    record FilterCall(String name, Expression.CallArguments arguments, int position) {}

    /** Names that hold within the body only. */
    record With(List<Set> assignments, List<Statement> body, int position) implements Statement {}

    /** A macro: a function that returns what its body prints. */
    record Macro(String name, List<Parameter> parameters, List<Statement> body, int position) implements Statement {}

    /** A call of a macro whose {@code caller()} prints the body. */
    record CallBlock(Expression.Call call, List<Parameter> parameters, List<Statement> body, int position)
            implements Statement {}

    /** A parameter of a macro. */
    record Parameter(String name, @Nullable Expression fallback) {}

    /** A body that only groups, such as {@code generation}. */
    record Group(List<Statement> body, int position) implements Statement {}

    /** Ends the loop. */
    record Break(int position) implements Statement {}

    /** Goes on with the next element of the loop. */
    record Continue(int position) implements Statement {}

    /** Is what a value is assigned to. */
    sealed interface Target {
        /** A variable. */
        record Variable(String name, int position) implements Target {}

        /** An attribute of a namespace. */
        record NamespaceAttribute(String namespace, String attribute, int position) implements Target {}

        /** Several targets that take a value apart. */
        record Unpacked(List<Target> targets, int position) implements Target {}
    }
}
