package dev.heng.conformance.suite;

import java.util.List;

/**
 * One case: a scenario, which the runner executes and compares, or an experiment, which drives the device itself. Both are pure functions
 * of id and seed, so that both printed replay them on any JVM.
 *
 * @param id unique, and stable over releases: {@code LEVEL_RULE_whatIsShown/variant}, and behind an @ the shape where it is not the case's own
 * @param op the operator that the case is about, as reports group it
 * @param dtype the activation type or weight format that the case is about, as reports group it
 * @param rules rules of docs/ops.md that the case can refute; copied
 * @param level how often it is run
 * @param body makes the scenario, or is the experiment
 */
public record ConformanceCase(String id, String op, String dtype, List<String> rules, Level level, Body body) {

    /** What separates an id from a shape that is not the case's own. */
    public static final char SHAPE = '@';

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
            case Recipe recipe -> recipe.maker().prepare(id, seed, recipe.shape());
            case Experiment _ -> throw new IllegalStateException("case " + id + " is an experiment, not a scenario");
        };
    }

    /** Returns whether the runner executes and compares a scenario of this case; otherwise the case is an experiment. */
    public boolean hasScenario() {
        return body instanceof Recipe;
    }

    /** Returns the shape of this case; a fixed one if it is an experiment. */
    public CaseShape shape() {
        return switch (body) {
            case Recipe recipe -> recipe.shape();
            case Experiment _ -> CaseShape.FIXED;
        };
    }

    /** Returns this case in another shape of its family, under an id of its own, so that it replays by itself. */
    public ConformanceCase at(CaseShape shape) {
        return switch (body) {
            case Recipe recipe ->
                new ConformanceCase(
                        baseId() + SHAPE + shape, op, dtype, rules, level, new Recipe(shape, recipe.maker()));
            case Experiment _ -> throw new IllegalStateException("case " + id + " is an experiment and has no shape");
        };
    }

    /**
     * Returns this case in the shape that {@code text} names, as ids do behind the @.
     *
     * @throws dev.heng.runtime.HengException if the family has no such shape, or a larger one than this case's
     */
    public ConformanceCase at(String text) {
        return at(shape().at(text));
    }

    private String baseId() {
        int mark = id.indexOf(SHAPE);
        return mark < 0 ? id : id.substring(0, mark);
    }

    /** What a case does. */
    public sealed interface Body permits Recipe, Experiment {}

    /**
     * How a scenario is made.
     *
     * @param shape in which shape
     * @param maker makes it
     */
    public record Recipe(CaseShape shape, Maker maker) implements Body {}

    /** Makes the scenarios of a family. */
    @FunctionalInterface
    public interface Maker {
        /**
         * Returns the data of case {@code id} under {@code seed}; draws from {@code RandomStream.of(id, seed, tensor)} only.
         *
         * @param shape a legal shape of the family
         */
        Scenario prepare(String id, long seed, CaseShape shape);
    }
}
