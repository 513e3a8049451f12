package dev.heng.conformance.run;

/**
 * The smallest shape under which a case was found to end in the state in which it ended in its own.
 *
 * @param smallest what was seen in that shape; its case replays by itself. The case's own result where nothing smaller ends so
 * @param tried shapes that were run
 * @param minimal whether every legal shape with one less of any dimension was run and ends otherwise; false where time or count ran out
 */
public record Shrunk(CaseResult smallest, int tried, boolean minimal) {

    /** Returns the id of the case in the smallest shape. */
    public String id() {
        return smallest.subject().id();
    }

    /** Returns what was seen there, in a sentence. */
    public String reason() {
        return smallest.reason();
    }

    /** Returns the command that repeats it. */
    public String replay() {
        return smallest.replay();
    }
}
