package dev.heng.runtime.template;

import dev.heng.runtime.template.Expression.CallArguments;
import dev.heng.runtime.template.Value.Bool;
import dev.heng.runtime.template.Value.Dict;
import dev.heng.runtime.template.Value.Function;
import dev.heng.runtime.template.Value.Int;
import dev.heng.runtime.template.Value.Items;
import dev.heng.runtime.template.Value.Loop;
import dev.heng.runtime.template.Value.Namespace;
import dev.heng.runtime.template.Value.Str;
import dev.heng.runtime.template.Value.Undefined;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * Runs a parsed template once. A loop, macro or captured block has a scope of its own, an if has not; assignments reach the scope they stand
 * in and no further, except through a namespace. Not thread-safe.
 */
final class Interpreter {

    /** Says how a statement ended. */
    private enum Flow {
        NEXT,
        BREAK,
        CONTINUE
    }

    private final Budget budget = new Budget();
    private final Formatter formatter = new Formatter(budget);
    private final Operators operators = new Operators(budget, formatter);

    Budget budget() {
        return budget;
    }

    Formatter formatter() {
        return formatter;
    }

    Operators operators() {
        return operators;
    }

    /** Runs a template and returns what it prints. */
    Text run(List<Statement> template, Scope scope) {
        Text.Builder output = new Text.Builder();
        run(template, scope, output);
        return output.build();
    }

    private Flow run(List<Statement> body, Scope scope, Text.Builder output) {
        for (Statement statement : body) {
            Flow flow = run(statement, scope, output);
            if (flow != Flow.NEXT) {
                return flow;
            }
        }
        return Flow.NEXT;
    }

    private Flow run(Statement statement, Scope scope, Text.Builder output) {
        return switch (statement) {
            case Statement.Data data -> print(data.text(), data.position(), output);
            case Statement.Print print ->
                print(formatter.str(evaluate(print.value(), scope), print.position()), print.position(), output);
            case Statement.If branches -> runIf(branches, scope, output);
            case Statement.For loop -> runFor(loop, scope, output);
            case Statement.Set set -> {
                assign(set.target(), evaluate(set.value(), scope), scope);
                yield Flow.NEXT;
            }
            case Statement.SetBlock set -> {
                Text text = filtered(set.filters(), capture(set.body(), new Scope(scope), set.position()), scope);
                assign(set.target(), new Str(text), scope);
                yield Flow.NEXT;
            }
            case Statement.FilterBlock filter -> {
                Text text =
                        filtered(filter.filters(), capture(filter.body(), new Scope(scope), filter.position()), scope);
                yield print(text, filter.position(), output);
            }
            case Statement.With with -> {
                Scope inner = new Scope(scope);
                for (Statement.Set set : with.assignments()) {
                    assign(set.target(), evaluate(set.value(), inner), inner);
                }
                yield nested(with.body(), inner, output, with.position());
            }
            case Statement.Macro macro -> {
                scope.set(macro.name(), macro(macro.name(), macro.parameters(), macro.body(), scope));
                yield Flow.NEXT;
            }
            case Statement.CallBlock block -> runCallBlock(block, scope, output);
            case Statement.Group group -> nested(group.body(), new Scope(scope), output, group.position());
            case Statement.Break _ -> Flow.BREAK;
            case Statement.Continue _ -> Flow.CONTINUE;
        };
    }

    private Flow print(Text text, int position, Text.Builder output) {
        budget.characters(position, text.characters().length());
        if ((long) output.length() + text.characters().length() > Budget.MAXIMUM_CHARACTERS) {
            budget.characters(
                    position, (long) output.length() + text.characters().length());
        }
        output.append(text);
        return Flow.NEXT;
    }

    private Flow nested(List<Statement> body, Scope scope, Text.Builder output, int position) {
        budget.enter(position);
        Flow flow = run(body, scope, output);
        budget.leave();
        return flow;
    }

    private Text capture(List<Statement> body, Scope scope, int position) {
        Text.Builder captured = new Text.Builder();
        nested(body, scope, captured, position);
        return captured.build();
    }

    private Text filtered(List<Statement.FilterCall> filters, Text text, Scope scope) {
        Value value = new Str(text);
        for (Statement.FilterCall filter : filters) {
            value = Filters.apply(
                    filter.name(),
                    this,
                    value,
                    arguments(filter.arguments(), scope, filter.position()),
                    filter.position());
        }
        return formatter.str(
                value,
                filters.isEmpty()
                        ? TemplateException.NOWHERE
                        : filters.getLast().position());
    }

