package dev.heng.backend.reference;

import dev.heng.spi.graph.Op;

/** Root-mean-square normalisation (NORM). */
final class Norm {

    private Norm() {}

    /** NORM-001: y = x / sqrt(mean(x^2) + epsilon) * weight over each group of D adjacent elements, rounded once. */
    static void rmsNorm(Invocation in, Op.RmsNorm op) {
        Tensor x = in.operand(0);
        double[] weight = in.weight(1).vector();
        Tensor result = in.result(0);
        in.workers().forEachRange(in.rows(0), x.columns() * 6L, (from, to) -> {
            for (int t = from; t < to; t++) {
                double[] row = x.row(t);
                // NORM-002: each run of D elements is a group of its own.
                for (int first = 0; first < row.length; first += weight.length) {
                    double squares = 0;
                    for (int i = 0; i < weight.length; i++) {
                        squares += row[first + i] * row[first + i];
                    }
                    double root = Math.sqrt(squares / weight.length + op.epsilon());
                    for (int i = 0; i < weight.length; i++) {
                        row[first + i] = row[first + i] / root * weight[i];
                    }
                }
                result.setRow(t, row, in.rounding());
            }
        });
    }
}
