package dev.heng.conformance.faulty;

import dev.heng.conformance.format.FloatFormat;
import dev.heng.conformance.suite.HostTensor;
import dev.heng.spi.graph.Op;
import dev.heng.spi.tensor.RopeFrequencies;
import java.util.List;
import java.util.function.DoubleUnaryOperator;

/** Rotary position embeddings that are wrong. */
final class RopeFaults {

    private RopeFaults() {}

    private static Fault graph(
            String name, String description, String rule, java.util.function.UnaryOperator<Op.Rope> change) {
        return new GraphFault<>("rope/" + name, description, rule, Op.Rope.class, change);
    }

    private static Op.Rope frequencies(Op.Rope rope, double factor, DoubleUnaryOperator change) {
        double[] inverse = new double[rope.frequencies().pairs()];
        for (int pair = 0; pair < inverse.length; pair++) {
            inverse[pair] = change.applyAsDouble(rope.frequencies().inverse(pair));
        }
        return new Op.Rope(rope.headDim(), rope.offset(), rope.pairing(), new RopeFrequencies(inverse, factor));
    }

    private static Fault positions(
            String name, String description, String rule, java.util.function.IntUnaryOperator change) {
        return new OperandFault<>("rope/" + name, description, rule, Op.Rope.class, 1, (_, real) -> {
            int[] positions = real.integers();
            for (int row = 0; row < positions.length; row++) {
                positions[row] = positions[row] < 0 ? positions[row] : change.applyAsInt(positions[row]);
            }
            return HostTensor.ints(real.shape(), positions);
        });
    }

    /** How a kernel makes the angle of a position and a frequency, and cosine and sine of it. */
    @FunctionalInterface
    private interface Rotation {
        /** Returns cosine and sine, without the factor. */
        double[] of(int position, double inverse);
    }

    private static double[] unit(double angle) {
        return new double[] {StrictMath.cos(angle), StrictMath.sin(angle)};
    }

    private static Fault angles(String name, String description, Rotation rotation) {
        return new OperatorFault<>("rope/" + name, description, "ROPE-003", Op.Rope.class, run -> {
            Op.Rope op = run.op();
            HostTensor x = run.operand(0);
            double[] y = x.doubles();
            int[] positions = run.integers(1);
            int width = x.shape()[1];
            for (int row = 0; row < positions.length; row++) {
                for (int head = 0; head < width / op.headDim() && positions[row] >= 0; head++) {
                    for (int pair = 0; pair < op.frequencies().pairs(); pair++) {
                        int start = row * width + head * op.headDim() + op.offset();
                        int first = op.pairing() == Op.Pairing.HALF ? start + pair : start + 2 * pair;
                        int second = op.pairing() == Op.Pairing.HALF
                                ? first + op.frequencies().pairs()
                                : first + 1;
                        double[] turn =
                                rotation.of(positions[row], op.frequencies().inverse(pair));
                        double factor = op.frequencies().attentionFactor();
                        double a = y[first];
                        double b = y[second];
                        y[first] = factor * (a * turn[0] - b * turn[1]);
                        y[second] = factor * (a * turn[1] + b * turn[0]);
                    }
                }
            }
            run.write(0, y);
        });
    }

