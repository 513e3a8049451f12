package dev.heng.conformance.chain;

import java.util.HashMap;
import java.util.Map;

/**
 * How far each result of one step may be off before it is rounded, as the truth's own data say: standard deviations and drifts, filled by
 * the evaluator that computes the truth and drawn from by the members of its ensemble.
 */
final class Errors {

    private final Map<String, double[]> deviations = new HashMap<>();
    private final Map<String, double[]> drifts = new HashMap<>();

    /**
     * Keeps the errors of what is called {@code name}.
     *
     * @param deviation the standard deviation of each element
     * @param drift the largest mean error of each element toward zero; negative where it leads away
     */
    void put(String name, double[] deviation, double[] drift) {
        deviations.put(name, deviation);
        drifts.put(name, drift);
    }

    double[] deviation(String name) {
        return known(deviations, name);
    }

    double[] drift(String name) {
        return known(drifts, name);
    }

    private static double[] known(Map<String, double[]> table, String name) {
        double[] found = table.get(name);
        if (found == null) {
            throw new IllegalStateException("no errors are known of '" + name + "'");
        }
        return found;
    }
}
