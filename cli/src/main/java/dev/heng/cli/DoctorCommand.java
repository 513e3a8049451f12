package dev.heng.cli;

import dev.heng.runtime.registry.BackendRegistry;
import dev.heng.runtime.registry.Candidate;
import dev.heng.runtime.registry.Verdict;
import dev.heng.spi.DeviceInfo;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** Examines the installation. */
@Command(
        name = "doctor",
        description =
                "Examine this installation: Java, locale, terminal, and every backend with its verdict and remedy.",
        footer = {
            "",
            "Exit code 0 if a backend can be used and nothing is broken. A backend whose hardware or library is absent"
                    + " is no problem; one that was rejected is."
        })
final class DoctorCommand implements Callable<Integer> {

    private final Streams streams;

    @Mixin
    StandardOptions standard = new StandardOptions();

    @Mixin
    PluginOptions plugins = new PluginOptions();

    @Option(names = "--json", description = "Print JSON.")
    boolean json;

    DoctorCommand(Streams streams) {
        this.streams = streams;
    }

    @Override
    public Integer call() {
        List<Environment.Finding> findings = Environment.examine(streams);
        BackendRegistry registry = plugins.registry();
        List<Verdict> verdicts = registry.verdicts();
        boolean usable = verdicts.stream().anyMatch(Verdict.Usable.class::isInstance);
        boolean rejected = verdicts.stream().anyMatch(Verdict.Rejected.class::isInstance);
        boolean healthy = usable && !rejected && findings.stream().noneMatch(Environment.Finding::problem);
        streams.write(json ? json(findings, registry, healthy) : text(findings, registry, usable, healthy));
        return healthy ? ExitCodes.OK : ExitCodes.UNHEALTHY;
    }

    private static String json(List<Environment.Finding> findings, BackendRegistry registry, boolean healthy) {
        Map<String, Object> tree = Json.object(
                "healthy",
                healthy,
                "environment",
                findings.stream()
                        .map(finding -> Json.object(
                                "name", finding.name(),
                                "value", finding.value(),
                                "problem", finding.problem(),
                                "remedy", finding.problem() ? finding.remedy() : null))
                        .toList());
        tree.putAll(BackendsCommand.tree(registry));
        return Json.text(tree);
    }

    private static String text(
            List<Environment.Finding> findings, BackendRegistry registry, boolean usable, boolean healthy) {
        StringBuilder text = new StringBuilder();
        for (Environment.Finding finding : findings) {
            line(text, finding.problem() ? "!" : " ", finding.name(), finding.value());
            if (finding.problem()) {
                line(text, " ", "  remedy", finding.remedy());
            }
        }
        for (Verdict verdict : registry.verdicts()) {
            text.append('\n');
            switch (verdict) {
                case Verdict.Usable(Candidate candidate, List<DeviceInfo> devices, Duration took) -> {
                    head(text, " ", candidate, "available", took);
                    for (DeviceInfo device : devices) {
                        line(
                                text,
                                " ",
                                "  " + device.address(),
                                device.name() + (device.simulated() ? " (SIMULATED)" : ""));
                        device.facts().forEach((name, value) -> line(text, " ", "    " + name, value));
                    }
                }
                case Verdict.Unusable unusable -> {
                    head(text, " ", unusable.candidate(), "unavailable", unusable.took());
                    line(text, " ", "  reason", VerdictJson.reason(unusable.why()));
                    line(text, " ", "  remedy", unusable.why().remedy());
                }
                case Verdict.Rejected rejected -> {
                    line(text, "!", rejected.label(), "rejected");
                    line(text, " ", "  provider", rejected.providerName() + " in " + rejected.origin());
                    String version = rejected.spiVersion();
                    line(text, " ", "  SPI version", version == null ? "not known" : version);
                    line(text, " ", "  reason", rejected.reason());
                    line(text, " ", "  remedy", rejected.remedy());
                }
            }
        }
        text.append('\n');
        if (!registry.notInThisBuild().isEmpty()) {
            line(text, " ", "not in this build", String.join(", ", registry.notInThisBuild()));
        }
        String verdict = usable ? "something is broken: see the lines with !" : "no backend can be used";
        line(text, " ", "verdict", healthy ? "healthy" : verdict);
        return text.toString();
    }

    private static void head(StringBuilder text, String mark, Candidate candidate, String status, Duration took) {
        line(text, mark, candidate.id(), status + " (" + candidate.description() + ")");
        line(text, " ", "  provider", candidate.providerName() + " in " + candidate.origin());
        line(
                text,
                " ",
                "  SPI version",
                candidate.spiVersion() + ", priority " + candidate.priority() + ", probed in " + took.toMillis()
                        + " ms");
    }

    private static void line(StringBuilder text, String mark, String name, String value) {
        text.append(mark)
                .append(' ')
                .append(name)
                .repeat(' ', Math.max(1, 22 - name.length()))
                .append(value)
                .append('\n');
    }
}
