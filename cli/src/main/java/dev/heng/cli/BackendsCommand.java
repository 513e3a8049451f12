package dev.heng.cli;

import dev.heng.runtime.registry.BackendRegistry;
import dev.heng.runtime.registry.Verdict;
import dev.heng.spi.DeviceInfo;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** Lists backends. */
@Command(name = "backends", description = "List the backends: which can be used, which not, and why.")
final class BackendsCommand implements Runnable {

    private final Streams streams;

    @Mixin
    StandardOptions standard = new StandardOptions();

    @Mixin
    PluginOptions plugins = new PluginOptions();

    @Option(names = "--json", description = "Print JSON.")
    boolean json;

    BackendsCommand(Streams streams) {
        this.streams = streams;
    }

    @Override
    public void run() {
        BackendRegistry registry = plugins.registry();
        streams.write(json ? Json.text(tree(registry)) : table(registry));
    }

    static Map<String, Object> tree(BackendRegistry registry) {
        return Json.object(
                "backends",
                registry.verdicts().stream().map(VerdictJson::of).toList(),
                "not_implemented",
                registry.notInThisBuild());
    }

    private static String table(BackendRegistry registry) {
        TextTable table = new TextTable("BACKEND", "PRIORITY", "STATUS", "DETAIL");
        List<String> remedies = new ArrayList<>();
        for (Verdict verdict : registry.verdicts()) {
            switch (verdict) {
                case Verdict.Usable usable -> {
                    for (DeviceInfo device : usable.devices()) {
                        table.row(
                                device.address(),
                                "" + usable.candidate().priority(),
                                device.simulated() ? "SIMULATED" : "available",
                                device.name());
                    }
                }
                case Verdict.Unusable unusable -> {
                    table.row(
                            unusable.candidate().id(),
                            "" + unusable.candidate().priority(),
                            "unavailable",
                            VerdictJson.reason(unusable.why()));
                    remedies.add(
                            unusable.candidate().id() + ": " + unusable.why().remedy());
                }
                case Verdict.Rejected rejected -> {
                    table.row(rejected.label(), "-", "rejected", rejected.reason());
                    remedies.add(rejected.label() + " (" + rejected.origin() + "): " + rejected.remedy());
                }
            }
        }
        StringBuilder text = new StringBuilder(table.toString());
        for (String remedy : remedies) {
            text.append("remedy for ").append(remedy).append('\n');
        }
        if (!registry.notInThisBuild().isEmpty()) {
            text.append("not implemented in this build: ")
                    .append(String.join(", ", registry.notInThisBuild()))
                    .append('\n');
        }
        return text.toString();
    }
}
