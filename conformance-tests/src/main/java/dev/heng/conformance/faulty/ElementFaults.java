package dev.heng.conformance.faulty;

import dev.heng.conformance.format.FloatFormat;
import dev.heng.conformance.format.Rounding;
import dev.heng.conformance.suite.HostTensor;
import dev.heng.spi.graph.Op;
import java.util.List;
import java.util.function.DoubleBinaryOperator;
import java.util.function.DoubleUnaryOperator;

/** Norms, sums, casts and gates that are wrong. */
final class ElementFaults {

    private ElementFaults() {}

    /** Normalises one group of x into y. */
    @FunctionalInterface
    private interface Group {
        void normalize(double[] x, int from, int to, double[] weight, double epsilon, double[] y);
    }

    private static Fault norm(String name, String description, String rule, Group group) {
        return new OperatorFault<>("norm/" + name, description, rule, Op.RmsNorm.class, run -> {
            double[] x = run.numbers(0);
            double[] weight = run.numbers(1);
            double[] y = run.result(0).doubles();
            for (int from = 0; from < x.length; from += weight.length) {
                group.normalize(x, from, from + weight.length, weight, run.op().epsilon(), y);
            }
            run.write(0, y);
        });
    }

    private static double squares(double[] x, int from, int to) {
        double sum = 0;
        for (int index = from; index < to; index++) {
            sum += x[index] * x[index];
        }
        return sum;
    }

    private static void scale(double[] x, int from, int to, double root, DoubleUnaryOperator weight, double[] y) {
        for (int index = from; index < to; index++) {
            y[index] = x[index] / root * weight.applyAsDouble(index - from);
        }
    }

    static List<Fault> norms() {
        return List.of(
                new GraphFault<>(
                        "norm/epsilon-1e-5",
                        "Epsilon is 1e-5 whatever the graph says.",
                        "NORM-004",
                        Op.RmsNorm.class,
                        _ -> new Op.RmsNorm(1e-5)),
                norm(
                        "epsilon-outside-the-root",
                        "Epsilon is added to the root, not to the mean square.",
                        "NORM-001",
                        (x, from, to, w, e, y) -> scale(
                                x, from, to, Math.sqrt(squares(x, from, to) / (to - from)) + e, i -> w[(int) i], y)),
                norm(
                        "epsilon-forgotten",
                        "There is no epsilon.",
                        "NORM-003",
                        (x, from, to, w, _, y) ->
                                scale(x, from, to, Math.sqrt(squares(x, from, to) / (to - from)), i -> w[(int) i], y)),
                norm(
                        "mean-subtracted",
                        "The mean is taken off first, as in LayerNorm.",
                        "NORM-001",
                        (x, from, to, w, e, y) -> {
                            double mean = java.util.Arrays.stream(x, from, to)
                                    .average()
                                    .orElse(0);
                            double[] centred = Rows.each(x, value -> value - mean);
                            scale(
                                    centred,
                                    from,
                                    to,
                                    Math.sqrt(squares(centred, from, to) / (to - from) + e),
                                    i -> w[(int) i],
                                    y);
                        }),
                norm(
                        "weight-plus-one",
                        "The weight is taken as an offset from 1, as some families store it.",
                        "NORM-001",
                        (x, from, to, w, e, y) -> scale(
                                x,
                                from,
                                to,
                                Math.sqrt(squares(x, from, to) / (to - from) + e),
                                i -> 1 + w[(int) i],
                                y)),
                norm(
                        "weight-forgotten",
                        "The weight is not applied.",
                        "NORM-001",
                        (x, from, to, _, e, y) ->
                                scale(x, from, to, Math.sqrt(squares(x, from, to) / (to - from) + e), _ -> 1, y)),
                norm(
                        "width-minus-one",
                        "The mean is over one element too few, as an unbiased variance.",
                        "NORM-001",
                        (x, from, to, w, e, y) -> scale(
                                x,
                                from,
                                to,
                                Math.sqrt(squares(x, from, to) / Math.max(1, to - from - 1) + e),
                                i -> w[(int) i],
                                y)),
                norm(
                        "padded-width",
                        "The mean is over the width rounded up to a multiple of 8.",
                        "NORM-001",
                        (x, from, to, w, e, y) -> scale(
                                x,
                                from,
                                to,
                                Math.sqrt(squares(x, from, to) / ((to - from + 7) / 8 * 8) + e),
                                i -> w[(int) i],
                                y)),
                norm(
                        "last-odd-element-uncounted",
                        "Squares are summed in pairs, and an odd last one is left out.",
                        "NORM-001",
                        (x, from, to, w, e, y) -> scale(
                                x,
                                from,
                                to,
                                Math.sqrt(squares(x, from, from + Math.max(1, (to - from) / 2 * 2)) / (to - from) + e),
                                i -> w[(int) i],
                                y)),
                norm(
                        "rounded-before-the-weight",
                        "The quotient is rounded to bfloat16 before the weight is applied.",
                        "NORM-001",
                        (x, from, to, w, e, y) -> {
                            scale(x, from, to, Math.sqrt(squares(x, from, to) / (to - from) + e), _ -> 1, y);
                            for (int index = from; index < to; index++) {
                                y[index] = FloatFormat.BF16.round(y[index]) * w[index - from];
                            }
                        }),
                norm(
                        "squares-in-float16",
                        "Squares are float16 numbers and overflow beyond 256.",
                        "NORM-003",
                        (x, from, to, w, e, y) -> {
                            double sum = 0;
                            for (int index = from; index < to; index++) {
                                sum += FloatFormat.F16.round(x[index] * x[index]);
                            }
                            scale(x, from, to, Math.sqrt(sum / (to - from) + e), i -> w[(int) i], y);
                        }),
                norm(
                        "reciprocal-root-estimated",
                        "The reciprocal root is an estimate of 12 bits.",
                        "NORM-001",
                        (x, from, to, w, e, y) -> {
                            double root = Math.sqrt(squares(x, from, to) / (to - from) + e);
                            double estimate = Math.scalb(
                                    Math.rint(Math.scalb(1 / root, 11 - Math.getExponent(1 / root))),
                                    Math.getExponent(1 / root) - 11);
                            scale(x, from, to, 1 / estimate, i -> w[(int) i], y);
                        }),
                new OperatorFault<>(
                        "norm/one-mean-for-all-groups",
                        "A row's groups share one mean.",
                        "NORM-002",
                        Op.RmsNorm.class,
                        run -> {
                            HostTensor input = run.operand(0);
                            double[] x = input.doubles();
                            double[] w = run.numbers(1);
                            double[] y = run.result(0).doubles();
                            int width = input.shape()[1];
                            for (int from = 0; from < x.length; from += width) {
                                double root = Math.sqrt(squares(x, from, from + width) / width
                                        + run.op().epsilon());
                                scale(x, from, from + width, root, i -> w[(int) i % w.length], y);
                            }
                            run.write(0, y);
                        }));
    }

