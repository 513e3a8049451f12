package dev.heng.runtime.registry;

import dev.heng.runtime.HengException;
import dev.heng.spi.Availability;
import dev.heng.spi.DeviceInfo;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.function.Function;
import java.util.stream.Collectors;

/**
 * The backends that this process can see: those on the class path and those of plug-ins.
 *
 * <p>Finding runs no native code; probing does, at most once for each provider, and only for those that a question needs. Not safe for use by
 * several threads.
 */
public final class BackendRegistry {

    /** Backends that the project is going to have. An id is named as missing only as long as no provider claims it. */
    private static final Set<String> DESIGNED =
            new TreeSet<>(Set.of("ascend", "cambricon", "cpu", "cuda", "reference"));

    private final List<Candidate> candidates;
    private final List<Verdict.Rejected> rejected;
    private final Map<Candidate, Verdict> probed = new HashMap<>();

    private BackendRegistry(List<Candidate> candidates, List<Verdict.Rejected> rejected) {
        this.candidates = candidates;
        this.rejected = rejected;
    }

    /**
     * Finds the backends on the class path of Heng and those of plug-ins.
     *
     * @param pluginPaths folders that hold one folder of jars for each plug-in; may be empty
     * @throws HengException if a plug-in path is not such a folder
     */
    public static BackendRegistry discover(List<Path> pluginPaths) {
        return discover(BackendRegistry.class.getClassLoader(), pluginPaths);
    }

    /**
     * Finds the backends that {@code loader} sees and those of plug-ins.
     *
     * @throws HengException if a plug-in path is not a folder of folders with jars
     */
    public static BackendRegistry discover(ClassLoader loader, List<Path> pluginPaths) {
        List<Candidate> found = new ArrayList<>();
        List<Verdict.Rejected> rejected = new ArrayList<>();
        add(ProviderScan.of(loader, false), found, rejected);
        for (Path path : pluginPaths) {
            for (PluginClassLoader plugin : PluginFolders.loaders(path)) {
                ProviderScan scan = ProviderScan.of(plugin, true);
                if (scan.accepted().isEmpty() && scan.rejected().isEmpty()) {
                    rejected.add(new Verdict.Rejected(
                            null,
                            String.valueOf(plugin.getName()),
                            path.toString(),
                            null,
                            "none of its jars lists a provider in " + ServicesFiles.NAME,
                            "move what is not a backend out of the plug-in path",
                            null));
                }
                add(scan, found, rejected);
            }
        }
        List<Candidate> unique = withoutDuplicates(found, rejected);
        unique.sort(Comparator.comparingInt(Candidate::priority).reversed().thenComparing(Candidate::id));
        return new BackendRegistry(List.copyOf(unique), rejected);
    }

    private static void add(ProviderScan scan, List<Candidate> found, List<Verdict.Rejected> rejected) {
        found.addAll(scan.accepted());
        rejected.addAll(scan.rejected());
    }

    /** Rejects every claimant of an id that is claimed twice: which of them was meant is not ours to guess. */
    private static List<Candidate> withoutDuplicates(List<Candidate> found, List<Verdict.Rejected> rejected) {
        Map<String, List<Candidate>> byId = new TreeMap<>();
        for (Candidate candidate : found) {
            byId.computeIfAbsent(candidate.id(), _ -> new ArrayList<>()).add(candidate);
        }
        List<Candidate> unique = new ArrayList<>();
        for (List<Candidate> claimants : byId.values()) {
            if (claimants.size() == 1) {
                unique.add(claimants.getFirst());
                continue;
            }
            for (Candidate claimant : claimants) {
                rejected.add(claimant.duplicate(claimants.stream()
                        .filter(other -> !other.equals(claimant))
                        .map(other -> other.providerName() + " in " + other.origin())
                        .collect(Collectors.joining(", "))));
            }
        }
        return unique;
    }

    /** Returns the providers that could be loaded, the highest priority first. Runs no native code. */
    public List<Candidate> candidates() {
        return candidates;
    }

    /** Returns the ids of the project's own backends that no provider of this build claims. */
    public List<String> notInThisBuild() {
        Set<String> missing = new TreeSet<>(DESIGNED);
        candidates.forEach(candidate -> missing.remove(candidate.id()));
        rejected.forEach(entry -> missing.remove(entry.label()));
        return List.copyOf(missing);
    }

    /** Probes every provider and returns all verdicts: by priority, then those rejected before probing. */
    public List<Verdict> verdicts() {
        List<Verdict> verdicts = new ArrayList<>();
        candidates.forEach(candidate -> verdicts.add(verdict(candidate)));
        verdicts.addAll(rejected);
        return verdicts;
    }

    private Verdict verdict(Candidate candidate) {
        Verdict known = probed.get(candidate);
        if (known == null) {
            known = candidate.probe();
            probed.put(candidate, known);
        }
        return known;
    }

    /**
     * Chooses a device. A backend that was named is used or the choice fails; there is no silent second best.
     *
     * @throws HengException if nothing fits; the message tells of every backend and its remedy
     */
    public BackendChoice choose(BackendWish wish) {
        return switch (wish) {
            case BackendWish.Auto _ -> chooseBest(_ -> Optional.empty());
            case BackendWish.Named named -> chooseNamed(named);
        };
    }

