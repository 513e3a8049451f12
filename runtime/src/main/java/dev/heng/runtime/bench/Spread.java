package dev.heng.runtime.bench;

import java.util.Arrays;
import java.util.List;

/**
 * Samples of one quantity.
 *
 * @param samples in the order in which they were taken, at least one; copied
 */
public record Spread(List<Double> samples) {

    public Spread {
        samples = List.copyOf(samples);
        if (samples.isEmpty()) {
            throw new IllegalArgumentException("a quantity without a sample was not measured");
        }
    }

    /** Returns the middle one; of an even number the mean of the two in the middle. */
    public double median() {
        double[] sorted = sorted();
        int middle = sorted.length / 2;
        return sorted.length % 2 == 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
    }

    /** Returns the smallest. */
    public double minimum() {
        return sorted()[0];
    }

    /** Returns the largest. */
    public double maximum() {
        double[] sorted = sorted();
        return sorted[sorted.length - 1];
    }

    private double[] sorted() {
        double[] sorted = samples.stream().mapToDouble(Double::doubleValue).toArray();
        Arrays.sort(sorted);
        return sorted;
    }
}