    private static <O extends Op> Fault pairs(
            String id, String description, String rule, Class<O> op, DoubleBinaryOperator operator) {
        return new OperatorFault<>(id, description, rule, op, run -> {
            double[] left = run.numbers(0);
            double[] right = run.numbers(1);
            double[] y = new double[left.length];
            for (int index = 0; index < y.length; index++) {
                y[index] = operator.applyAsDouble(left[index], right[index]);
            }
            run.write(0, y);
        });
    }

    private static double silu(double x) {
        return x / (1 + Math.exp(-x));
    }

    static List<Fault> gates() {
        return List.of(
                pairs(
                        "swiglu/operands-swapped",
                        "The gate is multiplied and the other operand gates.",
                        "SWIGLU-001",
                        Op.Swiglu.class,
                        (gate, up) -> silu(up) * gate),
                pairs(
                        "swiglu/gelu",
                        "The gate is a GELU.",
                        "SWIGLU-001",
                        Op.Swiglu.class,
                        (gate, up) -> gate
                                * 0.5
                                * (1 + Math.tanh(0.7978845608 * (gate + 0.044715 * gate * gate * gate)))
                                * up),
                pairs(
                        "swiglu/sigmoid",
                        "The gate is a sigmoid, without its factor.",
                        "SWIGLU-001",
                        Op.Swiglu.class,
                        (gate, up) -> up / (1 + Math.exp(-gate))),
                pairs(
                        "swiglu/gate-clamped-at-seven",
                        "The gate is clamped to at most 7, as one family asks.",
                        "SWIGLU-001",
                        Op.Swiglu.class,
                        (gate, up) -> silu(Math.min(gate, 7)) * up),
                pairs(
                        "swiglu/rounded-between",
                        "The activation is rounded to bfloat16 before the product.",
                        "SWIGLU-001",
                        Op.Swiglu.class,
                        (gate, up) -> FloatFormat.BF16.round(silu(gate)) * up),
                pairs(
                        "swiglu/exponential-overflows",
                        "The exponential of F32 overflows, and infinity over infinity is NaN.",
                        "SWIGLU-002",
                        Op.Swiglu.class,
                        (gate, up) -> {
                            float power = (float) Math.exp(-gate);
                            return Float.isInfinite(power) ? Double.NaN : silu(gate) * up;
                        }),
                pairs(
                        "swiglu/exponential-of-ten-bits",
                        "The exponential is a table of ten bits.",
                        "SWIGLU-001",
                        Op.Swiglu.class,
                        (gate, up) -> gate / (1 + FloatFormat.F16.round(Math.min(60000, Math.exp(-gate)))) * up));
    }

