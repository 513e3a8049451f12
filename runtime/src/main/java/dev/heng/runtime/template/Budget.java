package dev.heng.runtime.template;

/**
 * Bounds what one rendering may do, so that no template hangs, overflows the stack or exhausts memory. The bounds are far above what a
 * conversation of a million characters needs. Not thread-safe.
 */
final class Budget {

    /** Characters of a prompt, and of any one string on the way to it. */
    static final int MAXIMUM_CHARACTERS = 16 << 20;

    /** Elements of a list. */
    static final int MAXIMUM_ELEMENTS = 1 << 20;

    /** Nested evaluations: expressions within expressions, blocks within blocks, macros within macros. */
    static final int MAXIMUM_DEPTH = 600;

    private static final String REMEDY =
            "shorten the conversation if it is huge; otherwise the template does not end, so correct it or pass --raw to prompt without it";

    /** Work in sum, about a nanosecond a unit: a character is one, an element of a list or an evaluation is {@link #STEP}. */
    private static final long MAXIMUM_WORK = 128L << 20;

    private static final int STEP = 16;

    private long work;
    private int depth;

    /** Counts an evaluation that others may nest in; {@link #leave()} ends it. */
    void enter(int position) {
        step(position);
        depth++;
        if (depth > MAXIMUM_DEPTH) {
            throw new TemplateException(
                    position, "more than " + MAXIMUM_DEPTH + " evaluations are nested here", REMEDY);
        }
    }

    /** Counts an evaluation that nothing nests in. */
    void step(int position) {
        spend(position, STEP);
    }

    void leave() {
        depth--;
    }

    /** Counts a string about to be made. */
    void characters(int position, long count) {
        if (count > MAXIMUM_CHARACTERS) {
            throw new TemplateException(
                    position,
                    "a text of " + count + " characters is made here; at most " + MAXIMUM_CHARACTERS + " are",
                    REMEDY);
        }
        spend(position, count);
    }

    /** Counts a list about to be made. */
    void elements(int position, long count) {
        if (count > MAXIMUM_ELEMENTS) {
            throw new TemplateException(
                    position,
                    "a list of " + count + " elements is made here; at most " + MAXIMUM_ELEMENTS + " are",
                    REMEDY);
        }
        spend(position, STEP * count);
    }

    private void spend(int position, long amount) {
        work += amount;
        if (work > MAXIMUM_WORK) {
            throw new TemplateException(
                    position, "the template is still at work after " + MAXIMUM_WORK / STEP + " steps", REMEDY);
        }
    }
}
