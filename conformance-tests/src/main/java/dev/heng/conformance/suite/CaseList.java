package dev.heng.conformance.suite;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;

/** Collects cases and refuses two of one id. */
final class CaseList {

    private final Map<String, ConformanceCase> cases = new LinkedHashMap<>();

    /**
     * Adds a case.
     *
     * @param rules the first one gives the id
     * @param title what is shown, in camel case
     * @param variant what tells members of the family apart
     */
    void add(
            Level level,
            String op,
            String dtype,
            List<String> rules,
            String title,
            String variant,
            ConformanceCase.Recipe recipe) {
        put(level, op, dtype, rules, title, variant, recipe);
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
        if (cases.put(id, new ConformanceCase(id, op, dtype, rules, level, body)) != null) {
            throw new IllegalStateException("two cases are called " + id);
        }
    }

    List<ConformanceCase> cases() {
        return new ArrayList<>(cases.values());
    }
}
