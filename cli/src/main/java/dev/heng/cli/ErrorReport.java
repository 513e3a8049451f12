package dev.heng.cli;

import dev.heng.runtime.HengException;
import dev.heng.spi.BackendException;
import java.io.PrintStream;
import java.util.Locale;

/** Turns what was thrown into one message and an exit code. */
final class ErrorReport {

    private ErrorReport() {}

    /** Prints {@code failure} and returns the exit code. */
    static int print(PrintStream err, Throwable failure, boolean stacktrace) {
        int code = switch (failure) {
            case HengException mistake -> print(err, String.valueOf(mistake.getMessage()), mistake.remedy());
            case BackendException refusal ->
                print(
                        err,
                        refusal.getMessage() + " ("
                                + refusal.code().name().toLowerCase(Locale.ROOT).replace('_', ' ') + ")",
                        refusal.remedy());
            case ReaderGoneException _ -> ExitCodes.READER_GONE;
            case OutOfMemoryError exhausted ->
                print(
                        err,
                        "the Java heap is exhausted (" + exhausted.getMessage() + ")",
                        "give it more, for example HENG_JAVA_OPTS=-Xmx8g, or ask for a shorter context");
            default -> defect(err, failure);
        };
        if (stacktrace && code != ExitCodes.READER_GONE) {
            failure.printStackTrace(err);
        }
        return code;
    }

    /** Prints a mistake of the user's. */
    static int print(PrintStream err, String message, String remedy) {
        err.println("heng: " + message);
        err.println("  remedy: " + remedy);
        return ExitCodes.USER_ERROR;
    }

    private static int defect(PrintStream err, Throwable failure) {
        StackTraceElement[] trace = failure.getStackTrace();
        err.println("heng: this is a defect of Heng: " + failure + (trace.length == 0 ? "" : " at " + trace[0]));
        err.println("  remedy: repeat the command with --stacktrace and report what it prints");
        return ExitCodes.DEFECT;
    }
}
