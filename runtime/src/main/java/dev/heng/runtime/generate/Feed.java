package dev.heng.runtime.generate;

/** What one run appends to one sequence. */
public final class Feed {

    private final int sequence;
    private final int[] tokens;
    private final Wanted wanted;

    /** Which rows of a feed are outputs. */
    public enum Wanted {
        /** None: a piece of a prompt that is not its end. */
        NONE,
        /** The last one. */
        LAST,
        /** Every one. */
        ALL
    }

    /**
     * Describes a feed.
     *
     * @param sequence the sequence, from 0
     * @param tokens the ids, at least one; not copied, not to be changed before the run
     * @param wanted which of its rows are outputs of the run
     */
    public Feed(int sequence, int[] tokens, Wanted wanted) {
        if (tokens.length == 0) {
            throw new IllegalArgumentException("sequence " + sequence + " is fed no token");
        }
        this.sequence = sequence;
        this.tokens = tokens;
        this.wanted = wanted;
    }

    int sequence() {
        return sequence;
    }

    int[] tokens() {
        return tokens;
    }

    /** Returns the number of rows that are outputs. */
    int outputs() {
        return switch (wanted) {
            case NONE -> 0;
            case LAST -> 1;
            case ALL -> tokens.length;
        };
    }

    /** Returns whether the row of token {@code index} is an output. */
    boolean wants(int index) {
        return index >= tokens.length - outputs();
    }

    @Override
    public String toString() {
        return tokens.length + " tokens for sequence " + sequence + ", outputs " + wanted;
    }
}
