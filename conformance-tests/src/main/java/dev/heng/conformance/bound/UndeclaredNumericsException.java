package dev.heng.conformance.bound;

/** A backend supports what its numerics profile is silent about, so that no bound can be derived. */
public final class UndeclaredNumericsException extends RuntimeException {
    private static final long serialVersionUID = 1L;

    /** Makes an exception that names what is missing. */
    public UndeclaredNumericsException(String message) {
        super(message);
    }
}
