package dev.heng.conformance.faulty;

import dev.heng.conformance.fault.ProductFault;
import dev.heng.conformance.format.FloatFormat;
import dev.heng.conformance.suite.HostTensor;
import dev.heng.spi.graph.ActivationFormat;
import dev.heng.spi.graph.Op;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;

/** Products that are wrong: {@link ProductFault}'s in two units, and faults of whole kernels of Linear and GroupedLinear. */
final class ProductFaults {

    private ProductFaults() {}

    /** Returns units without a fault: the suite must not flag them. */
    static List<Fault> harmless() {
        List<Fault> units = new ArrayList<>();
        for (FaultyUnit.Unit unit : FaultyUnit.Unit.values()) {
            units.add(new FaultyUnit(unit, Optional.empty()));
        }
        return units;
    }

    static List<Fault> all() {
        List<Fault> faults = new ArrayList<>();
        for (FaultyUnit.Unit unit : FaultyUnit.Unit.values()) {
            for (ProductFault fault : ProductFault.values()) {
                faults.add(new FaultyUnit(unit, Optional.of(fault)));
            }
        }
        faults.addAll(linear());
        faults.addAll(grouped());
        return faults;
    }

    /** A kernel of Linear that sees its operands as numbers. */
    @FunctionalInterface
    private interface LinearKernel {
        /** Changes y[t, n], which the real device computed. */
        void change(Linear product, double[] y);
    }

    /** A product's operands. */
    @SuppressWarnings("ArrayRecordComponent") // One run's operands; never compared.
    private record Linear(double[] x, double[] w, double[] bias, int t, int n, int k) {
        double dot(int row, int column, int from, int to) {
            double sum = bias.length == 0 ? 0 : bias[column];
            for (int index = from; index < to; index++) {
                sum += x[row * k + index] * w[column * k + index];
            }
            return sum;
        }
    }

    private static Fault linear(String name, String description, String rule, LinearKernel kernel) {
        return new OperatorFault<>("product/" + name, description, rule, Op.Linear.class, run -> {
            if (run.op().activation() != ActivationFormat.FLOAT) {
                return;
            }
            double[] x = run.numbers(0);
            int t = run.operand(0).shape()[0];
            int k = run.operand(0).shape()[1];
            double[] w = run.numbers(1);
            double[] bias = run.operands() == 3 ? run.numbers(2) : new double[0];
            double[] y = run.result(0).doubles();
            kernel.change(new Linear(x, w, bias, t, w.length / k, k), y);
            run.write(0, y);
        });
    }

