package dev.heng.conformance.probe;

/** Thrown when a device's answers fit no unit that the probes know: the message names the answer. */
public final class InconclusiveProbeException extends RuntimeException {

    private static final long serialVersionUID = 1L;

    InconclusiveProbeException(String message) {
        super(message);
    }
}
