package dev.heng.conformance.bound;

/**
 * For each element of a tensor, the interval in which the error {@code got - expected} of correct arithmetic lies.
 *
 * <p>Bounds are computed, never configured: implementations derive them from inputs, profile and formats.
 */
public interface ErrorBound {

    /** Returns the number of elements this bound speaks of. */
    int size();

    /** Returns the most negative legal error of element {@code index}: zero or negative, never NaN for a finite expectation. */
    double lowest(int index);

    /** Returns the most positive legal error of element {@code index}: zero or positive, never NaN for a finite expectation. */
    double highest(int index);

    /** Returns the formula that the interval follows. */
    Formula formula();
}
