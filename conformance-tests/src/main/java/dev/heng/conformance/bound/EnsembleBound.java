package dev.heng.conformance.bound;

import dev.heng.conformance.format.FloatFormat;
import java.util.ArrayList;
import java.util.List;
import java.util.function.ToDoubleFunction;

/**
 * The bound of a chain of operations, from an ensemble of runs of the oracle with random rounding at every op boundary (Monte
 * Carlo arithmetic; Parker, "Monte Carlo arithmetic", UCLA CSD-970002, 1997).
 *
 * <p>Each run's distance from the double truth is what rounding alone explains. The spread of an element is estimated from R runs,
 * so a device's error is held against Student's t with R degrees of freedom rather than against a normal quantile (F10). Tensor-wide
 * statistics, the root mean square error above all, are held against the ensemble's own (F11), which catches a device whose every
 * element stays within bounds while all are worse than they should be.
 *
 * <p>Not thread-safe while runs are added; immutable in use after that.
 */
public final class EnsembleBound implements ErrorBound {

    /**
     * The probability with which a correct device may fail one tensor: a tenth of the flake rate of 1e-5 per case that the suite
     * promises, for a case compares several.
     */
    static final double FALSE_ALARM_RATE = 1e-6;

    /** Fewer runs than this leave the spread too uncertain to bound anything. */
    static final int FEWEST_RUNS = 8;

    private final double[] truth;
    private final FloatFormat output;
    private final double[] squaredDistances;
    private final List<double[]> runs = new ArrayList<>();
    /** The quantile of F10 for the runs so far; NaN until asked for. */
    private double quantile = Double.NaN;

    /**
     * Creates the bound without runs.
     *
     * @param truth the chain's result with double kept throughout
     * @param output the format of the device's result
     */
    public EnsembleBound(double[] truth, FloatFormat output) {
        this.truth = truth.clone();
        this.output = output;
        this.squaredDistances = new double[truth.length];
    }

    /**
     * Adds one run of the ensemble.
     *
     * @param run the chain's result under one draw of random roundings, rounded to the output format
     */
    public void add(double[] run) {
        if (run.length != truth.length) {
            throw new IllegalArgumentException(
                    "a run of " + run.length + " elements does not belong to a truth of " + truth.length);
        }
        for (int index = 0; index < truth.length; index++) {
            double distance = run[index] - truth[index];
            squaredDistances[index] += distance * distance;
        }
        runs.add(run.clone());
        quantile = Double.NaN;
    }

    /** Returns the number of runs added. */
    public int runs() {
        return runs.size();
    }

    @Override
    public int size() {
        return truth.length;
    }

    @Override
    public Formula formula() {
        return Formula.F10;
    }

    @Override
    public double lowest(int index) {
        return -highest(index);
    }

    @Override
    public double highest(int index) {
        requireRuns();
        if (Double.isNaN(quantile)) {
            quantile = StudentT.upperQuantile(runs.size(), FALSE_ALARM_RATE / (2.0 * truth.length));
        }
        double spread = Math.sqrt(squaredDistances[index] / runs.size());
        double rounding =
                ProductBound.SECOND_ORDER * output.unitRoundoff() * Math.abs(truth[index]) + output.minSubnormal() / 2;
        return rounding + quantile * spread;
    }

    /**
     * Returns the largest value of a statistic that F11 allows.
     *
     * @param statistic a function of a result, such as {@link #rootMeanSquare}
     */
    public double highest(ToDoubleFunction<double[]> statistic) {
        requireRuns();
        double[] values = runs.stream().mapToDouble(statistic).toArray();
        double mean = 0;
        for (double value : values) {
            mean += value / values.length;
        }
        double variance = 0;
        for (double value : values) {
            double distance = value - mean;
            variance += distance * distance / (values.length - 1);
        }
        double factor = StudentT.upperQuantile(values.length - 1, FALSE_ALARM_RATE);
        return mean + factor * Math.sqrt(variance * (1 + 1.0 / values.length));
    }

    /** Returns the root mean square distance of {@code result} from the truth. */
    public double rootMeanSquare(double[] result) {
        double sum = 0;
        for (int index = 0; index < truth.length; index++) {
            double distance = result[index] - truth[index];
            sum += distance * distance;
        }
        return truth.length == 0 ? 0 : Math.sqrt(sum / truth.length);
    }

    private void requireRuns() {
        if (runs.size() < FEWEST_RUNS) {
            throw new IllegalStateException(
                    "an ensemble of " + runs.size() + " runs bounds nothing; add at least " + FEWEST_RUNS);
        }
    }
}
