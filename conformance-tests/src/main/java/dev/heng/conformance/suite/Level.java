package dev.heng.conformance.suite;

/** How often a case is run. A level includes the ones before it. */
public enum Level {
    /** On every build: a minute on two cores. */
    SMOKE,
    /** What a backend must pass to be called conforming. */
    REQUIRED,
    /** What takes long. No case has this level yet. */
    NIGHTLY;

    /** Returns whether a run at {@code requested} executes cases of this level. */
    public boolean isWithin(Level requested) {
        return compareTo(requested) <= 0;
    }
}