    static List<Fault> all() {
        return List.of(
                graph(
                        "pairing-swapped",
                        "Neighbours are paired where halves should be, and halves where neighbours should.",
                        "ROPE-002",
                        rope -> new Op.Rope(
                                rope.headDim(),
                                rope.offset(),
                                rope.pairing() == Op.Pairing.HALF ? Op.Pairing.INTERLEAVED : Op.Pairing.HALF,
                                rope.frequencies())),
                graph(
                        "offset-forgotten",
                        "The rotated part begins at the head's start.",
                        "ROPE-002",
                        rope -> new Op.Rope(rope.headDim(), 0, rope.pairing(), rope.frequencies())),
                graph(
                        "factor-forgotten",
                        "Cosine and sine are not multiplied with the attention factor.",
                        "ROPE-004",
                        rope -> frequencies(rope, 1, inverse -> inverse)),
                graph(
                        "factor-squared",
                        "The attention factor is applied to the table and again in the kernel.",
                        "ROPE-004",
                        rope -> frequencies(
                                rope,
                                rope.frequencies().attentionFactor()
                                        * rope.frequencies().attentionFactor(),
                                inverse -> inverse)),
                graph(
                        "base-of-another-model",
                        "Frequencies follow from base 500,000 instead of 10,000.",
                        "ROPE-001",
                        rope -> frequencies(
                                rope,
                                rope.frequencies().attentionFactor(),
                                inverse -> Math.pow(inverse, Math.log(500_000) / Math.log(10_000)))),
                graph(
                        "frequencies-in-bfloat16",
                        "Frequencies are kept as bfloat16.",
                        "ROPE-003",
                        rope -> frequencies(rope, rope.frequencies().attentionFactor(), FloatFormat.BF16::round)),
                graph(
                        "frequencies-in-float32",
                        "Frequencies are kept as F32.",
                        "ROPE-003",
                        rope -> frequencies(rope, rope.frequencies().attentionFactor(), inverse -> (float) inverse)),
                positions("positions-from-one", "Positions count from 1.", "ROPE-001", position -> position + 1),
                positions(
                        "positions-in-16-bits",
                        "Positions are kept in 16 bits.",
                        "ROPE-003",
                        position -> position & 0xffff),
                positions(
                        "table-of-4096-positions",
                        "The table of angles has 4,096 rows and wraps.",
                        "ROPE-003",
                        position -> position % 4096),
                new OperandFault<>(
                        "rope/rows-taken-for-positions",
                        "A row's index is taken for its position.",
                        "ROPE-001",
                        Op.Rope.class,
                        1,
                        (_, real) -> {
                            int[] positions = real.integers();
                            for (int row = 0; row < positions.length; row++) {
                                positions[row] = positions[row] < 0 ? positions[row] : row;
                            }
                            return HostTensor.ints(real.shape(), positions);
                        }),
                angles(
                        "angle-negated",
                        "Pairs are turned backwards.",
                        (position, inverse) -> unit(-position * inverse)),
                angles(
                        "angle-in-float32",
                        "Position times frequency is an F32 product.",
                        (position, inverse) -> unit((float) position * (float) inverse)),
                angles(
                        "angle-in-float16",
                        "Position times frequency is a float16 product.",
                        (position, inverse) -> unit(FloatFormat.F16.round(position * FloatFormat.F16.round(inverse)))),
                angles(
                        "table-in-bfloat16",
                        "The table of cosines and sines is kept as bfloat16.",
                        (position, inverse) -> {
                            double[] turn = unit(position * inverse);
                            return new double[] {FloatFormat.BF16.round(turn[0]), FloatFormat.BF16.round(turn[1])};
                        }),
                angles(
                        "sine-by-parabola",
                        "Sine is a fast approximation, right to four digits.",
                        (position, inverse) -> {
                            double angle = position * inverse;
                            return new double[] {parabola(angle + Math.PI / 2), parabola(angle)};
                        }),
                new OperatorFault<>(
                        "rope/factor-on-every-element",
                        "Elements that no pair touches are scaled too.",
                        "ROPE-004",
                        Op.Rope.class,
                        run -> {
                            double[] x = run.operand(0).doubles();
                            double[] y = run.result(0).doubles();
                            Op.Rope op = run.op();
                            int end = op.offset() + 2 * op.frequencies().pairs();
                            for (int index = 0; index < y.length; index++) {
                                int place = index % op.headDim();
                                boolean rotated = place >= op.offset() && place < end;
                                y[index] = rotated
                                        ? y[index]
                                        : x[index] * op.frequencies().attentionFactor();
                            }
                            run.write(0, y);
                        }),
                new OperatorFault<>(
                        "rope/first-head-only", "Only the first head is rotated.", "ROPE-001", Op.Rope.class, run -> {
                            double[] x = run.operand(0).doubles();
                            double[] y = run.result(0).doubles();
                            int width = run.result(0).shape()[1];
                            for (int index = 0; index < y.length; index++) {
                                y[index] = index % width >= run.op().headDim() ? x[index] : y[index];
                            }
                            run.write(0, y);
                        }),
                new OperatorFault<>(
                        "rope/last-pair-forgotten",
                        "The last pair of each head is not rotated.",
                        "ROPE-001",
                        Op.Rope.class,
                        run -> {
                            double[] x = run.operand(0).doubles();
                            double[] y = run.result(0).doubles();
                            Op.Rope op = run.op();
                            int pairs = op.frequencies().pairs();
                            int first = op.pairing() == Op.Pairing.HALF ? pairs - 1 : 2 * pairs - 2;
                            int second = op.pairing() == Op.Pairing.HALF ? 2 * pairs - 1 : first + 1;
                            for (int index = 0; index < y.length; index++) {
                                int place = index % op.headDim() - op.offset();
                                y[index] = place == first || place == second ? x[index] : y[index];
                            }
                            run.write(0, y);
                        }));
    }

    /** Bhaskara's and others' quadratic approximation of the sine, corrected once; errors up to 1e-3. */
    private static double parabola(double angle) {
        double turn = Math.IEEEremainder(angle, 2 * Math.PI);
        double raw = 4 / Math.PI * turn - 4 / (Math.PI * Math.PI) * turn * Math.abs(turn);
        return 0.225 * (raw * Math.abs(raw) - raw) + raw;
    }
}
