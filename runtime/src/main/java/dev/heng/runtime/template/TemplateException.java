package dev.heng.runtime.template;

/** Reports a problem at a place of a template; {@link ChatTemplate} turns it into a message with line and column. */
final class TemplateException extends RuntimeException {

    private static final long serialVersionUID = 1L;

    /** The position of a problem that is in the values rather than at a place of the template. */
    static final int NOWHERE = -1;

    private final int position;
    private final String remedy;

    /**
     * Makes an exception.
     *
     * @param position the character of the template's source
     */
    TemplateException(int position, String problem, String remedy) {
        super(problem);
        this.position = position;
        this.remedy = remedy;
    }

    /** Makes an exception about something the template does with values, which only its author can mend. */
    TemplateException(int position, String problem) {
        this(position, problem, "correct the template, or pass --raw to prompt without it");
    }

    int position() {
        return position;
    }

    String remedy() {
        return remedy;
    }
}
