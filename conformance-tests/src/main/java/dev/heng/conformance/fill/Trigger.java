package dev.heng.conformance.fill;

/**
 * One thing a fill exists to trigger, counted in the data it produced.
 *
 * @param what what is counted, for a reader of the report
 * @param observed how many were counted, not negative
 * @param required the fewest that let the fill do its work, not negative
 */
public record Trigger(String what, long observed, long required) {

    public Trigger {
        if (observed < 0 || required < 0) {
            throw new IllegalArgumentException("\"" + what + "\" counts " + observed + " of " + required);
        }
    }

    /** Returns whether enough was triggered. */
    public boolean holds() {
        return observed >= required;
    }

    @Override
    public String toString() {
        return what + ": " + observed + " of " + required;
    }
}