    private Flow runIf(Statement.If branches, Scope scope, Text.Builder output) {
        for (Statement.Branch branch : branches.branches()) {
            Expression condition = branch.condition();
            if (condition == null || Operators.isTrue(evaluate(condition, scope))) {
                return nested(branch.body(), scope, output, branches.position());
            }
        }
        return Flow.NEXT;
    }

    private Flow runFor(Statement.For statement, Scope scope, Text.Builder output) {
        List<Value> items = operators.iterate(evaluate(statement.items(), scope), statement.position());
        Expression filter = statement.filter();
        if (filter != null) {
            List<Value> kept = new ArrayList<>();
            for (Value item : items) {
                Scope inner = new Scope(scope);
                assign(statement.target(), item, inner);
                if (Operators.isTrue(evaluate(filter, inner))) {
                    kept.add(item);
                }
            }
            items = kept;
        }
        if (items.isEmpty()) {
            return nested(statement.otherwise(), new Scope(scope), output, statement.position());
        }
        Loop loop = new Loop(items);
        for (int i = 0; i < items.size(); i++) {
            loop.moveTo(i);
            Scope inner = new Scope(scope);
            inner.set("loop", loop);
            assign(statement.target(), items.get(i), inner);
            if (nested(statement.body(), inner, output, statement.position()) == Flow.BREAK) {
                break;
            }
        }
        return Flow.NEXT;
    }

    private Flow runCallBlock(Statement.CallBlock block, Scope scope, Text.Builder output) {
        Arguments arguments = arguments(block.call().arguments(), scope, block.position());
        Map<String, Value> named = new LinkedHashMap<>(arguments.named());
        named.put("caller", macro("caller", block.parameters(), block.body(), scope));
        Value function = evaluate(block.call().function(), scope);
        Value result = call(function, new Arguments(arguments.positional(), named), block.position());
        return print(formatter.str(result, block.position()), block.position(), output);
    }

    private void assign(Statement.Target target, Value value, Scope scope) {
        switch (target) {
            case Statement.Target.Variable variable -> scope.set(variable.name(), value);
            case Statement.Target.NamespaceAttribute attribute -> {
                if (!(scope.get(attribute.namespace()) instanceof Namespace namespace)) {
                    throw new TemplateException(
                            attribute.position(),
                            "\"" + attribute.namespace() + "\" is no namespace, so nothing can be assigned inside it");
                }
                namespace.attributes().put(attribute.attribute(), value);
            }
            case Statement.Target.Unpacked unpacked -> {
                List<Value> parts = operators.iterate(value, unpacked.position());
                if (parts.size() != unpacked.targets().size()) {
                    throw new TemplateException(
                            unpacked.position(),
                            parts.size() + " values cannot be assigned to "
                                    + unpacked.targets().size() + " names");
                }
                for (int i = 0; i < parts.size(); i++) {
                    assign(unpacked.targets().get(i), parts.get(i), scope);
                }
            }
        }
    }

    private Function macro(String name, List<Statement.Parameter> parameters, List<Statement> body, Scope defined) {
        return (arguments, position) -> {
            Scope inner = new Scope(defined);
            if (arguments.positional().size() > parameters.size()) {
                throw new TemplateException(
                        position,
                        "the macro \"" + name + "\" takes " + parameters.size() + " arguments and is given "
                                + arguments.positional().size());
            }
            Map<String, Value> unused = new LinkedHashMap<>(arguments.named());
            for (int i = 0; i < parameters.size(); i++) {
                Statement.Parameter parameter = parameters.get(i);
                Value given = arguments.find(i, parameter.name());
                unused.remove(parameter.name());
                inner.set(parameter.name(), given != null ? given : fallback(parameter, inner));
            }
            Value caller = unused.remove("caller");
            if (caller != null) {
                inner.set("caller", caller);
            }
            if (!unused.isEmpty()) {
                throw new TemplateException(
                        position,
                        "the macro \"" + name + "\" has no parameter \""
                                + unused.keySet().iterator().next() + "\"");
            }
            return new Str(capture(body, inner, position));
        };
    }

    private Value fallback(Statement.Parameter parameter, Scope scope) {
        Expression fallback = parameter.fallback();
        return fallback == null ? new Undefined(parameter.name()) : evaluate(fallback, scope);
    }

