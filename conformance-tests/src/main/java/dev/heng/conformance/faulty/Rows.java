package dev.heng.conformance.faulty;

import java.util.function.DoubleUnaryOperator;

/** What kernels of planted faults share. */
final class Rows {

    private Rows() {}

    /** Returns {@code values} with {@code change} applied to each. */
    static double[] each(double[] values, DoubleUnaryOperator change) {
        double[] changed = new double[values.length];
        for (int index = 0; index < values.length; index++) {
            changed[index] = change.applyAsDouble(values[index]);
        }
        return changed;
    }

    /** Returns a copy of {@code values}, read as rows of {@code width}, with those of {@code from} copied over those of {@code to}. */
    static double[] copied(double[] values, int width, int from, int to) {
        double[] changed = values.clone();
        System.arraycopy(values, from * width, changed, to * width, width);
        return changed;
    }
}
