package dev.heng.conformance.suite;

import dev.heng.conformance.bound.ErrorBound;
import dev.heng.conformance.compare.FloatComparator;
import dev.heng.conformance.compare.FloatTensor;
import dev.heng.conformance.compare.IntComparator;
import dev.heng.conformance.format.FloatFormat;
import java.util.Map;

/** The comparisons that families share. */
final class Checks {

    private Checks() {}

    /** Returns the output called {@code name}; the runner made sure that it is there. */
    static HostTensor output(Map<String, HostTensor> outputs, String name) {
        HostTensor tensor = outputs.get(name);
        if (tensor == null) {
            throw new IllegalStateException("output '" + name + "' was not read");
        }
        return tensor;
    }

    /** Compares bit for bit. */
    static Check bits(String what, HostTensor got, HostTensor expected) {
        return new Check(
                what + ": bits", IntComparator.exact(got.asBits(), expected.asBits()), expected.elements() == 0);
    }

    /** Compares with the one rounding of exact values (FORMAT-002); no rule depends on the sign of a zero (FORMAT-003). */
    static Check rounded(String what, HostTensor got, double[] exact) {
        FloatFormat format = HostTensor.format(got.dtype());
        double[] expected = new double[exact.length];
        for (int index = 0; index < exact.length; index++) {
            expected[index] = format.round(exact[index]) + 0.0;
        }
        double[] values = got.doubles();
        for (int index = 0; index < values.length; index++) {
            values[index] += 0.0;
        }
        return new Check(
                what + ": rounded once",
                FloatComparator.exact(new FloatTensor(format, got.shape(), values), format, got.shape(), expected),
                exact.length == 0);
    }

    /** Compares under a derived bound. */
    static Check within(String what, HostTensor got, double[] exact, ErrorBound bound) {
        return new Check(
                what + ": elements",
                FloatComparator.underBound(got.asFloats(), HostTensor.format(got.dtype()), got.shape(), exact, bound),
                exact.length == 0);
    }

    /** Returns the legal error of the output's one rounding of {@code exact}, second-order slack and subnormals included. */
    static double outputRounding(HostTensor got, double exact) {
        FloatFormat format = HostTensor.format(got.dtype());
        return 1.01 * format.unitRoundoff() * Math.abs(exact) + format.minSubnormal() / 2;
    }
}
