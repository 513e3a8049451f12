package dev.heng.kernels.abi;

import java.util.Collection;
import java.util.LinkedHashMap;
import java.util.Map;

/**
 * The facts of one vendor's interface, by name and in the order of the table.
 *
 * <p>Immutable, and safe for use by several threads.
 */
public final class AbiTable {

    private final Map<String, FunctionDeclaration> functions;
    private final Map<String, ConstantDeclaration> constants;
    private final Map<String, StructDeclaration> structs;

    AbiTable(
            Map<String, FunctionDeclaration> functions,
            Map<String, ConstantDeclaration> constants,
            Map<String, StructDeclaration> structs) {
        this.functions = new LinkedHashMap<>(functions);
        this.constants = new LinkedHashMap<>(constants);
        this.structs = new LinkedHashMap<>(structs);
    }

    /** Returns every function. */
    public Collection<FunctionDeclaration> functions() {
        return functions.values();
    }

    /** Returns every constant. */
    public Collection<ConstantDeclaration> constants() {
        return constants.values();
    }

    /** Returns every structure. */
    public Collection<StructDeclaration> structs() {
        return structs.values();
    }

    /**
     * Returns a function by its symbol.
     *
     * @throws IllegalArgumentException if the table does not have it: a mistake in the binding
     */
    public FunctionDeclaration function(String name) {
        return require(functions, name, "function");
    }

    /**
     * Returns a constant's value.
     *
     * @throws IllegalArgumentException if the table does not have it: a mistake in the binding
     */
    public long constant(String name) {
        return require(constants, name, "constant").value();
    }

    /**
     * Returns a structure's layout.
     *
     * @throws IllegalArgumentException if the table does not have it: a mistake in the binding
     */
    public StructDeclaration struct(String name) {
        return require(structs, name, "struct");
    }

    private static <T> T require(Map<String, T> facts, String name, String kind) {
        T fact = facts.get(name);
        if (fact == null) {
            throw new IllegalArgumentException("the ABI table has no " + kind + " " + name);
        }
        return fact;
    }
}
