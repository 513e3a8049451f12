package dev.heng.conformance.compare;

import dev.heng.conformance.bound.EnsembleBound;
import dev.heng.conformance.bound.Formula;
import java.util.Locale;

/** Holds a chain's root mean square error against its ensemble (F11). Stateless and thread-safe. */
public final class EnsembleComparator {

    private EnsembleComparator() {}

    /**
     * Tests the whole tensor.
     *
     * @param got the device's result, finite
     * @param bound the ensemble
     */
    public static Verdict rootMeanSquare(FloatTensor got, EnsembleBound bound) {
        if (got.size() != bound.size()) {
            return Verdict.refused(Formula.F11, "the result has " + got.size() + " elements, expected " + bound.size());
        }
        if (bound.size() == 0) {
            return Verdict.vacuous(Formula.F11, "an empty tensor, as expected");
        }
        double value = bound.rootMeanSquare(got.values());
        double limit = bound.highest(bound::rootMeanSquare);
        return Verdict.statistic(
                Formula.F11,
                value,
                limit,
                String.format(
                        Locale.ROOT, "root mean square error %.4g, of which rounding explains %.4g", value, limit));
    }
}
