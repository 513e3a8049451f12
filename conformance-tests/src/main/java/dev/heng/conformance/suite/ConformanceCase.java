package dev.heng.conformance.suite;

import java.util.List;

/**
 * One case. Its scenario is a pure function of id and seed, so that both printed replay it on any JVM.
 *
 * @param id unique, and stable over releases: {@code LEVEL_RULE_whatIsShown/variant}
 * @param op the operator that the case is about, as reports group it
 * @param dtype the activation type or weight format that the case is about, as reports group it
 * @param rules rules of docs/ops.md that the case can refute; copied
 * @param level how often it is run
 * @param recipe makes the scenario
 */
public record ConformanceCase(String id, String op, String dtype, List<String> rules, Level level, Recipe recipe) {

    public ConformanceCase {
        rules = List.copyOf(rules);
        if (rules.isEmpty()) {
            throw new IllegalArgumentException("case " + id + " cites no rule");
        }
    }

    /** Returns the data of this case under {@code seed}. */
    public Scenario scenario(long seed) {
        return recipe.prepare(id, seed);
    }

    /** Makes scenarios. */
    @FunctionalInterface
    public interface Recipe {
        /**
         * Returns the data of case {@code id} under {@code seed}; draws from {@code RandomStream.of(id, seed, tensor)} only.
         */
        Scenario prepare(String id, long seed);
    }
}
