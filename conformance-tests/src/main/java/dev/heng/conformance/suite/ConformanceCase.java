package dev.heng.conformance.suite;

import java.util.List;

/**
 * One case: a scenario, which the runner executes and compares, or an experiment, which drives the device itself. Both are pure functions
 * of id and seed, so that both printed replay them on any JVM.
 *
 * @param id unique, and stable over releases: {@code LEVEL_RULE_whatIsShown/variant}
 * @param op the operator that the case is about, as reports group it
 * @param dtype the activation type or weight format that the case is about, as reports group it
 * @param rules rules of docs/ops.md that the case can refute; copied
 * @param level how often it is run
 * @param body makes the scenario, or is the experiment
 */
public record ConformanceCase(String id, String op, String dtype, List<String> rules, Level level, Body body) {

    public ConformanceCase {
        rules = List.copyOf(rules);
        if (rules.isEmpty()) {
            throw new IllegalArgumentException("case " + id + " cites no rule");
        }
    }

    /**
     * Returns the data of this case under {@code seed}.
     *
     * @throws IllegalStateException if this case is an experiment, which has no scenario
     */
    public Scenario scenario(long seed) {
        return switch (body) {
            case Recipe recipe -> recipe.prepare(id, seed);
            case Experiment _ -> throw new IllegalStateException("case " + id + " is an experiment, not a scenario");
        };
    }

    /** Returns whether the runner executes and compares a scenario of this case; otherwise the case is an experiment. */
    public boolean hasScenario() {
        return body instanceof Recipe;
    }

    /** What a case does. */
    public sealed interface Body permits Recipe, Experiment {}

    /** Makes scenarios. */
    @FunctionalInterface
    public non-sealed interface Recipe extends Body {
        /**
         * Returns the data of case {@code id} under {@code seed}; draws from {@code RandomStream.of(id, seed, tensor)} only.
         */
        Scenario prepare(String id, long seed);
    }
}