    /** Evaluates an expression. */
    Value evaluate(Expression expression, Scope scope) {
        budget.enter(expression.position());
        Value value = switch (expression) {
            case Expression.Literal literal -> literal.value();
            case Expression.Name name -> scope.get(name.name());
            case Expression.ItemsLiteral list -> items(list, scope);
            case Expression.DictLiteral dictionary -> dictionary(dictionary, scope);
            case Expression.Attribute attribute ->
                attribute(evaluate(attribute.object(), scope), attribute.name(), attribute.position());
            case Expression.Subscript subscript ->
                subscript(evaluate(subscript.object(), scope), evaluate(subscript.key(), scope), subscript.position());
            case Expression.Slice slice -> slice(slice, scope);
            case Expression.Call call ->
                call(
                        evaluate(call.function(), scope),
                        arguments(call.arguments(), scope, call.position()),
                        call.position());
            case Expression.Filtered filtered -> filter(filtered, scope);
            case Expression.Tested tested -> {
                Value operand = evaluate(tested.operand(), scope);
                Arguments arguments = arguments(tested.arguments(), scope, tested.position());
                yield Bool.of(Conditions.test(tested.test(), this, operand, arguments, tested.position())
                        != tested.negated());
            }
            case Expression.Not not -> Bool.of(!Operators.isTrue(evaluate(not.operand(), scope)));
            case Expression.Signed signed ->
                operators.signed(evaluate(signed.operand(), scope), signed.negative(), signed.position());
            case Expression.Logical logical -> {
                Value left = evaluate(logical.left(), scope);
                yield Operators.isTrue(left) == logical.conjunction() ? evaluate(logical.right(), scope) : left;
            }
            case Expression.Binary binary ->
                operators.binary(
                        binary.operator(),
                        evaluate(binary.left(), scope),
                        evaluate(binary.right(), scope),
                        binary.position());
            case Expression.Comparison comparison -> Bool.of(compare(comparison, scope));
            case Expression.Conditional conditional -> conditional(conditional, scope);
        };
        budget.leave();
        return value;
    }

    private Value items(Expression.ItemsLiteral list, Scope scope) {
        List<Value> items = new ArrayList<>();
        for (Expression item : list.items()) {
            items.add(evaluate(item, scope));
        }
        return list.tuple() ? Items.tuple(items) : Items.list(items);
    }

    private Value dictionary(Expression.DictLiteral dictionary, Scope scope) {
        Map<Value, Value> entries = new LinkedHashMap<>();
        for (Expression.Entry entry : dictionary.entries()) {
            Value key = Operators.checkedKey(
                    evaluate(entry.key(), scope), entry.key().position());
            entries.put(key, evaluate(entry.value(), scope));
        }
        return Dict.of(entries);
    }

    private Value filter(Expression.Filtered filtered, Scope scope) {
        Value operand = evaluate(filtered.operand(), scope);
        Arguments arguments = arguments(filtered.arguments(), scope, filtered.position());
        return Filters.apply(filtered.filter(), this, operand, arguments, filtered.position());
    }

    private boolean compare(Expression.Comparison comparison, Scope scope) {
        Value left = evaluate(comparison.first(), scope);
        for (Expression.Comparand other : comparison.others()) {
            Value right = evaluate(other.operand(), scope);
            if (!operators.comparison(other.operator(), left, right, comparison.position())) {
                return false;
            }
            left = right;
        }
        return true;
    }

    private Value conditional(Expression.Conditional conditional, Scope scope) {
        if (Operators.isTrue(evaluate(conditional.condition(), scope))) {
            return evaluate(conditional.whenTrue(), scope);
        }
        Expression whenFalse = conditional.whenFalse();
        return whenFalse == null ? new Undefined("the missing else of an if expression") : evaluate(whenFalse, scope);
    }

    private Arguments arguments(CallArguments arguments, Scope scope, int position) {
        List<Value> positional = new ArrayList<>();
        for (Expression argument : arguments.positional()) {
            positional.add(evaluate(argument, scope));
        }
        Expression spread = arguments.spread();
        if (spread != null) {
            positional.addAll(operators.iterate(evaluate(spread, scope), position));
        }
        Map<String, Value> named = new LinkedHashMap<>();
        for (Expression.Named argument : arguments.named()) {
            named.put(argument.name(), evaluate(argument.value(), scope));
        }
        Expression namedSpread = arguments.namedSpread();
        if (namedSpread != null) {
            if (!(evaluate(namedSpread, scope) instanceof Dict dictionary)) {
                throw new TemplateException(position, "what stands behind ** must be a dictionary");
            }
            dictionary
                    .entries()
                    .forEach((key, value) ->
                            named.put(formatter.str(key, position).characters(), value));
        }
        return new Arguments(positional, named);
    }

    /** Calls a function. */
    Value call(Value function, Arguments arguments, int position) {
        if (!(function instanceof Function callable)) {
            throw new TemplateException(position, Value.typeName(function) + " cannot be called");
        }
        budget.enter(position);
        Value result = callable.call(arguments, position);
        budget.leave();
        return result;
    }

