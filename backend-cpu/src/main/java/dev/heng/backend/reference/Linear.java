package dev.heng.backend.reference;

import dev.heng.spi.graph.Op;
import java.util.List;

/** Products with a weight (LINEAR, QUANT). */
final class Linear {

    private Linear() {}

    /** LINEAR-001: y[t][n] = sum_k x[t][k] * W[n][k] + bias[n]. */
    static void linear(Invocation in, Op.Linear op) {
        Tensor x = in.operand(0);
        double[] bias = in.node().operands().size() == 3 ? in.weight(2).vector() : null;
        new MatrixProduct(in, x, in.weight(1), op.activation(), bias, in.result(0))
                .compute(List.of(new MatrixProduct.Group(0, 0, in.rows(0))));
    }
}
