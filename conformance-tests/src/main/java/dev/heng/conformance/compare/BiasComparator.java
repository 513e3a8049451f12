package dev.heng.conformance.compare;

import dev.heng.conformance.bound.Formula;
import dev.heng.conformance.bound.ProductBound;
import java.util.Locale;

/**
 * The signed-bias test of a whole product (F7): errors that are each within bounds, but lean one way more than the unit's model
 * explains. It catches small scale errors, outputs truncated instead of rounded, and rounding done twice.
 *
 * <p>The model's mean is an interval, from no drift at all to the largest drift the profile can cause, since a unit that errs less
 * than its profile is legal. Stateless and thread-safe.
 */
public final class BiasComparator {

    /** Standard deviations of the mean that are allowed: two in a thousand million by chance. */
    private static final double LIMIT = 6;

    private BiasComparator() {}

    /**
     * Tests one product.
     *
     * @param got the device's result; elements that are not finite are left to the element comparison, which runs beside this
     * @param bound the product's bound; its data must be signed and exchangeable
     */
    public static Verdict test(FloatTensor got, ProductBound bound) {
        if (got.size() != bound.size()) {
            return Verdict.refused(Formula.F7, "the result has " + got.size() + " elements, expected " + bound.size());
        }
        if (!bound.isExchangeable()) {
            throw new IllegalArgumentException("the bias test holds for signed, exchangeable data only");
        }
        double[] exact = bound.moments().exact();
        double roundoff = bound.output().unitRoundoff();
        double towardSum = 0;
        double awaySum = 0;
        double sharedShare = 0;
        int counted = 0;
        for (int index = 0; index < exact.length; index++) {
            double value = got.values()[index];
            if (!Double.isFinite(exact[index]) || !Double.isFinite(value) || exact[index] == 0) {
                continue;
            }
            double rounding = roundoff * exact[index];
            double variance = rounding * rounding / 3 + bound.variance(index);
            double deviation = Math.sqrt(variance);
            double error = (value - exact[index]) * Math.signum(exact[index]);
            towardSum += (error + bound.driftTowardZero(index)) / deviation;
            awaySum += (error - bound.driftAwayFromZero(index)) / deviation;
            sharedShare += bound.sharedVariance(index) / variance;
            counted++;
        }
        if (counted == 0) {
            return Verdict.vacuous(Formula.F7, "no finite, non-zero element to test");
        }
        // Elements of one row share A's values and the order of K, those of one column B's: their path errors correlate
        // by about
        // 2/K for each neighbour, which adds 2(M + N)/K of the shared variance to that of a sum of independent errors.
        int m = bound.moments().m();
        int n = bound.moments().n();
        double correlation = 2.0 * (m + n) / Math.max(1, bound.moments().k()) * (sharedShare / counted);
        double scale = Math.sqrt(counted * (1 + correlation));
        double toward = towardSum / scale;
        double away = awaySum / scale;
        // Outside the interval of means, the nearer end gives the violation; inside it, z is zero.
        double z = toward < 0 ? toward : Math.max(0, away);
        return Verdict.statistic(
                Formula.F7,
                z,
                LIMIT,
                String.format(
                        Locale.ROOT,
                        "signed bias z = %.2f outside the model's interval of means (%.2f from its lower, %.2f from its upper"
                                + " end), %d elements",
                        z,
                        toward,
                        away,
                        counted));
    }
}
