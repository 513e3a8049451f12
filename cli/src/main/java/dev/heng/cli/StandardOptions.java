package dev.heng.cli;

import picocli.CommandLine.Option;

/** What every command understands. */
final class StandardOptions {

    @Option(
            names = {"-h", "--help"},
            usageHelp = true,
            description = "Show this help and exit.")
    boolean help;

    @Option(names = "--stacktrace", description = "Show the stack trace of an error.")
    boolean stacktrace;
}
