package dev.heng.cli;

import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.HelpCommand;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Spec;

/** The root: without a subcommand it shows the help. */
@Command(
        name = "heng",
        description = "Runs DeepSeek-family Mixture-of-Experts models on the CPU and on accelerators.",
        synopsisSubcommandLabel = "COMMAND",
        versionProvider = Version.class,
        subcommands = {
            GenerateCommand.class,
            ChatCommand.class,
            LogitsCommand.class,
            GraphCommand.class,
            BackendsCommand.class,
            DoctorCommand.class,
            AbiAuditCommand.class,
            CompletionCommand.class,
            ParityCommand.class,
            BenchCommand.class,
            VersionCommand.class,
            HelpCommand.class,
        },
        footer = {
            "",
            "Exit codes: 0 done, 1 doctor found a problem or parity is red, 2 something that you can change (the message"
                    + " says what), 3 a defect of Heng.",
            "Environment: HENG_JAVA_HOME (the Java to use), HENG_JAVA_OPTS (its options, for example -Xmx8g)."
        })
final class HengCommand implements Runnable {

    @Spec
    CommandSpec spec = CommandSpec.create();

    @Mixin
    StandardOptions standard = new StandardOptions();

    @CommandLine.Option(
            names = {"-V", "--version"},
            versionHelp = true,
            description = "Show the version and exit.")
    boolean version;

    @Override
    public void run() {
        spec.commandLine().usage(spec.commandLine().getOut());
    }
}
