package dev.heng.kernels.cpu;

/** A function of the CPU kernels failed; the message is the kernels' own. */
public final class CpuKernelException extends RuntimeException {

    private static final long serialVersionUID = 1L;

    /** Kinds of failure, from {@code heng_cpu_status}. */
    public enum Kind {
        /** An argument, an instruction, or data that a run read is wrong. */
        INVALID,
        /** The system has no memory left. */
        OUT_OF_MEMORY,
        /** The level does not run here. */
        UNSUPPORTED,
        /** A thread could not be made, or a status that this binding does not know. */
        SYSTEM
    }

    private final Kind kind;
    private final String function;

    /**
     * Makes the exception.
     *
     * @param function which function of the kernels failed
     * @param message what was wrong, and with what
     */
    public CpuKernelException(Kind kind, String function, String message) {
        super(message);
        this.kind = kind;
        this.function = function;
    }

    /** Returns the same failure, told by a caller who knows more about it. */
    public CpuKernelException withMessage(String message) {
        CpuKernelException told = new CpuKernelException(kind, function, message);
        told.setStackTrace(getStackTrace());
        return told;
    }

    /** Returns the kind of failure. */
    public Kind kind() {
        return kind;
    }

    /** Returns the function that failed. */
    public String function() {
        return function;
    }
}
