package dev.heng.conformance.bound;

/** Quantiles of Student's t distribution: how far a draw may lie from the mean when the spread was estimated from few draws. */
final class StudentT {

    private StudentT() {}

    /**
     * Returns t such that a variable of {@code degrees} degrees of freedom exceeds it with probability {@code tail}.
     *
     * @param degrees degrees of freedom, positive
     * @param tail the upper tail's probability, in (0, 0.5)
     */
    static double upperQuantile(int degrees, double tail) {
        if (degrees < 1 || !(tail > 0 && tail < 0.5)) {
            throw new IllegalArgumentException(
                    "no quantile of t with " + degrees + " degrees of freedom at an upper tail of " + tail);
        }
        double high = 1;
        while (upperTail(degrees, high) > tail) {
            high *= 2;
        }
        double low = 0;
        double middle = high / 2;
        // Until no number is left between the two.
        while (low < middle && middle < high) {
            if (upperTail(degrees, middle) > tail) {
                low = middle;
            } else {
                high = middle;
            }
            middle = low + (high - low) / 2;
        }
        return high;
    }

    /** Returns P(T &gt; t) for t &gt;= 0, half the regularised incomplete beta function at degrees / (degrees + t^2). */
    static double upperTail(int degrees, double t) {
        double square = t * t;
        double far = square / (degrees + square);
        double near = degrees / (degrees + square);
        // Each of the two converges where the other does not, and only the second keeps a small tail's digits.
        return square < 3
                ? 0.5 - 0.5 * incompleteBeta(degrees, 0.5, degrees / 2.0, far, near)
                : 0.5 * incompleteBeta(degrees, degrees / 2.0, 0.5, near, far);
    }

    /**
     * Returns the regularised incomplete beta function of (a, b) at x by its power series, all terms of which are positive (Abramowitz
     * and Stegun, 26.5.4). {@code y} is 1 - x, and of a and b one is 1/2, the other degrees / 2.
     */
    private static double incompleteBeta(int degrees, double a, double b, double x, double y) {
        double term = 1 / a;
        double sum = 0;
        for (int index = 1; sum + term > sum; index++) {
            sum += term;
            term *= (a + b + index - 1) / (a + index) * x;
        }
        return StrictMath.pow(x, a) * StrictMath.pow(y, b) / beta(degrees) * sum;
    }

    /** Returns the beta function of (degrees / 2, 1/2), by its recurrence from pi at 1 degree and 2 at 2. */
    private static double beta(int degrees) {
        double beta = degrees % 2 == 0 ? 2 : Math.PI;
        for (int below = 2 - degrees % 2; below < degrees; below += 2) {
            beta *= below / (below + 1.0);
        }
        return beta;
    }
}
