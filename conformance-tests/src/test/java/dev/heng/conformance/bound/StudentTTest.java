package dev.heng.conformance.bound;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.math.BigDecimal;
import java.math.MathContext;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Quantiles against printed tables, tails against the closed forms of whole degrees of freedom, in 300 digits. */
final class StudentTTest {

    private static final MathContext DIGITS = new MathContext(300);

    @Test
    void quantilesAreThoseOfTables() {
        // Abramowitz and Stegun, table 26.10.
        assertEquals(6.314, StudentT.upperQuantile(1, 0.05), 0.0005);
        assertEquals(2.015, StudentT.upperQuantile(5, 0.05), 0.0005);
        assertEquals(3.169, StudentT.upperQuantile(10, 0.005), 0.0005);
        assertEquals(2.042, StudentT.upperQuantile(30, 0.025), 0.0005);
        assertEquals(636.619, StudentT.upperQuantile(1, 0.0005), 0.0005);
        assertEquals(3.646, StudentT.upperQuantile(30, 0.0005), 0.0005);
        assertEquals(0.816, StudentT.upperQuantile(2, 0.25), 0.0005);
        assertEquals(0.127, StudentT.upperQuantile(30, 0.45), 0.0005);
    }

    /** Abramowitz and Stegun, 26.7.4: for even degrees the two-sided probability is a sine times a polynomial of the cosine's square. */
    private static double tailOfEvenDegrees(int degrees, double t) {
        BigDecimal square = new BigDecimal(t).pow(2);
        BigDecimal whole = square.add(BigDecimal.valueOf(degrees));
        BigDecimal sine = new BigDecimal(t).divide(whole.sqrt(DIGITS), DIGITS);
        BigDecimal cosineSquare = BigDecimal.valueOf(degrees).divide(whole, DIGITS);
        BigDecimal term = BigDecimal.ONE;
        BigDecimal sum = BigDecimal.ZERO;
        for (int place = 0; place < degrees / 2; place++) {
            sum = sum.add(term);
            term = term.multiply(cosineSquare)
                    .multiply(BigDecimal.valueOf(2L * place + 1))
                    .divide(BigDecimal.valueOf(2L * place + 2), DIGITS);
        }
        BigDecimal inside = sine.multiply(sum);
        return BigDecimal.ONE.subtract(inside).divide(BigDecimal.TWO, DIGITS).doubleValue();
    }

    @ParameterizedTest
    @ValueSource(ints = {2, 4, 6, 8, 32, 64})
    void tailsOfEvenDegreesKeepTheirDigitsHoweverSmall(int degrees) {
        for (double t : new double[] {0, 1e-9, 0.1, 0.5, 1, 1.7, 1.73, 1.74, 2, 3, 5, 12, 40, 1000}) {
            double expected = tailOfEvenDegrees(degrees, t);
            assertEquals(expected, StudentT.upperTail(degrees, t), 1e-13 * expected, degrees + " degrees at " + t);
        }
    }

    @Test
    void tailsOfOddDegreesAreTheirClosedForms() {
        for (double t : new double[] {0, 0.1, 0.5, 1, 1.73, 1.74, 3, 10}) {
            double angle = StrictMath.atan2(1, t) / Math.PI;
            assertEquals(angle, StudentT.upperTail(1, t), 1e-14 * angle, "Cauchy at " + t);
            // Three degrees: the density is an elementary function, and so is its integral.
            double root = Math.sqrt(3);
            double three = (StrictMath.atan2(root, t) - root * t / (t * t + 3)) / Math.PI;
            assertEquals(three, StudentT.upperTail(3, t), 1e-14, "three degrees at " + t);
        }
        assertEquals(1 / (Math.PI * 1e100), StudentT.upperTail(1, 1e100), 1e-114);
        // Beside neighbours of even degrees: heavier tails for fewer degrees.
        for (int degrees = 1; degrees < 64; degrees++) {
            assertTrue(StudentT.upperTail(degrees, 4) > StudentT.upperTail(degrees + 1, 4), degrees + " degrees");
            assertTrue(StudentT.upperTail(degrees, 0.7) > StudentT.upperTail(degrees + 1, 0.7), degrees + " degrees");
        }
    }

    @Test
    void aQuantileIsTheLeastNumberWhoseTailIsNoLarger() {
        for (int degrees : new int[] {1, 2, 7, 8, 31, 32, 63}) {
            for (double tail : new double[] {0.4999, 0.3, 0.1, 0.01, 1e-6, 1e-9, 5e-13}) {
                double quantile = StudentT.upperQuantile(degrees, tail);
                assertTrue(StudentT.upperTail(degrees, quantile) <= tail, degrees + " " + tail);
                assertTrue(StudentT.upperTail(degrees, Math.nextDown(quantile)) > tail, degrees + " " + tail);
            }
        }
        // cot(pi p), and a tail that a number has exactly.
        assertEquals(1 / StrictMath.tan(Math.PI * 1e-6), StudentT.upperQuantile(1, 1e-6), 1e-6);
        assertEquals(5, StudentT.upperQuantile(5, StudentT.upperTail(5, 5)));
    }

    @Test
    void whatHasNoQuantileIsRefused() {
        assertThrows(IllegalArgumentException.class, () -> StudentT.upperQuantile(0, 0.1));
        assertThrows(IllegalArgumentException.class, () -> StudentT.upperQuantile(3, 0.5));
        assertThrows(IllegalArgumentException.class, () -> StudentT.upperQuantile(3, 0));
        assertThrows(IllegalArgumentException.class, () -> StudentT.upperQuantile(3, Double.NaN));
    }
}
