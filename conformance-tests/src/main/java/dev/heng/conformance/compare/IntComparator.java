package dev.heng.conformance.compare;

import dev.heng.conformance.bound.Formula;
import java.util.Arrays;

/** Compares integer results: every element equal, in number, shape and stored width. Stateless and thread-safe. */
public final class IntComparator {

    private IntComparator() {}

    /**
     * Compares two tensors.
     *
     * @param got the device's result
     * @param expected what it must be
     */
    public static Verdict exact(IntTensor got, IntTensor expected) {
        if (got.bits() != expected.bits()) {
            return Verdict.refused(
                    Formula.F1, "the result's integers have " + got.bits() + " bits, expected " + expected.bits());
        }
        if (!Arrays.equals(got.shape(), expected.shape())) {
            return Verdict.refused(
                    Formula.F1,
                    "the result's shape is " + Arrays.toString(got.shape()) + ", expected "
                            + Arrays.toString(expected.shape()));
        }
        if (expected.size() == 0) {
            return Verdict.vacuous(Formula.F1, "an empty tensor, as expected");
        }
        int different = Arrays.mismatch(got.values(), expected.values());
        int shown = Math.max(0, different);
        long wanted = expected.values()[shown];
        long value = got.values()[shown];
        return new Verdict(
                different < 0 ? Outcome.PASS : Outcome.FAIL,
                Formula.F1,
                different < 0 ? 0 : Double.POSITIVE_INFINITY,
                shown,
                wanted,
                value,
                "0x" + Long.toHexString(wanted),
                "0x" + Long.toHexString(value),
                (double) value - wanted,
                0,
                different < 0 ? "all elements equal" : "got " + value + ", expected " + wanted);
    }
}
