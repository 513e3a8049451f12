package dev.heng.conformance.suite;

import dev.heng.conformance.bound.ErrorBound;
import dev.heng.conformance.bound.Formula;

/** A symmetric bound that a family derived element by element. */
@SuppressWarnings("ArrayRecordComponent") // As large as a tensor; never compared.
record IntervalBound(Formula formula, double[] limits) implements ErrorBound {

    @Override
    public int size() {
        return limits.length;
    }

    @Override
    public double lowest(int index) {
        return -limits[index];
    }

    @Override
    public double highest(int index) {
        return limits[index];
    }
}
