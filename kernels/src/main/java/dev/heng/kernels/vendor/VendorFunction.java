package dev.heng.kernels.vendor;

import com.sun.jna.Function;
import com.sun.jna.Pointer;
import dev.heng.kernels.abi.FunctionDeclaration;
import dev.heng.kernels.abi.FunctionDeclaration.Parameter;
import dev.heng.kernels.abi.NativeType;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * One bound symbol, called with exactly the types that its declaration lists.
 *
 * <p>A call costs about 0.4 microseconds more than one through a JNA class made for the function; work of a device backend is queued in pieces
 * that take longer. Addresses and handles are {@code Long}, 0 for null; enumerations {@code Integer}; C++ {@code bool} is {@code Byte} 0 or 1, since a
 * Java boolean would arrive as -1.
 *
 * <p>Threading: as the vendor's function.
 */
public final class VendorFunction {

    private final FunctionDeclaration declaration;
    private final Function function;

    VendorFunction(FunctionDeclaration declaration, Function function) {
        this.declaration = declaration;
        this.function = function;
    }

    /** Returns what is called. */
    public FunctionDeclaration declaration() {
        return declaration;
    }

    /**
     * Calls a function whose result is a 32-bit status.
     *
     * @param arguments one of the declared class for each parameter
     * @throws IllegalArgumentException if number or class of an argument is not as declared: a mistake in the binding
     */
    public int callInt(Object... arguments) {
        check(NativeType.INT32, arguments);
        return function.invokeInt(arguments);
    }

    /** Calls a function whose result is a 64-bit number; arguments as in {@link #callInt}. */
    public long callLong(Object... arguments) {
        check(NativeType.INT64, arguments);
        return function.invokeLong(arguments);
    }

    /** Calls a function whose result is an address; arguments as in {@link #callInt}. */
    public long callAddress(Object... arguments) {
        check(NativeType.POINTER, arguments);
        return Pointer.nativeValue(function.invokePointer(arguments));
    }

    /**
     * Calls a function whose result is text that the callee keeps, and copies it at once, since it may be gone after the next call.
     *
     * @return the text, or null if the function gave null
     */
    public @Nullable String callText(Object... arguments) {
        check(NativeType.POINTER, arguments);
        Pointer text = function.invokePointer(arguments);
        return text == null ? null : text.getString(0, "UTF-8");
    }

    private void check(NativeType result, Object... arguments) {
        if (declaration.resultType() != result) {
            throw new IllegalArgumentException(declaration + " does not give " + result);
        }
        List<Parameter> parameters = declaration.parameters();
        if (parameters.size() != arguments.length) {
            throw new IllegalArgumentException(
                    declaration.name() + " takes " + parameters.size() + " arguments, not " + arguments.length);
        }
        for (int i = 0; i < arguments.length; i++) {
            if (!classOf(parameters.get(i).type()).isInstance(arguments[i])) {
                throw new IllegalArgumentException(
                        declaration.name() + ": " + parameters.get(i).name() + " is "
                                + parameters.get(i).spelling() + ", which is no "
                                + arguments[i].getClass().getSimpleName());
            }
        }
    }

    private static Class<?> classOf(NativeType type) {
        return switch (type) {
            case INT8 -> Byte.class;
            case INT32 -> Integer.class;
            case INT64, POINTER -> Long.class;
            case FLOAT -> Float.class;
            case DOUBLE -> Double.class;
            case VOID -> Void.class;
        };
    }
}