    private static List<Fault> linear() {
        return List.of(
                linear(
                        "remainder-of-k-ignored",
                        "A loop over 32 positions of K at a time has no remainder.",
                        "LINEAR-005",
                        (p, y) -> {
                            for (int index = 0; index < y.length && p.k() % 32 != 0; index++) {
                                y[index] = p.dot(index / p.n(), index % p.n(), 0, p.k() / 32 * 32);
                            }
                        }),
                linear(
                        "last-odd-column-repeats",
                        "Where N is odd, the last column repeats the one before it.",
                        "LINEAR-005",
                        (p, y) -> {
                            for (int row = 0; row < p.t() && p.n() % 2 == 1 && p.n() > 1; row++) {
                                y[(row + 1) * p.n() - 1] = y[(row + 1) * p.n() - 2];
                            }
                        }),
                linear(
                        "rows-beyond-32-repeat",
                        "Row tiles after the first 32 rows read the first tile's rows.",
                        "LINEAR-001",
                        (p, y) -> {
                            if (p.t() > 32) {
                                System.arraycopy(y.clone(), 0, y, 32 * p.n(), (p.t() - 32) * p.n());
                            }
                        }),
                linear(
                        "single-row-drops-odd-k",
                        "The matrix-vector path for one row takes K in pairs and drops an odd last position.",
                        "LINEAR-005",
                        (p, y) -> {
                            for (int column = 0; column < p.n() && p.t() == 1 && p.k() % 2 == 1; column++) {
                                y[column] = p.dot(0, column, 0, p.k() - 1);
                            }
                        }),
                linear(
                        "last-split-of-k-lost",
                        "Where K is 128 or more it is split in four, and the last split's sum is never added.",
                        "LINEAR-001",
                        (p, y) -> {
                            for (int index = 0; index < y.length && p.k() >= 128; index++) {
                                y[index] = p.dot(index / p.n(), index % p.n(), 0, p.k() / 4 * 3);
                            }
                        }),
                linear("bias-forgotten", "The bias is not added.", "LINEAR-003", (p, y) -> {
                    for (int index = 0; index < y.length && p.bias().length > 0; index++) {
                        y[index] -= p.bias()[index % p.n()];
                    }
                }),
                linear("bias-added-twice", "The bias is added by two splits of K.", "LINEAR-003", (p, y) -> {
                    for (int index = 0; index < y.length && p.bias().length > 0; index++) {
                        y[index] += p.bias()[index % p.n()];
                    }
                }),
                linear("bias-in-first-row-only", "The bias is added to the first row only.", "LINEAR-003", (p, y) -> {
                    for (int index = p.n(); index < y.length && p.bias().length > 0; index++) {
                        y[index] -= p.bias()[index % p.n()];
                    }
                }),
                linear("bias-after-rounding", "The sum is rounded before the bias is added.", "LINEAR-003", (p, y) -> {
                    for (int index = 0; index < y.length && p.bias().length > 0; index++) {
                        double bias = p.bias()[index % p.n()];
                        double sum = p.dot(index / p.n(), index % p.n(), 0, p.k()) - bias;
                        y[index] = FloatFormat.BF16.round(sum) + bias;
                    }
                }),
                linear(
                        "nan-reaches-next-row",
                        "A NaN or infinity in a row makes the next row of its tile NaN.",
                        "LINEAR-004",
                        (p, y) -> {
                            for (int index = 0; index < p.x().length; index++) {
                                int next = index / p.k() + 1;
                                for (int column = 0;
                                        column < p.n() && next < p.t() && !Double.isFinite(p.x()[index]);
                                        column++) {
                                    y[next * p.n() + column] = Double.NaN;
                                }
                            }
                        }),
                linear(
                        "zero-weights-hide-nan",
                        "Positions whose weight is zero are skipped, so that a NaN or infinity there does not show.",
                        "LINEAR-004",
                        (p, y) -> {
                            for (int index = 0; index < y.length; index++) {
                                int row = index / p.n() * p.k();
                                int column = index % p.n() * p.k();
                                double sum = p.bias().length == 0 ? 0 : p.bias()[index % p.n()];
                                boolean skipped = false;
                                for (int at = 0; at < p.k(); at++) {
                                    boolean zero = p.w()[column + at] == 0;
                                    skipped |= zero && !Double.isFinite(p.x()[row + at]);
                                    sum += zero ? 0 : p.x()[row + at] * p.w()[column + at];
                                }
                                y[index] = skipped ? sum : y[index];
                            }
                        }),
                linear(
                        "infinity-saturates",
                        "Results beyond the range become the largest finite number.",
                        "FORMAT-003",
                        (p, y) -> {
                            for (int index = 0; index < y.length; index++) {
                                y[index] = Double.isInfinite(y[index])
                                        ? Math.copySign(FloatFormat.F16.maxFinite(), y[index])
                                        : y[index];
                            }
                        }));
    }

    /** A grouped product's operands. */
    @SuppressWarnings("ArrayRecordComponent") // One run's operands; never compared.
    private record Grouped(double[] rows, int[] offsets, double[] w, int n, int k) {
        int experts() {
            return offsets.length - 1;
        }

        boolean isEmpty(int expert) {
            return offsets[expert] == offsets[expert + 1];
        }

        /** Writes row {@code row} as if it were one of {@code expert}. */
        void compute(double[] y, int row, int expert) {
            for (int column = 0; column < n; column++) {
                double sum = 0;
                for (int index = 0; index < k; index++) {
                    sum += rows[row * k + index] * w[(expert * n + column) * k + index];
                }
                y[row * n + column] = sum;
            }
        }
    }

    /** A kernel of GroupedLinear that sees its operands as numbers. */
    @FunctionalInterface
    private interface GroupedKernel {
        void change(Grouped product, double[] y);
    }

