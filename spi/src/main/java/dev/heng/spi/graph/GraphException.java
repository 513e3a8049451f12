package dev.heng.spi.graph;

/**
 * A graph that cannot be: an operand of the wrong type or shape, a duplicate name, a value of another graph. The message names the node,
 * the operator and both of the things that disagree. It is a programming error of whoever builds the graph.
 *
 * @since 1.0
 */
public final class GraphException extends IllegalArgumentException {

    private static final long serialVersionUID = 1L;

    /** Makes an exception with a message for the builder of the graph. */
    public GraphException(String message) {
        super(message);
    }
}
