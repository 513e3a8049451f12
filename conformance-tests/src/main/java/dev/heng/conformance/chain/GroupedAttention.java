package dev.heng.conformance.chain;

import dev.heng.conformance.bound.AccumulationError;
import dev.heng.spi.graph.Op;

/** One row of GroupedQueryAttention. */
final class GroupedAttention {

    private final Op.GroupedQueryAttention op;
    private final Softmax softmax;

    GroupedAttention(Op.GroupedQueryAttention op, Softmax softmax) {
        this.op = op;
        this.softmax = softmax;
    }

    /** What one row attends to. Offsets point into {@code keys}, {@code values} and {@code q}. */
    @SuppressWarnings("ArrayRecordComponent") // As large as the operands; never compared.
    record Row(double[] q, int qFrom, double[] keys, int[] keyFrom, double[] values, int[] valueFrom) {}

    private int shared(int head) {
        return head / (op.heads() / op.kvHeads());
    }

    private Products.Moments score(Row row, int head, int slot) {
        Products.Moments moments = new Products.Moments();
        int q = row.qFrom() + head * op.headDim();
        int key = row.keyFrom()[slot] + shared(head) * op.headDim();
        for (int d = 0; d < op.headDim(); d++) {
            moments.add(row.q()[q + d] * row.keys()[key + d]);
        }
        return moments;
    }

    double[] scores(Row row, int head) {
        double[] scores = new double[row.keyFrom().length];
        for (int slot = 0; slot < scores.length; slot++) {
            scores[slot] = op.scale() * score(row, head, slot).sum;
        }
        return scores;
    }

    /** Fills the deviations of a head's scores. */
    void scoreErrors(Row row, int head, double[] scores, double[] deviation, int at) {
        AccumulationError error = softmax.error(op.headDim());
        for (int slot = 0; slot < scores.length; slot++) {
            Products.Moments moments = score(row, head, slot);
            double drift = moments.drift(error);
            double variance = moments.variance(error) + drift * drift + softmax.cutVariance(2 * moments.squares);
            deviation[at + slot] = Softmax.scoreDeviation(op.scale(), variance, scores[slot]);
        }
    }

    private Products.Moments value(Row row, int head, double[] p, int v) {
        Products.Moments moments = new Products.Moments();
        for (int slot = 0; slot < p.length; slot++) {
            moments.add(p[slot] * row.values()[row.valueFrom()[slot] + shared(head) * op.valueDim() + v]);
        }
        return moments;
    }

    /** Fills the deviations of a head's results. */
    void valueErrors(Row row, int head, double[] p, double[] deviation, double[] drift, int at) {
        AccumulationError error = softmax.error(p.length);
        for (int v = 0; v < op.valueDim(); v++) {
            Products.Moments moments = value(row, head, p, v);
            double variance = moments.variance(error) + softmax.cutVariance(2 * moments.squares);
            deviation[at + v] = Softmax.valueDeviation(variance, moments.sum);
            drift[at + v] = moments.drift(error);
        }
    }

    /** Returns a head's results before rounding. */
    double[] values(Row row, int head, double[] p) {
        double[] values = new double[op.valueDim()];
        for (int v = 0; v < values.length; v++) {
            values[v] = value(row, head, p, v).sum;
        }
        return values;
    }
}
