package dev.heng.conformance.faulty;

import dev.heng.conformance.format.FloatFormat;
import dev.heng.conformance.suite.HostTensor;
import dev.heng.spi.graph.Op;
import dev.heng.spi.tensor.DType;
import java.util.List;
import java.util.function.DoubleUnaryOperator;
import java.util.function.IntUnaryOperator;
import java.util.function.LongUnaryOperator;

/** Argmax and sampling done wrong. */
final class ChoiceFaults {

    private ChoiceFaults() {}

    static List<Fault> all() {
        List<Fault> faults = new java.util.ArrayList<>(argmax());
        faults.addAll(sampling());
        return faults;
    }

    /** Whether a candidate takes the place of the best one so far. */
    @FunctionalInterface
    private interface Better {
        boolean than(double candidate, double best);
    }

    private static Fault argmax(
            String name, String description, String rule, int columns, DoubleUnaryOperator seen, Better better) {
        return new OperatorFault<>("argmax/" + name, description, rule, Op.Argmax.class, run -> {
            HostTensor logits = run.operand(0);
            double[] values = logits.doubles();
            int width = logits.shape()[1];
            int[] chosen = run.result(0).integers();
            for (int row = 0; row < chosen.length; row++) {
                int best = 0;
                for (int column = 1; column < Math.min(width, columns); column++) {
                    double candidate = seen.applyAsDouble(values[row * width + column]);
                    if (better.than(candidate, seen.applyAsDouble(values[row * width + best]))) {
                        best = column;
                    }
                }
                chosen[row] = best;
            }
            run.write(0, chosen);
        });
    }

    /** Larger, or a number where there was none. */
    private static boolean sound(double candidate, double best) {
        return candidate > best || (Double.isNaN(best) && !Double.isNaN(candidate));
    }

    private static List<Fault> argmax() {
        int all = Integer.MAX_VALUE;
        return List.of(
                argmax(
                        "ties-to-highest",
                        "Ties go to the highest index.",
                        "ARGMAX-001",
                        all,
                        x -> x,
                        (a, b) -> a >= b || (Double.isNaN(b) && !Double.isNaN(a))),
                argmax(
                        "nan-stays-on-top",
                        "A NaN in the first place is never displaced.",
                        "ARGMAX-002",
                        all,
                        x -> x,
                        (a, b) -> a > b),
                argmax(
                        "nan-wins",
                        "A NaN is larger than every number.",
                        "ARGMAX-002",
                        all,
                        x -> Double.isNaN(x) ? Double.POSITIVE_INFINITY : x,
                        (a, b) -> a > b),
                argmax(
                        "in-bfloat16",
                        "Logits are compared as bfloat16 numbers.",
                        "ARGMAX-001",
                        all,
                        FloatFormat.BF16::round,
                        ChoiceFaults::sound),
                argmax(
                        "columns-beyond-65536-ignored",
                        "The index has 16 bits: columns beyond are not looked at.",
                        "ARGMAX-001",
                        65_536,
                        x -> x,
                        ChoiceFaults::sound),
                argmax(
                        "starts-from-zero",
                        "The search starts from 0 as the largest, so that negative logits never win.",
                        "ARGMAX-001",
                        all,
                        x -> Math.max(0, x),
                        ChoiceFaults::sound),
                new OperatorFault<>(
                        "argmax/minus-zero-below-zero",
                        "Bits are compared, so that -0 ranks below 0.",
                        "ARGMAX-001",
                        Op.Argmax.class,
                        run -> {
                            HostTensor logits = run.operand(0);
                            double[] values = logits.doubles();
                            int width = logits.shape()[1];
                            int[] chosen = run.result(0).integers();
                            for (int row = 0; row < chosen.length; row++) {
                                for (int column = 0; column < width; column++) {
                                    double best = values[row * width + chosen[row]];
                                    double value = values[row * width + column];
                                    if (value == 0 && best == 0 && Double.compare(value, best) > 0) {
                                        chosen[row] = column;
                                    }
                                }
                            }
                            run.write(0, chosen);
                        }));
    }

    private static final int TEMPERATURE = 1;
    private static final int TOP_K = 2;
    private static final int TOP_P = 3;
    private static final int SEED = 4;
    private static final int COUNTER = 5;

    private static Fault floats(String name, String description, String rule, int operand, DoubleUnaryOperator change) {
        return new OperandFault<>(
                "sampling/" + name,
                description,
                rule,
                Op.Sample.class,
                operand,
                (_, real) -> HostTensor.floats(DType.F32, real.shape(), Rows.each(real.doubles(), change)));
    }

    private static Fault ints(String name, String description, String rule, int operand, IntUnaryOperator change) {
        return new OperandFault<>("sampling/" + name, description, rule, Op.Sample.class, operand, (_, real) -> {
            int[] values = real.integers();
            java.util.Arrays.setAll(values, index -> change.applyAsInt(values[index]));
            return HostTensor.ints(real.shape(), values);
        });
    }

