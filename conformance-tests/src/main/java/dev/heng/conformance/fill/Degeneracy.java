package dev.heng.conformance.fill;

import java.util.ArrayList;
import java.util.List;

/**
 * How far a fill fell short of what it exists to trigger. A case whose fill is degenerate is UNTRUSTED: it proves nothing.
 *
 * @param triggers what was counted; copied
 */
public record Degeneracy(List<Trigger> triggers) {

    public Degeneracy {
        triggers = List.copyOf(triggers);
    }

    /** Returns the degeneracy of these triggers. */
    public static Degeneracy of(Trigger... triggers) {
        return new Degeneracy(List.of(triggers));
    }

    /** Returns whether any trigger fell short. */
    public boolean isDegenerate() {
        return triggers.stream().anyMatch(trigger -> !trigger.holds());
    }

    /**
     * Returns the share of the worst trigger that is missing: 0 for a sound fill, 1 for one that triggered nothing of something it
     * had to.
     */
    public double measure() {
        return triggers.stream()
                .filter(trigger -> !trigger.holds())
                .mapToDouble(trigger -> 1 - (double) trigger.observed() / trigger.required())
                .max()
                .orElse(0);
    }

    /** Returns the triggers of both. */
    public Degeneracy and(Degeneracy other) {
        List<Trigger> both = new ArrayList<>(triggers);
        both.addAll(other.triggers);
        return new Degeneracy(both);
    }

    @Override
    public String toString() {
        List<String> missing = triggers.stream()
                .filter(trigger -> !trigger.holds())
                .map(Trigger::toString)
                .toList();
        return missing.isEmpty() ? "sound" : "degenerate: " + String.join("; ", missing);
    }
}
