package dev.heng.spi;

/**
 * The answer to {@link Backend#supports}.
 *
 * @since 1.0
 */
public sealed interface Support {

    /** The device executes the node itself. */
    record Supported() implements Support {}

    /**
     * The device does not execute the node.
     *
     * @param code the kind of limit
     * @param text the limit that was met, with its value and, for a vendor's limit, the document that states it
     */
    record Declined(Code code, String text) implements Support {}

    /** The answer yes. */
    Support SUPPORTED = new Supported();

    /** Returns the answer no. */
    static Support declined(Code code, String text) {
        return new Declined(code, text);
    }

    /** Kinds of limit. */
    enum Code {
        /** The operator is not implemented. */
        OPERATOR,
        /** An element type is not. */
        DTYPE,
        /** A quantisation is not. */
        QUANTIZATION,
        /** A shape or a bound is out of range. */
        SHAPE,
        /** An attribute has a value that the device does not do. */
        ATTRIBUTE,
        /** A library of the needed version is missing. */
        LIBRARY
    }
}