    private static Fault seeds(String name, String description, LongUnaryOperator change) {
        return new OperandFault<>("sampling/" + name, description, "SAMPLE-004", Op.Sample.class, SEED, (_, real) -> {
            long[] values = real.bits();
            java.util.Arrays.setAll(values, index -> change.applyAsLong(values[index]));
            return HostTensor.longs(real.shape(), values);
        });
    }

    private static List<Fault> sampling() {
        return List.of(
                floats(
                        "temperature-ignored",
                        "Every row is sampled at temperature 1.",
                        "SAMPLE-003",
                        TEMPERATURE,
                        t -> t > 0 ? 1 : t),
                floats(
                        "temperature-inverted",
                        "Logits are multiplied with the temperature.",
                        "SAMPLE-003",
                        TEMPERATURE,
                        t -> t > 0 ? 1 / t : t),
                floats(
                        "greedy-at-a-small-temperature",
                        "Temperature 0 is taken for 1, not for argmax.",
                        "SAMPLE-002",
                        TEMPERATURE,
                        t -> t == 0 ? 1 : t),
                floats(
                        "temperature-clamped",
                        "NaN and negative temperatures are clamped instead of refused.",
                        "SAMPLE-001",
                        TEMPERATURE,
                        t -> t >= 0 ? t : 0),
                ints(
                        "top-k-off-by-one",
                        "One candidate more than asked for.",
                        "SAMPLE-006",
                        TOP_K,
                        k -> k > 0 ? k + 1 : k),
                ints(
                        "top-k-of-one-less",
                        "One candidate less than asked for.",
                        "SAMPLE-006",
                        TOP_K,
                        k -> k > 1 ? k - 1 : k),
                ints("top-k-ignored", "All are candidates.", "SAMPLE-006", TOP_K, k -> k > 0 ? 0 : k),
                ints(
                        "top-k-negative-accepted",
                        "A negative top-k is taken for no limit.",
                        "SAMPLE-001",
                        TOP_K,
                        k -> Math.max(0, k)),
                floats(
                        "top-p-ignored",
                        "All of the probability mass is kept.",
                        "SAMPLE-007",
                        TOP_P,
                        p -> p < 1 ? 1 : p),
                floats(
                        "top-p-halved",
                        "Half of the probability mass that was asked for is kept.",
                        "SAMPLE-007",
                        TOP_P,
                        p -> p < 1 ? p / 2 : p),
                floats(
                        "top-p-above-one-accepted",
                        "A top-p above 1 is taken for 1.",
                        "SAMPLE-001",
                        TOP_P,
                        p -> Math.min(p, 1)),
                seeds("seed-ignored", "The seed is 0 in every row.", _ -> 0),
                seeds("seed-in-32-bits", "The upper half of the seed is lost.", seed -> seed & 0xffffffffL),
                seeds("seed-sign-extended", "The lower half of the seed is sign-extended over the upper.", seed ->
                        (int) seed),
                ints("counter-ignored", "The counter is 0 in every row.", "SAMPLE-009", COUNTER, _ -> 0),
                ints("counter-off-by-one", "The counter counts from 1.", "SAMPLE-009", COUNTER, counter -> counter + 1),
                ints(
                        "counter-in-16-bits",
                        "The counter is kept in 16 bits.",
                        "SAMPLE-009",
                        COUNTER,
                        counter -> counter & 0xffff),
                new OperandFault<>(
                        "sampling/logits-in-bfloat16",
                        "Logits are rounded to bfloat16.",
                        "SAMPLE-003",
                        Op.Sample.class,
                        0,
                        (_, real) -> HostTensor.floats(
                                DType.F32, real.shape(), Rows.each(real.doubles(), FloatFormat.BF16::round))),
                new OperandFault<>(
                        "sampling/last-column-never-seen",
                        "The last token of the vocabulary is never a candidate.",
                        "SAMPLE-006",
                        Op.Sample.class,
                        0,
                        (_, real) -> {
                            double[] logits = real.doubles();
                            int width = real.shape()[1];
                            for (int row = 1; row <= logits.length / width && width > 1; row++) {
                                logits[row * width - 1] = Double.NaN;
                            }
                            return HostTensor.floats(DType.F32, real.shape(), logits);
                        }),
                new OperandFault<>(
                        "sampling/nan-taken-for-the-largest",
                        "A NaN logit is taken for a large number.",
                        "SAMPLE-006",
                        Op.Sample.class,
                        0,
                        (_, real) -> HostTensor.floats(
                                DType.F32, real.shape(), Rows.each(real.doubles(), x -> Double.isNaN(x) ? 1e30 : x))));
    }
}
