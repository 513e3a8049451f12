package dev.heng.backend.reference;

import dev.heng.spi.graph.Op;
import dev.heng.spi.tensor.RopeFrequencies;

/** Rotary position embedding (ROPE). */
final class Rope {

    private Rope() {}

    /** ROPE-001: rotates the pairs of every head by position * inverse frequency; other elements are copied bit for bit. */
    static void rope(Invocation in, Op.Rope op) {
        Tensor x = in.operand(0);
        Tensor positions = in.operand(1);
        Tensor result = in.result(0);
        RopeFrequencies frequencies = op.frequencies();
        int pairs = frequencies.pairs();
        in.workers().forEachRange(in.rows(0), pairs * 100L + x.columns() * 4L, (from, to) -> {
            double[] cosines = new double[pairs];
            double[] sines = new double[pairs];
            for (int t = from; t < to; t++) {
                result.copyBits(t, 0, x, t, 0, x.columns());
                int position = positions.integer(t);
                if (position < 0) {
                    continue; // ROPE-006: padding is copied.
                }
                for (int i = 0; i < pairs; i++) {
                    rotation(position, frequencies, i, cosines, sines);
                }
                for (int head = 0; head < x.columns(); head += op.headDim()) {
                    for (int i = 0; i < pairs; i++) {
                        int first = head + op.offset() + firstOf(op.pairing(), i);
                        int second = head + op.offset() + secondOf(op.pairing(), i, pairs);
                        double a = x.get(t, first);
                        double b = x.get(t, second);
                        result.set(t, first, a * cosines[i] - b * sines[i], in.rounding());
                        result.set(t, second, a * sines[i] + b * cosines[i], in.rounding());
                    }
                }
            }
        });
    }

    /**
     * Computes cosine and sine of one angle, times the factor (ROPE-003, ROPE-004).
     *
     * <p>The product of a 31-bit position and a 53-bit frequency has up to 84 bits: rounded to double it is off by up to 2^-23 at position 2^31-1. Its rounding
     * error is itself a double, found exactly by a fused multiply-add, and enters through the addition theorem.
     */
    private static void rotation(
            int position, RopeFrequencies frequencies, int pair, double[] cosines, double[] sines) {
        double angle = position * frequencies.inverse(pair);
        double error = Math.fma((double) position, frequencies.inverse(pair), -angle);
        double cosine = StrictMath.cos(angle) * StrictMath.cos(error) - StrictMath.sin(angle) * StrictMath.sin(error);
        double sine = StrictMath.sin(angle) * StrictMath.cos(error) + StrictMath.cos(angle) * StrictMath.sin(error);
        cosines[pair] = cosine * frequencies.attentionFactor();
        sines[pair] = sine * frequencies.attentionFactor();
    }

    /** ROPE-002. */
    private static int firstOf(Op.Pairing pairing, int pair) {
        return switch (pairing) {
            case INTERLEAVED -> 2 * pair;
            case HALF -> pair;
        };
    }

    /** ROPE-002. */
    private static int secondOf(Op.Pairing pairing, int pair, int pairs) {
        return switch (pairing) {
            case INTERLEAVED -> 2 * pair + 1;
            case HALF -> pair + pairs;
        };
    }
}
