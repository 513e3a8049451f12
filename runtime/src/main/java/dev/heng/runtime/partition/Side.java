package dev.heng.runtime.partition;

/** One of the two executors of a graph that was cut. */
public enum Side {
    /** The device that was chosen. */
    FIRST,
    /** Whoever executes what the first does not. */
    SECOND;

    /** Returns the other one. */
    public Side other() {
        return this == FIRST ? SECOND : FIRST;
    }
}
