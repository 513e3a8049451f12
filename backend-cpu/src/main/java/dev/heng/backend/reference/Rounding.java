package dev.heng.backend.reference;

import dev.heng.spi.BackendException;
import dev.heng.spi.tensor.DType;
import org.jspecify.annotations.Nullable;

/**
 * How results are rounded to their declared type, once for each element, at the boundary of each operator.
 *
 * <p>To nearest even (FORMAT-002), or up or down at random (FORMAT-011): Monte Carlo arithmetic, by which the conformance suite finds out how far rounding alone can carry a result. The random number is addressed by seed, run, node and element, so that
 * no order of execution matters. Source: Parker, "Monte Carlo arithmetic" (1997); Croci, Fasi, Higham, Mary, Mikaitis, "Stochastic
 * rounding" (2022), of which this is mode 1.
 */
final class Rounding {

    private static final String STOCHASTIC = "stochastic:";
    private static final Rounding NEAREST = new Rounding(false, 0, 0, 0);

    private final boolean stochastic;
    private final long seed;
    private final int run;
    private final int node;

    private Rounding(boolean stochastic, long seed, int run, int node) {
        this.stochastic = stochastic;
        this.seed = seed;
        this.run = run;
        this.node = node;
    }

    /** Returns rounding to nearest, ties to even. */
    static Rounding nearest() {
        return NEAREST;
    }

    /**
     * Returns the rounding that an option asks for.
     *
     * @param setting {@code nearest}, {@code stochastic:SEED}, or null for the first
     * @throws BackendException with {@link BackendException.Code#INVALID_OPTION} for anything else
     */
    static Rounding parse(@Nullable String setting) {
        if (setting == null || setting.equals("nearest")) {
            return NEAREST;
        }
        if (setting.startsWith(STOCHASTIC)) {
            try {
                return new Rounding(true, Long.parseLong(setting.substring(STOCHASTIC.length())), 0, 0);
            } catch (NumberFormatException notANumber) {
                throw invalid(setting, notANumber);
            }
        }
        throw invalid(setting, null);
    }

    /** Returns the rounding of one node in one run. */
    Rounding at(int runOfProgram, int indexOfNode) {
        return stochastic ? new Rounding(true, seed, runOfProgram, indexOfNode) : this;
    }

    /**
     * Returns a number of type {@code to}: {@code value} itself if it is one, else the nearest, or one of the two around it.
     *
     * @param element the element's index in the result, row-major
     */
    double round(DType to, double value, long element) {
        double nearest = FloatFormats.nearest(to, value);
        if (!stochastic || nearest == value || !Double.isFinite(nearest)) {
            return nearest;
        }
        double below = nearest < value ? nearest : FloatFormats.neighbour(to, nearest, false);
        double above = nearest < value ? FloatFormats.neighbour(to, nearest, true) : nearest;
        double share = Double.isInfinite(above - below) ? 0.5 : (value - below) / (above - below);
        int word = Philox.block((int) element, (int) (element >>> 32), node, run, seed)[0];
        return Philox.unit(word) < share ? above : below;
    }

    /** Returns the option's text. */
    @Override
    public String toString() {
        return stochastic ? STOCHASTIC + seed : "nearest";
    }

    private static BackendException invalid(String setting, @Nullable Throwable cause) {
        String message = "option 'rounding' of backend 'reference' is '" + setting + "'";
        String remedy = "use 'nearest', or 'stochastic:SEED' with a 64-bit integer";
        return cause == null
                ? BackendException.of(BackendException.Code.INVALID_OPTION, message, remedy)
                : BackendException.of(BackendException.Code.INVALID_OPTION, message, remedy, cause);
    }
}
