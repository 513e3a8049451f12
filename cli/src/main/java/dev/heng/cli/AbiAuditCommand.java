package dev.heng.cli;

import dev.heng.runtime.HengException;
import dev.heng.runtime.registry.Candidate;
import dev.heng.spi.AbiAudit;
import dev.heng.spi.AbiAudit.Finding;
import dev.heng.spi.AbiAudit.Verdict;
import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.Callable;
import java.util.stream.Collectors;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** Holds a backend's view of its vendor's C interface against installed headers. */
@Command(
        name = "abi-audit",
        description = {
            "Compare what a backend believes of its vendor's C interface with installed headers, by compiling.",
            "Nothing of the vendor is loaded. Run it first on a new machine."
        },
        footer = {
            "",
            "Exit code 0: nothing differs, and something matched. 1: a fact differs.",
            "Example: heng abi-audit --vendor ascend --include $ASCEND_HOME_PATH/include"
        })
final class AbiAuditCommand implements Callable<Integer> {

    private final Streams streams;

    @Mixin
    StandardOptions standard = new StandardOptions();

    @Mixin
    PluginOptions plugins = new PluginOptions();

    @Option(
            names = "--vendor",
            paramLabel = "ID",
            required = true,
            description = "The backend, as heng backends lists it.")
    String vendor = "";

    @Option(
            names = "--include",
            paramLabel = "DIR",
            required = true,
            description = "A folder of the vendor's headers. May be repeated; the first match wins.")
    List<Path> folders = List.of();

    @Option(
            names = "--compiler",
            paramLabel = "CXX",
            defaultValue = "c++",
            description = "A C++17 compiler that takes GCC's options. Default: ${DEFAULT-VALUE}.")
    String compiler = "c++";

    @Option(names = "--all", description = "List the facts that match, too.")
    boolean all;

    AbiAuditCommand(Streams streams) {
        this.streams = streams;
    }

    @Override
    public Integer call() {
        List<Finding> findings;
        try {
            findings = audit().run(folders, compiler);
        } catch (IOException e) {
            throw new HengException(
                    "the audit of " + vendor + " came to no verdict: " + e.getMessage(),
                    "give the folder that holds the vendor's headers with --include, and a C++17 compiler with --compiler",
                    e);
        }
        Map<Verdict, Integer> counts = new TreeMap<>();
        StringBuilder text = new StringBuilder();
        for (Finding finding : findings) {
            counts.merge(finding.verdict(), 1, Integer::sum);
            if (all || finding.verdict() != Verdict.MATCHES) {
                text.append(finding.verdict())
                        .append(' ')
                        .append(finding.fact())
                        .append('\n');
                if (finding.verdict() == Verdict.DIFFERS) {
                    text.append("  headers: ").append(finding.detail()).append('\n');
                    text.append("  backend has it from ")
                            .append(finding.source())
                            .append('\n');
                }
            }
        }
        text.append(findings.size())
                .append(" facts: ")
                .append(counts.entrySet().stream()
                        .map(count -> count.getValue() + " " + count.getKey())
                        .collect(Collectors.joining(", ")))
                .append('\n');
        streams.write(text.toString());
        return counts.containsKey(Verdict.DIFFERS) || !counts.containsKey(Verdict.MATCHES)
                ? ExitCodes.UNHEALTHY
                : ExitCodes.OK;
    }

    private AbiAudit audit() {
        List<Candidate> candidates = plugins.registry().candidates();
        Candidate chosen = candidates.stream()
                .filter(candidate -> candidate.id().equals(vendor))
                .findFirst()
                .orElseThrow(() -> new HengException(
                        "there is no backend '" + vendor + "'",
                        "give one of " + candidates.stream().map(Candidate::id).collect(Collectors.joining(", "))));
        return chosen.abiAudit()
                .orElseThrow(() -> new HengException(
                        "backend '" + vendor + "' has no audit of a vendor's interface",
                        "audit a backend that binds a vendor's libraries, for example ascend"));
    }
}
