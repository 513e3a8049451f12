package dev.heng.cli;

import picocli.CommandLine;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.ParseResult;
import picocli.CommandLine.UnmatchedArgumentException;

/** Starts the command. */
public final class Main {

    private Main() {}

    /** Runs the command with {@code arguments} and exits with its code. */
    public static void main(String[] arguments) {
        Streams streams = Streams.ofProcess();
        int code = run(streams, Arguments.asTyped(arguments));
        streams.out().flush();
        System.exit(code);
    }

    /** Runs the command on these streams and returns its exit code; what the tests call. */
    static int run(Streams streams, String... arguments) {
        CommandLine commandLine = commandLine(streams);
        try {
            return commandLine.execute(arguments);
        } catch (OutOfMemoryError | StackOverflowError exhausted) {
            // The frames that used the memory are gone by now; picocli hands on exceptions only.
            return ErrorReport.print(streams.err(), exhausted, wantsStacktrace(arguments));
        }
    }

    private static CommandLine commandLine(Streams streams) {
        CommandLine commandLine = new CommandLine(new HengCommand(), new CommandFactory(streams));
        commandLine.setOut(new java.io.PrintWriter(streams.out(), true, java.nio.charset.StandardCharsets.UTF_8));
        commandLine.setErr(new java.io.PrintWriter(streams.err(), true, java.nio.charset.StandardCharsets.UTF_8));
        commandLine.setCaseInsensitiveEnumValuesAllowed(true);
        commandLine.setUsageHelpAutoWidth(false);
        commandLine.setUsageHelpWidth(100);
        // "-1" after an option is its value, and "--bakend" is a mistake and no prompt.
        commandLine.setUnmatchedOptionsArePositionalParams(false);
        commandLine.setParameterExceptionHandler((failure, _) -> mistakenFlag(streams, failure));
        commandLine.setExecutionExceptionHandler(
                (failure, _, parsed) -> ErrorReport.print(streams.err(), failure, stacktrace(parsed)));
        return commandLine;
    }

    private static int mistakenFlag(Streams streams, ParameterException failure) {
        CommandLine command = failure.getCommandLine();
        String name = command.getCommandSpec().qualifiedName();
        String suggestion = failure instanceof UnmatchedArgumentException unmatched
                ? String.join(", ", unmatched.getSuggestions())
                : "";
        String help = name.equals("heng") ? "heng --help" : name.replaceFirst("^heng ", "heng help ");
        return ErrorReport.print(
                streams.err(),
                name.replaceFirst("^heng ?", "") + (name.equals("heng") ? "" : ": ") + failure.getMessage(),
                (suggestion.isEmpty() ? "" : "did you mean " + suggestion + "? ") + "see '" + help + "'");
    }

    private static boolean stacktrace(ParseResult parsed) {
        ParseResult current = parsed;
        while (current.hasSubcommand()) {
            current = current.subcommand();
        }
        return current.hasMatchedOption("--stacktrace") || parsed.hasMatchedOption("--stacktrace");
    }

    private static boolean wantsStacktrace(String... arguments) {
        return java.util.Arrays.asList(arguments).contains("--stacktrace");
    }
}
