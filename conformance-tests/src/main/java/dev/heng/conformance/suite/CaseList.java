package dev.heng.conformance.suite;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;

/** Collects cases and refuses two of one id. */
final class CaseList {

    private final Map<String, ConformanceCase> cases = new LinkedHashMap<>();

    /** Makes a scenario whose data are fixed but for what is drawn. */
    @FunctionalInterface
    interface FixedMaker {
        Scenario prepare(String id, long seed);
    }

    /**
     * Adds a case.
     *
     * @param rules the first one gives the id
     * @param title what is shown, in camel case
     * @param variant what tells members of the family apart
     */
    void add(Level level, String op, String dtype, List<String> rules, String title, String variant, FixedMaker maker) {
        add(level, op, dtype, rules, title, variant, CaseShape.FIXED, (id, seed, _) -> maker.prepare(id, seed));
    }

    /** Adds a case that can be made in smaller shapes too; other parameters as of {@link #add}. */
    void add(
            Level level,
            String op,
            String dtype,
            List<String> rules,
            String title,
            String variant,
            CaseShape shape,
            ConformanceCase.Maker maker) {
        put(level, op, dtype, rules, title, variant, new ConformanceCase.Recipe(shape, maker));
    }

    /** Adds an experiment; parameters as of {@link #add}. */
    void experiment(
            Level level,
            String op,
            String dtype,
            List<String> rules,
            String title,
            String variant,
            Experiment experiment) {
        put(level, op, dtype, rules, title, variant, experiment);
    }

    private void put(
            Level level,
            String op,
            String dtype,
            List<String> rules,
            String title,
            String variant,
            ConformanceCase.Body body) {
        String id = level.name().toLowerCase(Locale.ROOT) + "_"
                + rules.getFirst().replace('-', '_') + "_" + title + "/" + variant;
        if (id.indexOf(ConformanceCase.SHAPE) >= 0) {
            throw new IllegalStateException(id + " holds what separates an id from a shape");
        }
        if (cases.put(id, new ConformanceCase(id, op, dtype, rules, level, body)) != null) {
            throw new IllegalStateException("two cases are called " + id);
        }
    }

    List<ConformanceCase> cases() {
        return new ArrayList<>(cases.values());
    }
}
