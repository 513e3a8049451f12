package dev.heng.kernels.vendor;

/** A library or a symbol that is not there. The message says what and where, the remedy what an operator can do. Unchecked. */
public final class VendorLibraryException extends RuntimeException {

    private static final long serialVersionUID = 1L;

    private final String remedy;

    /** Makes one. */
    public VendorLibraryException(String message, String remedy) {
        super(message);
        this.remedy = remedy;
    }

    /** Returns what an operator can do. */
    public String remedy() {
        return remedy;
    }
}