    private static Fault add(String name, String description, String rule, DoubleBinaryOperator operator) {
        return pairs("add/" + name, description, rule, Op.Add.class, operator);
    }

    private static Fault cast(String name, String description, String rule, Cast change) {
        return new OperatorFault<>("cast/" + name, description, rule, Op.Cast.class, run -> {
            double[] x = run.numbers(0);
            FloatFormat format = HostTensor.format(run.op().to());
            run.write(0, Rows.each(x, value -> change.of(value, format)));
        });
    }

    /** What a cast makes of one number. */
    @FunctionalInterface
    private interface Cast {
        double of(double value, FloatFormat format);
    }

    static List<Fault> sums() {
        return List.of(
                add(
                        "through-bfloat16",
                        "The sum is rounded to bfloat16 on the way.",
                        "FORMAT-002",
                        (a, b) -> FloatFormat.BF16.round(a + b)),
                add(
                        "operands-through-float16",
                        "Operands pass through float16.",
                        "ADD-001",
                        (a, b) -> FloatFormat.F16.round(a) + FloatFormat.F16.round(b)),
                add(
                        "overflow-saturates",
                        "Sums beyond the range become large finite numbers.",
                        "FORMAT-003",
                        (a, b) -> Math.clamp(a + b, -65504, 65504)),
                add(
                        "infinities-cancel",
                        "Infinity less infinity is 0.",
                        "ADD-001",
                        (a, b) -> Double.isInfinite(a) && a == -b ? 0 : a + b),
                add(
                        "nan-becomes-zero",
                        "A NaN becomes 0, as a maximum with 0 makes it.",
                        "FORMAT-004",
                        (a, b) -> Double.isNaN(a + b) ? 0 : a + b),
                new OperatorFault<>(
                        "add/tail-of-eight-copied",
                        "Elements past a multiple of 8 are the first operand's.",
                        "ADD-001",
                        Op.Add.class,
                        run -> {
                            double[] y = run.result(0).doubles();
                            double[] a = run.numbers(0);
                            for (int index = y.length / 8 * 8; index < y.length; index++) {
                                y[index] = a[index];
                            }
                            run.write(0, y);
                        }),
                cast(
                        "truncated",
                        "Numbers are truncated, not rounded.",
                        "CAST-001",
                        (value, format) -> format.round(value, Rounding.TOWARD_ZERO)),
                cast("ties-away", "Ties go away from zero.", "FORMAT-002", ElementFaults::tiesAway),
                cast(
                        "through-float16",
                        "Numbers pass through float16.",
                        "CAST-001",
                        (value, _) -> FloatFormat.F16.round(value)),
                cast(
                        "saturates",
                        "Numbers beyond the range become the largest finite one.",
                        "FORMAT-003",
                        (value, format) -> Math.clamp(value, -format.maxFinite(), format.maxFinite())),
                cast(
                        "subnormals-flushed",
                        "Subnormal results become 0, and the profile does not say so.",
                        "FORMAT-003",
                        (value, format) ->
                                Math.abs(format.round(value)) < Math.scalb(1.0, format.minExponent()) ? 0 : value));
    }

    private static double tiesAway(double value, FloatFormat format) {
        double down = format.round(value, Rounding.TOWARD_ZERO);
        double up = down + Math.copySign(format.ulp(down), value);
        return Math.abs(value - down) == Math.abs(up - value) ? up : value;
    }
}
