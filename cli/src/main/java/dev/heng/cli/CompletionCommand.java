package dev.heng.cli;

import picocli.AutoComplete;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;

/** Prints a completion script. */
@Command(
        name = "completion",
        description = "Print a shell completion script.",
        footer = {"", "Bash and zsh: source <(heng completion)"})
final class CompletionCommand implements Runnable {

    /** Shells that the one script serves: under zsh it loads bashcompinit itself. */
    enum Shell {
        BASH,
        ZSH
    }

    private final Streams streams;

    @Mixin
    StandardOptions standard = new StandardOptions();

    @Spec
    CommandSpec spec = CommandSpec.create();

    @Parameters(arity = "0..1", description = "The shell: ${COMPLETION-CANDIDATES}; one script serves both.")
    Shell shell = Shell.BASH;

    CompletionCommand(Streams streams) {
        this.streams = streams;
    }

    @Override
    public void run() {
        streams.write(AutoComplete.bash("heng", spec.root().commandLine()));
    }
}
