package dev.heng.cli;

import dev.heng.conformance.faulty.Fault;
import dev.heng.conformance.faulty.Faults;
import dev.heng.conformance.kill.KillReport;
import dev.heng.conformance.kill.KillReportWriter;
import dev.heng.conformance.kill.KillRequest;
import dev.heng.conformance.kill.KillScore;
import dev.heng.conformance.report.ReportWriter;
import dev.heng.conformance.run.CaseResult;
import dev.heng.conformance.run.CaseState;
import dev.heng.conformance.run.Environment;
import dev.heng.conformance.run.ParityRun;
import dev.heng.conformance.run.RunReport;
import dev.heng.conformance.run.RunRequest;
import dev.heng.conformance.run.WaivedReport;
import dev.heng.conformance.run.Waivers;
import dev.heng.conformance.shard.ShardedRun;
import dev.heng.conformance.suite.ConformanceCase;
import dev.heng.conformance.suite.Level;
import dev.heng.conformance.suite.Suite;
import dev.heng.runtime.HengException;
import dev.heng.runtime.registry.BackendChoice;
import dev.heng.runtime.registry.BackendRegistry;
import dev.heng.runtime.registry.BackendWish;
import dev.heng.spi.BackendOptions;
import java.io.IOException;
import java.nio.file.Path;
import java.time.Duration;
import java.time.LocalDate;
import java.time.ZoneId;
import java.util.List;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** Judges a backend by the conformance suite. */
@Command(
        name = "parity",
        description = "Judge a backend by the conformance suite; see docs/conformance.md.",
        subcommands = {ParityDiffCommand.class, ParityVerifyCommand.class, ParityPageCommand.class},
        footer =
                "Exit codes: 0 green, 1 red (a case failed, nothing was shown, or a planted fault survived), 2 a mistake in the command.")
final class ParityCommand implements Callable<Integer> {

    /** A day, in seconds. */
    private static final long LONGEST_LIMIT = 86_400;

    private final Streams streams;

    @Mixin
    StandardOptions standard = new StandardOptions();

    @Mixin
    PluginOptions plugins = new PluginOptions();

    @Option(names = "--backend", paramLabel = "ID", description = "The backend under test, for example cpu or cuda:1.")
    String backend = "";

    @Option(names = "--level", paramLabel = "LEVEL", description = "smoke, required or nightly.")
    Level level = Level.SMOKE;

    @Option(
            names = "--case",
            paramLabel = "ID",
            description =
                    "Run one case, or all that match an id with *; ID@T=1,K=33 runs one in another shape of its family.")
    String pattern = "";

    @Option(names = "--seed", paramLabel = "N", description = "The seed of all inputs.")
    long seed = RunRequest.DEFAULT_SEED;

    @Option(
            names = "--report",
            paramLabel = "DIR",
            description = "Write JSON, JUnit XML, Markdown, CSV and HTML there.")
    @Nullable
    Path report;

    @Option(
            names = "--waivers",
            paramLabel = "FILE",
            description = "Known failures that somebody signed for, with version range, issue and expiry.")
    @Nullable
    Path waivers;

    @Option(
            names = "--limit",
            paramLabel = "SECONDS",
            description = "How long one case may take; 60 if nothing is said.")
    long limit = RunRequest.DEFAULT_LIMIT.toSeconds();

    @Option(
            names = "--shrink",
            paramLabel = "SECONDS",
            description =
                    "How long to look for smaller shapes of what failed, all cases together; 30 if nothing is said, 0 for not at all.")
    long shrink = RunRequest.DEFAULT_SHRINKING.toSeconds();

    @Option(
            names = "--in-process",
            description = "Run the cases in this process; a native crash then ends everything without a report.")
    boolean inProcess;

    @Option(names = "--list", description = "List the cases that would run, and the rules without a case.")
    boolean list;

    @Option(
            names = "--kill-score",
            description =
                    "Plant every known fault in the backend (cpu if none is named) and count those that the suite finds.")
    boolean killScore;

    @Option(
            names = "--family",
            paramLabel = "NAME",
            description = "With --kill-score: plant faults of this family only.")
    String family = "";

    @Option(names = "--fault", paramLabel = "ID", description = "With --kill-score: plant this fault only.")
    String fault = "";

    ParityCommand(Streams streams) {
        this.streams = streams;
    }

