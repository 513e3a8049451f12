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
        double low = 0;
        double high = 1;
        while (upperTail(degrees, high) > tail) {
            high *= 2;
        }
        for (int step = 0; step < 200 && high - low > Math.ulp(high); step++) {
            double middle = (low + high) / 2;
            if (upperTail(degrees, middle) > tail) {
                low = middle;
            } else {
                high = middle;
            }
        }
        return high;
    }

    /** Returns P(T &gt; t) for t &gt; 0, half the regularised incomplete beta function at degrees / (degrees + t^2). */
    static double upperTail(int degrees, double t) {
        return 0.5 * incompleteBeta(degrees / 2.0, 0.5, degrees / (degrees + t * t));
    }

    /** Evaluates the regularised incomplete beta function by its continued fraction (Abramowitz and Stegun, 26.5.8). */
    private static double incompleteBeta(double a, double b, double x) {
        if (x <= 0) {
            return 0;
        }
        if (x >= 1) {
            return 1;
        }
        if (x > (a + 1) / (a + b + 2)) {
            return 1 - incompleteBeta(b, a, 1 - x);
        }
        double front = StrictMath.exp(
                        logGamma(a + b) - logGamma(a) - logGamma(b) + a * StrictMath.log(x) + b * StrictMath.log1p(-x))
                / a;
        // Lentz's method.
        double tiny = Double.MIN_NORMAL;
        double numerator = 1;
        double denominator = 1 / guarded(1 - (a + b) * x / (a + 1), tiny);
        double fraction = denominator;
        for (int i = 1; i < 10_000; i++) {
            double even = i * (b - i) * x / ((a + 2 * i - 1) * (a + 2 * i));
            denominator = 1 / guarded(1 + even * denominator, tiny);
            numerator = guarded(1 + even / numerator, tiny);
            fraction *= denominator * numerator;
            double odd = -(a + i) * (a + b + i) * x / ((a + 2 * i) * (a + 2 * i + 1));
            denominator = 1 / guarded(1 + odd * denominator, tiny);
            numerator = guarded(1 + odd / numerator, tiny);
            double change = denominator * numerator;
            fraction *= change;
            if (Math.abs(change - 1) < 1e-15) {
                break;
            }
        }
        return front * fraction;
    }

    private static double guarded(double value, double tiny) {
        return Math.abs(value) < tiny ? tiny : value;
    }

    /** Returns log(gamma(x)) for x = 1/2, 1, 3/2, ..., the only arguments a t distribution needs, by its recurrence. */
    private static double logGamma(double x) {
        double log = 2 * x % 2 == 0 ? 0 : 0.5 * StrictMath.log(StrictMath.PI);
        for (double value = 2 * x % 2 == 0 ? 1 : 0.5; value < x; value++) {
            log += StrictMath.log(value);
        }
        return log;
    }
}