    private static Fault grouped(String name, String description, String rule, GroupedKernel kernel) {
        return new OperatorFault<>("grouped/" + name, description, rule, Op.GroupedLinear.class, run -> {
            if (run.op().activation() != ActivationFormat.FLOAT) {
                return;
            }
            HostTensor rows = run.operand(0);
            int[] offsets = run.integers(1);
            double[] w = run.numbers(2);
            int k = rows.shape()[1];
            HostTensor result = run.result(0);
            double[] y = result.doubles();
            kernel.change(new Grouped(rows.doubles(), offsets, w, result.shape()[1], k), y);
            run.write(0, y);
        });
    }

    private static List<Fault> grouped() {
        return List.of(
                grouped(
                        "weights-shift-after-an-empty-expert",
                        "Experts are numbered without the empty ones, so that those after an empty one use its weights.",
                        "GROUPED-002",
                        (p, y) -> {
                            int used = 0;
                            for (int expert = 0; expert < p.experts(); expert++) {
                                for (int row = p.offsets()[expert]; row < p.offsets()[expert + 1]; row++) {
                                    p.compute(y, row, used);
                                }
                                used += p.isEmpty(expert) ? 0 : 1;
                            }
                        }),
                grouped(
                        "last-expert-uses-the-first-ones-weights",
                        "The last expert's weights are read from where the first one's stand.",
                        "GROUPED-001",
                        (p, y) -> {
                            int last = p.experts() - 1;
                            for (int row = p.offsets()[last]; row < p.offsets()[last + 1]; row++) {
                                p.compute(y, row, 0);
                            }
                        }),
                grouped(
                        "first-row-of-an-expert-belongs-to-the-one-before",
                        "The search for a row's expert is off by one at the boundary.",
                        "GROUPED-001",
                        (p, y) -> {
                            for (int expert = 1; expert < p.experts(); expert++) {
                                if (!p.isEmpty(expert)) {
                                    p.compute(y, p.offsets()[expert], expert - 1);
                                }
                            }
                        }),
                grouped(
                        "experts-of-one-row-skipped",
                        "Experts with a single row get no tile: the row is zero.",
                        "GROUPED-002",
                        (p, y) -> {
                            for (int expert = 0; expert < p.experts(); expert++) {
                                int row = p.offsets()[expert];
                                if (p.offsets()[expert + 1] - row == 1) {
                                    java.util.Arrays.fill(y, row * p.n(), (row + 1) * p.n(), 0);
                                }
                            }
                        }),
                grouped(
                        "rows-beyond-eight-of-an-expert-lost",
                        "An expert has room for eight rows: those beyond are zero.",
                        "GROUPED-002",
                        (p, y) -> {
                            for (int expert = 0; expert < p.experts(); expert++) {
                                int from = p.offsets()[expert] + 8;
                                if (from < p.offsets()[expert + 1]) {
                                    java.util.Arrays.fill(y, from * p.n(), p.offsets()[expert + 1] * p.n(), 0);
                                }
                            }
                        }),
                grouped(
                        "padding-rows-read",
                        "The last tile multiplies the rows past the last offset by zero and adds them to its own.",
                        "GROUPED-003",
                        (p, y) -> {
                            int end = p.offsets()[p.experts()];
                            for (int index = end * p.k(); index < p.rows().length && end > 0; index++) {
                                y[end * p.n() - 1] += 0 * p.rows()[index];
                            }
                        }),
                grouped(
                        "remainder-of-k-ignored",
                        "A loop over 32 positions of K at a time has no remainder.",
                        "GROUPED-001",
                        (p, y) -> {
                            for (int expert = 0; expert < p.experts(); expert++) {
                                for (int row = p.offsets()[expert]; row < p.offsets()[expert + 1]; row++) {
                                    for (int column = 0; column < p.n(); column++) {
                                        double sum = 0;
                                        for (int at = 0; at < p.k() / 32 * 32; at++) {
                                            sum += p.rows()[row * p.k() + at]
                                                    * p.w()[(expert * p.n() + column) * p.k() + at];
                                        }
                                        y[row * p.n() + column] = sum;
                                    }
                                }
                            }
                        }));
    }
}