    @Override
    public Integer call() throws IOException, InterruptedException {
        Suite suite = Suite.standard();
        if (limit < 1 || limit > LONGEST_LIMIT) {
            throw new HengException("--limit is " + limit, "give seconds from 1 to " + LONGEST_LIMIT);
        }
        if (shrink < 0 || shrink > LONGEST_LIMIT) {
            throw new HengException("--shrink is " + shrink, "give seconds from 0 to " + LONGEST_LIMIT);
        }
        RunRequest request = new RunRequest(
                backend, level, pattern, seed, Duration.ofSeconds(limit), Duration.ofSeconds(shrink), replayCommand());
        List<ConformanceCase> selected = request.select(suite.cases());
        if (selected.isEmpty()) {
            throw new HengException(
                    pattern.isEmpty() ? "no case has level " + level : "no case is called '" + pattern + "'",
                    "see 'heng parity --list' for the ids");
        }
        if (list) {
            StringBuilder text = new StringBuilder();
            selected.forEach(one -> text.append(one.id()).append('\n'));
            suite.untested().forEach(rule -> text.append(rule).append('\n'));
            streams.write(text.toString());
            return ExitCodes.OK;
        }
        if (killScore) {
            return killScore(suite);
        }
        if (!family.isEmpty() || !fault.isEmpty()) {
            throw new HengException(
                    "--family and --fault choose planted faults", "add --kill-score, or leave them out");
        }
        if (backend.isEmpty()) {
            throw new HengException("no backend is named", "add --backend ID; 'heng backends' lists them");
        }
        BackendRegistry registry = plugins.registry();
        // Chosen before anything runs, so that a missing device is the user's mistake and not a red report.
        BackendChoice device = registry.choose(BackendWish.parse(backend));
        BackendChoice oracle = registry.choose(BackendWish.parse("reference"));
        Waivers signed = waivers == null ? Waivers.none() : Waivers.read(waivers);
        RunReport found = inProcess
                ? ParityRun.run(
                        suite,
                        request,
                        () -> device.open(BackendOptions.none()),
                        () -> oracle.open(BackendOptions.none()))
                : ShardedRun.run(suite, request, plugins.pluginPaths);
        found = WaivedReport.of(found, signed, suite, LocalDate.now(ZoneId.systemDefault()));
        if (report != null) {
            ReportWriter.write(found, Environment.current(plugins.pluginPaths), report);
        }
        streams.write(summary(found));
        return found.isGreen() ? ExitCodes.OK : ExitCodes.UNHEALTHY;
    }

    private int killScore(Suite suite) throws IOException {
        String planted = backend.isEmpty() ? "cpu" : backend;
        KillRequest request = new KillRequest(
                planted,
                family,
                fault,
                pattern,
                seed,
                Runtime.getRuntime().availableProcessors(),
                Duration.ofSeconds(Math.min(shrink, KillRequest.DEFAULT_SHRINKING.toSeconds())));
        List<Fault> faults = fault.isEmpty() ? request.select(Faults.all()) : List.of(Faults.named(fault));
        if (faults.isEmpty()) {
            throw new HengException(
                    "no family of planted faults is called '" + family + "'", "see docs/conformance/kill-score.md");
        }
        BackendRegistry registry = plugins.registry();
        BackendChoice device = registry.choose(BackendWish.parse(planted));
        BackendChoice oracle = registry.choose(BackendWish.parse("reference"));
        KillReport found = KillScore.run(
                suite,
                faults,
                request,
                () -> device.open(BackendOptions.none()),
                () -> oracle.open(BackendOptions.none()));
        if (report != null) {
            KillReportWriter.write(found, report);
        }
        streams.write(KillReportWriter.summary(found));
        return found.unexplained().isEmpty() ? ExitCodes.OK : ExitCodes.UNHEALTHY;
    }

    /** Returns how to start this command again so that it finds the same backend. */
    private String replayCommand() {
        StringBuilder command =
                new StringBuilder(System.getProperty("heng.parity.command", RunRequest.DEFAULT_COMMAND));
        plugins.pluginPaths.forEach(
                path -> command.append(" --plugin-path '").append(path).append('\''));
        return command.toString();
    }

    private static String summary(RunReport found) {
        StringBuilder text = new StringBuilder();
        for (CaseResult result : found.results()) {
            if (!result.state().isGreen() || result.state() == CaseState.WAIVED) {
                text.append(result.state() + " " + result.subject().id() + "\n  " + result.reason() + "\n  "
                        + result.replay() + "\n");
                if (result.shrunk() != null) {
                    text.append("  smallest shape that fails so, of "
                            + result.shrunk().tried() + " tried"
                            + (result.shrunk().minimal() ? "" : " until time ran out") + ":\n    "
                            + result.shrunk().reason() + "\n    "
                            + result.shrunk().replay() + "\n");
                }
            }
        }
        if (found.isSimulated()) {
            text.append("SIMULATED: this device is a simulator\n");
        }
        found.counts().forEach((state, count) -> {
            if (count > 0) {
                text.append(state + " " + count + "\n");
            }
        });
        text.append(found.untested().size() + " rules have no case yet (--list shows them)\n");
        text.append(found.isGreen() ? "GREEN\n" : "RED: " + String.join("; ", found.redReasons()) + "\n");
        return text.toString();
    }
}