    /**
     * Chooses the first device, by priority, that is available and to which there is no objection.
     *
     * @param objection is asked for each available device in turn: why it will not do, in one line, or nothing
     * @throws HengException if nothing fits; the message tells of every backend and its remedy
     */
    public BackendChoice chooseBest(Function<BackendChoice, Optional<String>> objection) {
        List<String> passedOver = new ArrayList<>();
        List<String> objections = new ArrayList<>();
        for (Candidate candidate : candidates) {
            switch (verdict(candidate)) {
                case Verdict.Usable usable -> {
                    DeviceInfo device = usable.devices().getFirst();
                    Optional<String> refused =
                            objection.apply(new BackendChoice(candidate, device, report(device, List.of())));
                    if (refused.isEmpty()) {
                        addRest(candidate, passedOver);
                        return new BackendChoice(candidate, device, report(device, passedOver));
                    }
                    passedOver.add(candidate.id() + " (" + refused.get() + ")");
                    objections.add("\n    " + candidate.id() + ": will not do: " + refused.get());
                }
                case Verdict.Unusable unusable -> passedOver.add(candidate.id() + " (" + text(unusable.why()) + ")");
                case Verdict.Rejected entry -> passedOver.add(candidate.id() + " (rejected: " + entry.reason() + ")");
            }
        }
        throw new HengException(
                "no backend can be used" + String.join("", objections) + everything(), "see 'heng doctor'");
    }

    private void addRest(Candidate chosen, List<String> passedOver) {
        for (Candidate lower : candidates.subList(candidates.indexOf(chosen) + 1, candidates.size())) {
            passedOver.add(lower.id() + " (lower priority)");
        }
        for (Verdict.Rejected entry : rejected) {
            passedOver.add(entry.label() + " (rejected: " + entry.reason() + ")");
        }
    }

    private static String report(DeviceInfo device, List<String> passedOver) {
        String picked =
                "backend " + device.address() + ", " + device.name() + (device.simulated() ? ", SIMULATED" : "");
        String remedy = device.facts().get(DeviceInfo.REMEDY);
        if (remedy != null) {
            picked += "; remedy: " + remedy;
        }
        return Failures.oneLine(passedOver.isEmpty() ? picked : picked + "; not " + String.join(", ", passedOver));
    }

    private BackendChoice chooseNamed(BackendWish.Named wish) {
        Optional<Candidate> match = candidates.stream()
                .filter(candidate -> candidate.id().equals(wish.id()))
                .findFirst();
        if (match.isEmpty()) {
            List<Verdict.Rejected> same = rejected.stream()
                    .filter(entry -> wish.id().equals(entry.id()))
                    .toList();
            if (!same.isEmpty()) {
                throw rejection(wish, same.getFirst());
            }
            String what = notInThisBuild().contains(wish.id())
                    ? "backend '" + wish.id() + "' is not implemented in this build"
                    : "there is no backend '" + wish.id() + "'";
            throw new HengException(what + everything(), "choose one of those that are available, or 'auto'");
        }
        return switch (verdict(match.get())) {
            case Verdict.Usable usable ->
                usable.devices().stream()
                        .filter(device -> wish.ordinal() < 0 || device.ordinal() == wish.ordinal())
                        .findFirst()
                        .map(device -> new BackendChoice(match.get(), device, report(device, List.of())))
                        .orElseThrow(() -> new HengException(
                                "backend '" + wish.id() + "' has no device " + wish.ordinal() + "; it has "
                                        + usable.devices().stream()
                                                .map(device -> device.address() + " (" + device.name() + ")")
                                                .collect(Collectors.joining(", ")),
                                "choose one of these"));
            case Verdict.Unusable unusable ->
                throw new HengException(
                        "backend '" + wish.id() + "' cannot be used: " + text(unusable.why()),
                        Failures.oneLine(unusable.why().remedy()));
            case Verdict.Rejected entry -> throw rejection(wish, entry);
        };
    }

    private static HengException rejection(BackendWish.Named wish, Verdict.Rejected entry) {
        String message = "backend '" + wish.id() + "' was rejected: " + entry.providerName() + " in " + entry.origin()
                + ": " + entry.reason();
        return entry.cause() == null
                ? new HengException(message, entry.remedy())
                : new HengException(message, entry.remedy(), entry.cause());
    }

    /** Returns a line for each backend that there is and is not, each with its remedy, for the end of an error's message. */
    private String everything() {
        StringBuilder text = new StringBuilder();
        for (Verdict verdict : verdicts()) {
            text.append("\n    ");
            switch (verdict) {
                case Verdict.Usable usable ->
                    text.append(usable.candidate().id())
                            .append(": available (")
                            .append(usable.devices().stream()
                                    .map(DeviceInfo::address)
                                    .collect(Collectors.joining(", ")))
                            .append(')');
                case Verdict.Unusable unusable ->
                    text.append(unusable.candidate().id())
                            .append(": ")
                            .append(text(unusable.why()))
                            .append("; remedy: ")
                            .append(Failures.oneLine(unusable.why().remedy()));
                case Verdict.Rejected entry ->
                    text.append(entry.label())
                            .append(": rejected (")
                            .append(entry.origin())
                            .append("): ")
                            .append(entry.reason())
                            .append("; remedy: ")
                            .append(entry.remedy());
            }
        }
        if (!notInThisBuild().isEmpty()) {
            text.append("\n    ").append(String.join(", ", notInThisBuild())).append(": not implemented in this build");
        }
        return text.toString();
    }

    private static String text(Availability.Unavailable why) {
        return Failures.oneLine(why.reason().name().toLowerCase(Locale.ROOT).replace('_', ' ') + ": " + why.detail());
    }
}
