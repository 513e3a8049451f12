package dev.heng.kernels.abi;

import java.util.List;
import java.util.stream.Collectors;

/**
 * One exported function.
 *
 * @param name the symbol
 * @param library the role of the library that exports it, as the table names it
 * @param result its result type as C spells it
 * @param resultType how the result travels
 * @param parameters its parameters in order; copied
 * @param since a name of the capability if older releases lack the symbol, "" if every release has it
 * @param source where this was read
 */
public record FunctionDeclaration(
        String name,
        String library,
        String result,
        NativeType resultType,
        List<Parameter> parameters,
        String since,
        AbiSource source) {

    public FunctionDeclaration {
        parameters = List.copyOf(parameters);
    }

    /**
     * A parameter.
     *
     * @param name its name in the source
     * @param spelling its type as C spells it
     * @param type how it travels
     */
    public record Parameter(String name, String spelling, NativeType type) {}

    /** Returns the type of a pointer to this function, as C++ spells it. */
    public String pointerType() {
        return result + " (*)(" + parameters.stream().map(Parameter::spelling).collect(Collectors.joining(", ")) + ")";
    }

    @Override
    public String toString() {
        return result + " " + name + "("
                + parameters.stream()
                        .map(parameter -> parameter.spelling() + " " + parameter.name())
                        .collect(Collectors.joining(", "))
                + ")";
    }
}
