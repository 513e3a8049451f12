package dev.heng.conformance.compare;

import dev.heng.conformance.bound.Formula;
import java.util.Locale;

/**
 * What one comparison found, with all that a report needs to be believed.
 *
 * @param outcome pass, fail or vacuous
 * @param formula the formula that the bound follows
 * @param ratio the largest error over its bound: at most 1 on a pass, more on a failure; infinite where no error is legal
 * @param index the element of the largest ratio in row-major order, or -1 where the verdict is about the whole tensor
 * @param expected what was expected of that element or statistic; NaN where there is none
 * @param got what the device returned
 * @param expectedBits the expected element's bits in hexadecimal, rounded to the result's format; empty where there is none
 * @param gotBits the returned element's bits
 * @param error the error of that element or the value of the statistic
 * @param bound the legal error on that side, or the statistic's limit
 * @param message one sentence for a reader
 */
public record Verdict(
        Outcome outcome,
        Formula formula,
        double ratio,
        long index,
        double expected,
        double got,
        String expectedBits,
        String gotBits,
        double error,
        double bound,
        String message) {

    public Verdict {
        // Written so that a NaN ratio cannot pass.
        if (outcome == Outcome.PASS && !(ratio <= 1)) {
            throw new IllegalArgumentException("a verdict whose error is " + ratio + " times its bound cannot pass");
        }
    }

    /** Returns whether the comparison passed; a vacuous one did not. */
    public boolean passed() {
        return outcome == Outcome.PASS;
    }

    /** Returns a verdict about a whole tensor that failed before any element was looked at. */
    static Verdict refused(Formula formula, String message) {
        return new Verdict(
                Outcome.FAIL,
                formula,
                Double.POSITIVE_INFINITY,
                -1,
                Double.NaN,
                Double.NaN,
                "",
                "",
                Double.NaN,
                Double.NaN,
                message);
    }

    /** Returns a verdict of a comparison in which nothing could fail. */
    static Verdict vacuous(Formula formula, String message) {
        return new Verdict(
                Outcome.VACUOUS, formula, 0, -1, Double.NaN, Double.NaN, "", "", Double.NaN, Double.NaN, message);
    }

    /** Returns a verdict about one statistic with a limit. */
    static Verdict statistic(Formula formula, double value, double limit, String message) {
        double ratio = limit > 0 ? Math.abs(value) / limit : (value == 0 ? 0 : Double.POSITIVE_INFINITY);
        return new Verdict(
                ratio <= 1 ? Outcome.PASS : Outcome.FAIL,
                formula,
                ratio,
                -1,
                Double.NaN,
                value,
                "",
                "",
                value,
                limit,
                message);
    }

    @Override
    public String toString() {
        return String.format(
                Locale.ROOT,
                "%s %s error/bound %.4g%s: %s [%s]",
                outcome,
                formula,
                ratio,
                index < 0 ? "" : " at " + index,
                message,
                formula.text());
    }
}
