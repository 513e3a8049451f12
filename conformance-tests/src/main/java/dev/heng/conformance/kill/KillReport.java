package dev.heng.conformance.kill;

import dev.heng.conformance.faulty.Fault;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * How many faults were found.
 *
 * @param request what was asked for
 * @param kills what became of each fault; copied
 * @param cases cases that pass without a fault and so could find one
 * @param selected cases that were selected
 * @param milliseconds how long everything took
 */
public record KillReport(KillRequest request, List<Kill> kills, int cases, int selected, long milliseconds) {

    public KillReport {
        kills = List.copyOf(kills);
    }

    /** Returns the faults that no case found. */
    public List<Fault> survivors() {
        return kills.stream().filter(kill -> !kill.isKilled()).map(Kill::fault).toList();
    }

    /** Returns the survivors that {@link Survivors} does not explain. */
    public List<Fault> unexplained() {
        return survivors().stream()
                .filter(fault -> Survivors.explanation(fault.id()).isEmpty())
                .toList();
    }

    /** Returns how many faults were found. */
    public int killed() {
        return kills.size() - survivors().size();
    }

    /** Returns the share of faults that were found, 0 to 1; 0 if none was planted. */
    public double score() {
        return kills.isEmpty() ? 0 : (double) killed() / kills.size();
    }

    /** Returns the results by family, in the order of the faults. */
    public Map<String, List<Kill>> byFamily() {
        Map<String, List<Kill>> families = new LinkedHashMap<>();
        kills.forEach(kill -> families.computeIfAbsent(kill.fault().family(), _ -> new ArrayList<>())
                .add(kill));
        return families;
    }
}
