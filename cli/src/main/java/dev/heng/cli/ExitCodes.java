package dev.heng.cli;

/** What the command's exit status means. */
final class ExitCodes {

    /** Done. */
    static final int OK = 0;

    /** {@code doctor} found a problem. */
    static final int UNHEALTHY = 1;

    /** The user, the checkpoint or the machine must change something; the message says what. */
    static final int USER_ERROR = 2;

    /** A defect of Heng. */
    static final int DEFECT = 3;

    /** The reader of standard output went away: 128 + SIGPIPE, as for any other command. */
    static final int READER_GONE = 141;

    private ExitCodes() {}
}