    /** Returns {@code object.name}: a method first, then an entry. */
    Value attribute(Value object, String name, int position) {
        requireDefined(object, name, position);
        Value method = Methods.find(this, object, name);
        if (method != null) {
            return method;
        }
        return switch (object) {
            case Dict dictionary -> dictionary.entries().getOrDefault(Str.ofTemplate(name), new Undefined(name));
            case Namespace namespace -> namespace.attributes().getOrDefault(name, new Undefined(name));
            case Loop loop -> loopAttribute(loop, name);
            case Value.None _, Bool _, Int _, Value.Real _, Str _, Items _, Undefined _, Function _ ->
                new Undefined(name);
        };
    }

    private static void requireDefined(Value object, String key, int position) {
        if (object instanceof Undefined undefined) {
            throw new TemplateException(
                    position, "\"" + undefined.name() + "\" is not defined, so it has no \"" + key + "\"");
        }
    }

    private static Value loopAttribute(Loop loop, String name) {
        int index = loop.index();
        int length = loop.items().size();
        return switch (name) {
            case "index" -> new Int(index + 1L);
            case "index0" -> new Int(index);
            case "revindex" -> new Int((long) length - index);
            case "revindex0" -> new Int(length - index - 1L);
            case "first" -> Bool.of(index == 0);
            case "last" -> Bool.of(index == length - 1);
            case "length" -> new Int(length);
            // Deeper levels exist in recursive loops only.
            case "depth" -> new Int(1);
            case "depth0" -> new Int(0);
            case "previtem" -> index == 0 ? new Undefined(name) : loop.items().get(index - 1);
            case "nextitem" ->
                index == length - 1 ? new Undefined(name) : loop.items().get(index + 1);
            default -> new Undefined("loop." + name);
        };
    }

    /** Returns {@code object[key]}: an entry first, then a method. */
    Value subscript(Value object, Value key, int position) {
        String shown = formatter.str(key, position).characters();
        requireDefined(object, shown.length() > 40 ? shown.substring(0, 40) + "…" : shown, position);
        Long index = Operators.integer(key);
        if (object instanceof Dict dictionary) {
            Value found = dictionary.entries().get(key);
            if (found != null) {
                return found;
            }
        } else if (object instanceof Items list && index != null) {
            int at = element(index, list.items().size());
            return at >= 0 ? list.items().get(at) : new Undefined("[" + index + "]");
        } else if (object instanceof Str string && index != null) {
            budget.characters(position, string.text().characters().length());
            int at = element(index, string.text().codePoints());
            return at >= 0 ? new Str(string.text().codePoints(at, at + 1)) : new Undefined("[" + index + "]");
        }
        return key instanceof Str name ? attribute(object, name.text().characters(), position) : new Undefined(shown);
    }

    /** Returns the place of an element that may be counted from the end, or -1 if there is none. */
    private static int element(long index, int size) {
        long at = index < 0 ? index + size : index;
        return at >= 0 && at < size ? Math.toIntExact(at) : -1;
    }

    private Value slice(Expression.Slice slice, Scope scope) {
        Value object = evaluate(slice.object(), scope);
        int position = slice.position();
        Long from = bound(slice.from(), scope);
        Long to = bound(slice.to(), scope);
        Long step = bound(slice.step(), scope);
        return switch (object) {
            case Items list -> {
                budget.elements(position, list.items().size());
                List<Value> items = new ArrayList<>();
                for (int index : Slices.indices(list.items().size(), from, to, step, position)) {
                    items.add(list.items().get(index));
                }
                yield list.tuple() ? Items.tuple(items) : Items.list(items);
            }
            case Str string -> {
                budget.characters(position, string.text().characters().length());
                int size = string.text().codePoints();
                int[] indices = Slices.indices(size, from, to, step, position);
                boolean together = step == null || step == 1;
                if (together) {
                    int count = indices.length;
                    yield new Str(count == 0 ? Text.EMPTY : string.text().codePoints(indices[0], indices[0] + count));
                }
                budget.elements(position, size);
                List<Value> points = string.text().split();
                Text.Builder text = new Text.Builder();
                for (int index : indices) {
                    text.append(((Str) points.get(index)).text());
                }
                yield new Str(text.build());
            }
            case Value.None _, Bool _, Int _, Value.Real _, Dict _, Undefined _, Namespace _, Loop _, Function _ ->
                throw new TemplateException(position, Value.typeName(object) + " cannot be sliced");
        };
    }

    private @Nullable Long bound(@Nullable Expression expression, Scope scope) {
        if (expression == null) {
            return null;
        }
        Value value = evaluate(expression, scope);
        if (value instanceof Value.None) {
            return null;
        }
        Long bound = Operators.integer(value);
        if (bound == null) {
            throw new TemplateException(
                    expression.position(), "a slice cannot begin, end or step at " + Value.typeName(value));
        }
        return bound;
    }
}
