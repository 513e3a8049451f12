package dev.heng.runtime.registry;

import java.util.Collections;
import java.util.IdentityHashMap;
import java.util.Set;

/** Says in one line what a provider threw, and what can be done about it. */
final class Failures {

    private Failures() {}

    /**
     * Throws again what no caller may survive: ServiceLoader wraps an OutOfMemoryError of a constructor into a ServiceConfigurationError, which
     * would make an exhausted virtual machine look like a missing backend.
     */
    static void rethrowIfFatal(Throwable failure) {
        Set<Throwable> seen = Collections.newSetFromMap(new IdentityHashMap<>());
        for (Throwable current = failure; current != null && seen.add(current); current = current.getCause()) {
            if (current instanceof VirtualMachineError fatal) {
                throw fatal;
            }
        }
    }

    /** Returns the deepest cause: the reason, where the outer ones are wrapping. */
    static Throwable root(Throwable failure) {
        Set<Throwable> seen = Collections.newSetFromMap(new IdentityHashMap<>());
        Throwable root = failure;
        for (Throwable current = failure; current != null && seen.add(current); current = current.getCause()) {
            root = current;
        }
        return root;
    }

    /** Returns {@code failure} and its root cause in one line. */
    static String describe(Throwable failure) {
        Throwable root = root(failure);
        String text = name(root) + ": " + root.getMessage();
        return root.getMessage() == null ? name(root) : oneLine(text);
    }

    private static String name(Throwable failure) {
        return failure.getClass().getSimpleName();
    }

    /** Returns what to do about {@code failure} of code from {@code origin}. */
    static String remedy(Throwable failure, String origin) {
        return switch (root(failure)) {
            case UnsupportedClassVersionError _ ->
                "run Heng on the Java that the message asks for, or get a build of " + origin + " for Java "
                        + Runtime.version().feature();
            case UnsatisfiedLinkError _ ->
                "a provider must load native code inside probe() only: report it to the vendor of " + origin;
            case NoClassDefFoundError _, ClassNotFoundException _ ->
                "put the jar that holds the missing class beside " + origin + ", or fix the entry in its services file";
            case LinkageError _ -> "get a build of " + origin + " that fits this version of Heng";
            default -> "report it to the vendor of " + origin;
        };
    }

    /** Returns {@code text} without line breaks. */
    static String oneLine(String text) {
        return text.strip().replaceAll("\\s*\\R\\s*", " / ");
    }
}
