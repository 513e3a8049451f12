package dev.heng.conformance.bound;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.heng.conformance.compare.FloatComparator;
import dev.heng.conformance.compare.FloatTensor;
import dev.heng.conformance.compare.Outcome;
import dev.heng.conformance.format.FloatFormat;
import java.math.BigDecimal;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** Reference values against sixty digits, and limits against hand-derived ones. */
final class ScalarFunctionTest {

    private static final double U = 0x1p-24;

    private static BigDecimal definition(ScalarFunction function, BigDecimal x) {
        return switch (function) {
            case EXP -> Exact.exp(x);
            case TANH -> {
                BigDecimal square = Exact.exp(x.multiply(BigDecimal.TWO));
                yield square.subtract(BigDecimal.ONE).divide(square.add(BigDecimal.ONE), Exact.DIGITS);
            }
            case RSQRT -> BigDecimal.ONE.divide(x.sqrt(Exact.DIGITS), Exact.DIGITS);
            case SQRT -> x.sqrt(Exact.DIGITS);
            case RECIPROCAL -> BigDecimal.ONE.divide(x, Exact.DIGITS);
            case SIGMOID -> BigDecimal.ONE.divide(BigDecimal.ONE.add(Exact.exp(x.negate())), Exact.DIGITS);
            case SILU -> x.multiply(definition(ScalarFunction.SIGMOID, x));
            case SOFTPLUS -> Exact.log1p(Exact.exp(x));
            case SQRT_SOFTPLUS -> Exact.log1p(Exact.exp(x)).sqrt(Exact.DIGITS);
        };
    }

    @ParameterizedTest
    @EnumSource(ScalarFunction.class)
    void valuesAreThoseOfTheDefinitionInSixtyDigits(ScalarFunction function) {
        boolean anySign = function != ScalarFunction.RSQRT && function != ScalarFunction.SQRT;
        for (double magnitude : new double[] {0x1p-20, 0.1, 0.5, 1, 2.75, 20, 87, 700}) {
            for (double x : anySign ? new double[] {magnitude, -magnitude} : new double[] {magnitude}) {
                double expected = definition(function, new BigDecimal(x)).doubleValue();
                assertEquals(expected, function.exact(x), 2 * Math.ulp(expected), function + " of " + x);
            }
        }
    }

    @Test
    void sigmoidGoesToZeroGradually() {
        // e^730 is no double, while the quotient is one, a subnormal.
        BigDecimal expected = definition(ScalarFunction.SIGMOID, new BigDecimal(-730));
        assertEquals(expected.doubleValue(), ScalarFunction.SIGMOID.exact(-730), Double.MIN_VALUE);
        assertEquals(0, ScalarFunction.SIGMOID.exact(Double.NEGATIVE_INFINITY));
        assertEquals(1, ScalarFunction.SIGMOID.exact(Double.POSITIVE_INFINITY));
        assertEquals(0.5, ScalarFunction.SIGMOID.exact(0));
    }

    @Test
    void infinitiesAndNansPassThroughAsTheFunctionsHaveThem() {
        assertTrue(Double.isNaN(ScalarFunction.SILU.exact(Double.NEGATIVE_INFINITY)));
        assertEquals(Double.POSITIVE_INFINITY, ScalarFunction.SILU.exact(Double.POSITIVE_INFINITY));
        assertEquals(0, ScalarFunction.SOFTPLUS.exact(Double.NEGATIVE_INFINITY));
        assertEquals(Double.POSITIVE_INFINITY, ScalarFunction.SOFTPLUS.exact(Double.POSITIVE_INFINITY));
        assertEquals(1000, ScalarFunction.SOFTPLUS.exact(1000));
        assertEquals(Double.POSITIVE_INFINITY, ScalarFunction.RSQRT.exact(0));
        for (ScalarFunction function : ScalarFunction.values()) {
            assertTrue(Double.isNaN(function.exact(Double.NaN)), function.toString());
        }
    }

    @Test
    void limitsAreHalfAPlaceAndTheFloatError() {
        assertEquals(
                0x1p-9 * 1 + 13 * U,
                ScalarFunction.SILU.largestError(1 - 0x1p-20, FloatFormat.BF16, Subnormals.KEPT),
                1e-9);
        assertEquals(0x1p-24 + 6 * U, ScalarFunction.EXP.largestError(1, FloatFormat.F32, Subnormals.KEPT));
        assertEquals(0x1p-24 + 6 * U, ScalarFunction.EXP.largestError(-1, FloatFormat.F32, Subnormals.KEPT));
        assertEquals(6, ScalarFunction.EXP.units());
    }

    @Test
    void belowNormalNumbersErrorsCountInSmallestSteps() {
        double subnormal = 0x1p-130;
        double kept = ScalarFunction.EXP.largestError(subnormal, FloatFormat.F32, Subnormals.KEPT);
        assertEquals(0x1p-150 + 6 * U * subnormal + 6 * 0x1p-150, kept, 0x1p-160);
        double flushed = ScalarFunction.EXP.largestError(subnormal, FloatFormat.F32, Subnormals.FLUSHED);
        assertEquals(0x1p-150 + 6 * U * subnormal + subnormal, flushed, 0x1p-160);
        // The smallest normal number is no subnormal: half a place of it, and the relative error.
        double normal = 0x1p-126;
        assertEquals(
                0x1p-150 + 6 * U * normal,
                ScalarFunction.EXP.largestError(normal, FloatFormat.F32, Subnormals.FLUSHED));
        // Next to zero, six smallest halves at least.
        assertEquals(
                0x1p-150 + 6 * 0x1p-150,
                ScalarFunction.EXP.largestError(0, FloatFormat.F32, Subnormals.FLUSHED),
                0x1p-170);
        assertEquals(0x1p-149, Subnormals.KEPT.floor());
        assertEquals(0x1p-126, Subnormals.FLUSHED.floor());
    }

    @ParameterizedTest
    @EnumSource(ScalarFunction.class)
    void everySixteenBitArgumentOfACorrectFloatEvaluationIsWithinItsLimit(ScalarFunction function) {
        for (FloatFormat format : new FloatFormat[] {FloatFormat.F16, FloatFormat.BF16}) {
            double[] arguments = new double[1 << 16];
            double[] rounded = new double[1 << 16];
            double[] wrong = new double[1 << 16];
            for (int code = 0; code < 1 << 16; code++) {
                arguments[code] = format.decode(code);
                float evaluated = (float) function.exact(arguments[code]);
                // A float32 evaluation that errs by one place each time, then rounded to the format.
                rounded[code] = format.round(Float.isFinite(evaluated) ? Math.nextUp(evaluated) : evaluated);
                if (evaluated == 0) {
                    rounded[code] = evaluated;
                }
                wrong[code] = rounded[code];
            }
            int[] shape = {1 << 16};
            FloatTensor got = new FloatTensor(format, shape, rounded);
            assertEquals(
                    Outcome.PASS,
                    FloatComparator.scalar(got, format, shape, function, arguments, Subnormals.KEPT)
                            .outcome(),
                    () -> FloatComparator.scalar(got, format, shape, function, arguments, Subnormals.KEPT)
                            .toString());
            int one = (int) format.encode(1.5);
            wrong[one] = format.round(wrong[one] + 1.2 * format.ulp(wrong[one]));
            assertEquals(
                    Outcome.FAIL,
                    FloatComparator.scalar(
                                    new FloatTensor(format, shape, wrong),
                                    format,
                                    shape,
                                    function,
                                    arguments,
                                    Subnormals.KEPT)
                            .outcome());
        }
    }
}
