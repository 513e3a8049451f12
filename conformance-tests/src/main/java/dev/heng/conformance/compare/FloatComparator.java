package dev.heng.conformance.compare;

import dev.heng.conformance.bound.ErrorBound;
import dev.heng.conformance.bound.Formula;
import dev.heng.conformance.bound.ScalarFunction;
import dev.heng.conformance.bound.Subnormals;
import dev.heng.conformance.format.FloatFormat;
import java.util.Arrays;

/**
 * Compares floating-point results.
 *
 * <p>Common to all comparisons: a result of another format or shape fails; NaN is legal exactly where NaN is expected; an expected
 * infinity must be that infinity, with its sign. A finite expectation is met by an infinity only where the bound itself reaches past
 * the format's range. An empty tensor, and one of which nothing finite was expected, is vacuous even when all of it agrees.
 *
 * <p>Stateless and thread-safe.
 */
public final class FloatComparator {

    private FloatComparator() {}

    /**
     * Compares under a derived bound.
     *
     * @param got the device's result
     * @param format the format that the result must have
     * @param shape the shape that the result must have
     * @param expected the exact result, in double
     * @param bound the legal errors
     */
    public static Verdict underBound(
            FloatTensor got, FloatFormat format, int[] shape, double[] expected, ErrorBound bound) {
        if (bound.size() != expected.length) {
            throw new IllegalArgumentException(
                    "a bound of " + bound.size() + " elements does not judge " + expected.length);
        }
        return compare(got, format, shape, expected, bound.formula(), new Rule() {
            @Override
            public double ratio(int index, double value) {
                double error = value - expected[index];
                double limit = error < 0 ? -bound.lowest(index) : bound.highest(index);
                return error == 0 ? 0 : Math.abs(error) / limit;
            }

            @Override
            public double limit(int index, double value) {
                return value < expected[index] ? -bound.lowest(index) : bound.highest(index);
            }

            @Override
            public boolean mayOverflow(int index, double infinity) {
                double reach =
                        infinity > 0 ? expected[index] + bound.highest(index) : expected[index] + bound.lowest(index);
                return format.round(reach) == infinity;
            }
        });
    }

    /**
     * Compares bit for bit with the expected values rounded to the result's format; signs of zeros count.
     *
     * @param got the device's result
     * @param format the format that the result must have
     * @param shape the shape that the result must have
     * @param expected the exact result, in double
     */
    public static Verdict exact(FloatTensor got, FloatFormat format, int[] shape, double[] expected) {
        return compare(got, format, shape, expected, Formula.F1, new Rule() {
            @Override
            public double ratio(int index, double value) {
                return Double.compare(format.round(expected[index]), value) == 0 ? 0 : Double.POSITIVE_INFINITY;
            }

            @Override
            public double limit(int index, double value) {
                return 0;
            }

            @Override
            public boolean mayOverflow(int index, double infinity) {
                return format.round(expected[index]) == infinity;
            }
        });
    }

    /**
     * Compares a scalar function's results in units of the last place. A zero must have the expected zero's sign.
     *
     * @param got the device's result
     * @param format the format that the result must have
     * @param shape the shape that the result must have
     * @param function the function
     * @param arguments the arguments, exactly as the device sees them
     * @param subnormals what the device declares for subnormals
     */
    public static Verdict scalar(
            FloatTensor got,
            FloatFormat format,
            int[] shape,
            ScalarFunction function,
            double[] arguments,
            Subnormals subnormals) {
        double[] expected = Arrays.stream(arguments).map(function::exact).toArray();
        return compare(got, format, shape, expected, Formula.F9, new Rule() {
            @Override
            public double ratio(int index, double value) {
                if (expected[index] == 0) {
                    return Double.compare(expected[index], value) == 0 ? 0 : Double.POSITIVE_INFINITY;
                }
                return Math.abs(value - expected[index]) / limit(index, value);
            }

            @Override
            public double limit(int index, double value) {
                return function.largestError(expected[index], format, subnormals);
            }

            @Override
            public boolean mayOverflow(int index, double infinity) {
                double limit = function.largestError(expected[index], format, subnormals);
                // The function's own error, without the half place that rounding to the format is.
                double reach = expected[index] + Math.copySign(limit - format.ulp(expected[index]) / 2, infinity);
                return format.round(reach) == infinity;
            }
        });
    }

    /** How one element with a finite expectation is judged. */
    private interface Rule {
        /** Returns error over bound of a finite {@code value}. */
        double ratio(int index, double value);

        /** Returns the legal error on {@code value}'s side. */
        double limit(int index, double value);

        /** Returns whether correct arithmetic may overflow to {@code infinity}. */
        boolean mayOverflow(int index, double infinity);
    }

    private static Verdict compare(
            FloatTensor got, FloatFormat format, int[] shape, double[] expected, Formula formula, Rule rule) {
        if (FloatTensor.elements(shape) != expected.length) {
            throw new IllegalArgumentException(
                    expected.length + " expected values do not fill shape " + Arrays.toString(shape));
        }
        if (got.format() != format) {
            return Verdict.refused(formula, "the result's elements are " + got.format() + ", expected " + format);
        }
        if (!Arrays.equals(got.shape(), shape)) {
            return Verdict.refused(
                    formula,
                    "the result's shape is " + Arrays.toString(got.shape()) + ", expected " + Arrays.toString(shape));
        }
        if (expected.length == 0) {
            return Verdict.vacuous(formula, "an empty tensor, as expected");
        }
        double worst = -1;
        int worstIndex = -1;
        boolean anyFinite = false;
        for (int index = 0; index < expected.length; index++) {
            anyFinite |= Double.isFinite(expected[index]);
            double ratio = ratio(expected[index], got.values()[index], index, rule);
            // A NaN ratio, as of 0 over 0 or of a NaN bound, is a failure and not a comparison that quietly came out
            // false.
            double counted = Double.isNaN(ratio) ? Double.POSITIVE_INFINITY : ratio;
            if (counted > worst) {
                worst = counted;
                worstIndex = index;
            }
        }
        double value = got.values()[worstIndex];
        double wanted = expected[worstIndex];
        Outcome outcome = worst > 1 ? Outcome.FAIL : anyFinite ? Outcome.PASS : Outcome.VACUOUS;
        double limit = Double.isFinite(value) && Double.isFinite(wanted) ? rule.limit(worstIndex, value) : 0;
        return new Verdict(
                outcome,
                formula,
                worst,
                worstIndex,
                wanted,
                value,
                format.hex(format.encode(wanted)),
                format.hex(format.encode(value)),
                value - wanted,
                limit,
                outcome == Outcome.VACUOUS
                        ? "nothing finite was expected"
                        : "got " + value + ", expected " + wanted + ", legal error " + limit);
    }

    private static double ratio(double expected, double got, int index, Rule rule) {
        if (Double.isNaN(expected) || Double.isNaN(got)) {
            return Double.isNaN(expected) && Double.isNaN(got) ? 0 : Double.POSITIVE_INFINITY;
        }
        if (Double.isInfinite(expected)) {
            return got == expected ? 0 : Double.POSITIVE_INFINITY;
        }
        if (Double.isInfinite(got)) {
            return rule.mayOverflow(index, got) ? 1 : Double.POSITIVE_INFINITY;
        }
        return rule.ratio(index, got);
    }
}
