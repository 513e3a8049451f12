package dev.heng.conformance.chain;

import dev.heng.conformance.bound.ActivationRounding;
import dev.heng.conformance.bound.RandomRounding;
import dev.heng.conformance.format.FloatFormat;
import dev.heng.conformance.random.RandomStream;
import dev.heng.spi.tensor.DType;
import org.jspecify.annotations.Nullable;

/** Rounds results: not at all for the truth, at random for a member of an ensemble. Not thread-safe. */
final class Arithmetic {

    private final @Nullable RandomStream stream;
    private final @Nullable RandomRounding rounding;

    private Arithmetic(@Nullable RandomStream stream, @Nullable RandomRounding rounding) {
        this.stream = stream;
        this.rounding = rounding;
    }

    /** Returns the arithmetic of real numbers, as far as double goes. */
    static Arithmetic exact() {
        return new Arithmetic(null, null);
    }

    /** Returns the arithmetic of one member, whose habits and roundings are drawn from {@code stream}. */
    static Arithmetic random(RandomStream stream) {
        return new Arithmetic(stream.split("inner"), new RandomRounding(stream.split("results")));
    }

    /** Returns whether nothing is rounded. */
    boolean isExact() {
        return rounding == null;
    }

    /** Returns a standard normal number; 0 where nothing is rounded. */
    double normal() {
        return stream == null ? 0 : stream.normal();
    }

    /**
     * Returns a result of {@code type}.
     *
     * @param deviation the standard deviation of its error before the rounding
     * @param drift the largest mean error toward zero
     */
    double result(double value, double deviation, double drift, DType type) {
        if (rounding == null || type == DType.F64 || Double.isNaN(value)) {
            return value;
        }
        return rounding.round(value, deviation, drift, FloatFormat.valueOf(type.name()));
    }

    /**
     * Returns what a product takes for its activations. Where a quotient lies so close to a boundary that a device may fall on either
     * side (QUANT-041), a member does so at random: one such element moves the product by a whole step of its format, which no other
     * error of the ensemble explains.
     */
    double[] activations(ActivationRounding rounding) {
        if (stream == null) {
            return rounding.values();
        }
        double[] chosen = rounding.values().clone();
        for (int index = 0; index < chosen.length; index++) {
            if (rounding.step(index) > 0 && stream.nextBoolean()) {
                chosen[index] = rounding.others()[index];
            }
        }
        return chosen;
    }

    /** Returns a number rounded to nearest, as operators do whose one rounding leaves nothing open. */
    double nearest(double value, DType type) {
        return rounding == null || type == DType.F64
                ? value
                : FloatFormat.valueOf(type.name()).round(value);
    }
}
