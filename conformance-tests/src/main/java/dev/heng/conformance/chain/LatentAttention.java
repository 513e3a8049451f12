package dev.heng.conformance.chain;

import dev.heng.conformance.bound.AccumulationError;
import dev.heng.spi.graph.Op;

/**
 * One row of MlaAttention. A device may absorb kvB into the query or expand keys and values (MLA-003); the deviation is the larger of the
 * two, element by element.
 */
final class LatentAttention {

    private final Op.MlaAttention op;
    private final int latent;
    private final Softmax softmax;

    LatentAttention(Op.MlaAttention op, int latent, Softmax softmax) {
        this.op = op;
        this.latent = latent;
        this.softmax = softmax;
    }

    /** What one row attends to. Offsets point into {@code cache} and {@code q}. */
    @SuppressWarnings("ArrayRecordComponent") // As large as the operands; never compared.
    record Row(double[] q, int qFrom, double[] cache, int[] slotFrom, double[] kvB) {}

    /** Returns the latent query of a head: {@code K^T q}. */
    private double[] absorbed(Row row, int head) {
        double[] query = new double[latent];
        int q = row.qFrom() + head * (op.nopeDim() + op.ropeDim());
        for (int d = 0; d < op.nopeDim(); d++) {
            int key = (head * (op.nopeDim() + op.valueDim()) + d) * latent;
            for (int l = 0; l < latent; l++) {
                query[l] += row.q()[q + d] * row.kvB()[key + l];
            }
        }
        return query;
    }

    double[] scores(Row row, int head) {
        double[] query = absorbed(row, head);
        int rope = row.qFrom() + head * (op.nopeDim() + op.ropeDim()) + op.nopeDim();
        double[] scores = new double[row.slotFrom().length];
        for (int slot = 0; slot < scores.length; slot++) {
            int from = row.slotFrom()[slot];
            double sum = 0;
            for (int l = 0; l < latent; l++) {
                sum += query[l] * row.cache()[from + l];
            }
            for (int r = 0; r < op.ropeDim(); r++) {
                sum += row.q()[rope + r] * row.cache()[from + latent + r];
            }
            scores[slot] = op.scale() * sum;
        }
        return scores;
    }

    /** Fills the deviations of a head's scores. */
    void scoreErrors(Row row, int head, double[] scores, double[] deviation, int at) {
        int nope = op.nopeDim();
        int q = row.qFrom() + head * (nope + op.ropeDim());
        AccumulationError overNope = softmax.error(nope);
        AccumulationError overLatent = softmax.error(latent);
        AccumulationError absorbedSum = softmax.error(latent + op.ropeDim());
        AccumulationError expandedSum = softmax.error(nope + op.ropeDim());
        double[] query = new double[latent];
        double[] queryVariance = new double[latent];
        double[] querySquares = new double[latent];
        for (int l = 0; l < latent; l++) {
            Products.Moments moments = new Products.Moments();
            for (int d = 0; d < nope; d++) {
                moments.add(row.q()[q + d] * key(row, head, d, l));
            }
            query[l] = moments.sum;
            queryVariance[l] = moments.variance(overNope) + square(moments.drift(overNope));
            querySquares[l] = moments.squares;
        }
        for (int slot = 0; slot < scores.length; slot++) {
            int from = row.slotFrom()[slot];
            Products.Moments absorbed = new Products.Moments();
            Products.Moments expanded = new Products.Moments();
            double absorbedVariance = 0;
            double expandedVariance = 0;
            double triples = 0;
            for (int l = 0; l < latent; l++) {
                double c = row.cache()[from + l];
                absorbed.add(query[l] * c);
                absorbedVariance += c * c * queryVariance[l];
                triples += c * c * querySquares[l];
            }
            for (int d = 0; d < nope; d++) {
                Products.Moments key = new Products.Moments();
                for (int l = 0; l < latent; l++) {
                    key.add(key(row, head, d, l) * row.cache()[from + l]);
                }
                double factor = row.q()[q + d];
                expanded.add(factor * key.sum);
                expandedVariance += factor * factor * (key.variance(overLatent) + square(key.drift(overLatent)));
            }
            for (int r = 0; r < op.ropeDim(); r++) {
                double product = row.q()[q + nope + r] * row.cache()[from + latent + r];
                absorbed.add(product);
                expanded.add(product);
                triples += product * product;
            }
            absorbedVariance += absorbed.variance(absorbedSum) + square(absorbed.drift(absorbedSum));
            expandedVariance += expanded.variance(expandedSum) + square(expanded.drift(expandedSum));
            double cuts = softmax.cutVariance(3 * triples + Math.max(absorbed.squares, expanded.squares));
            double variance = Math.max(absorbedVariance, expandedVariance) + cuts;
            deviation[at + slot] = Softmax.scoreDeviation(op.scale(), variance, scores[slot]);
        }
    }

    private double key(Row row, int head, int d, int l) {
        return row.kvB()[(head * (op.nopeDim() + op.valueDim()) + d) * latent + l];
    }

    private double value(Row row, int head, int v, int l) {
        return row.kvB()[(head * (op.nopeDim() + op.valueDim()) + op.nopeDim() + v) * latent + l];
    }

    private static double square(double x) {
        return x * x;
    }

    /** Fills the deviations of a head's results. */
    void valueErrors(Row row, int head, double[] p, double[] deviation, double[] drift, int at) {
        int slots = p.length;
        AccumulationError overSlots = softmax.error(slots);
        AccumulationError overLatent = softmax.error(latent);
        double[] mixed = new double[latent];
        double[] mixedVariance = new double[latent];
        for (int l = 0; l < latent; l++) {
            Products.Moments moments = new Products.Moments();
            for (int slot = 0; slot < slots; slot++) {
                moments.add(p[slot] * row.cache()[row.slotFrom()[slot] + l]);
            }
            mixed[l] = moments.sum;
            mixedVariance[l] = moments.variance(overSlots)
                    + square(moments.drift(overSlots))
                    + softmax.cutVariance(2 * moments.squares);
        }
        for (int v = 0; v < op.valueDim(); v++) {
            Products.Moments absorbed = new Products.Moments();
            double absorbedVariance = 0;
            for (int l = 0; l < latent; l++) {
                double weight = value(row, head, v, l);
                absorbed.add(weight * mixed[l]);
                absorbedVariance += weight * weight * mixedVariance[l];
            }
            Products.Moments expanded = new Products.Moments();
            double expandedVariance = 0;
            for (int slot = 0; slot < slots; slot++) {
                Products.Moments one = new Products.Moments();
                for (int l = 0; l < latent; l++) {
                    one.add(value(row, head, v, l) * row.cache()[row.slotFrom()[slot] + l]);
                }
                expanded.add(p[slot] * one.sum);
                expandedVariance += p[slot]
                        * p[slot]
                        * (one.variance(overLatent)
                                + square(one.drift(overLatent))
                                + softmax.cutVariance(2 * one.squares));
            }
            absorbedVariance += absorbed.variance(overLatent) + softmax.cutVariance(2 * absorbed.squares);
            expandedVariance += expanded.variance(overSlots) + softmax.cutVariance(2 * expanded.squares);
            deviation[at + v] = Softmax.valueDeviation(Math.max(absorbedVariance, expandedVariance), absorbed.sum);
            drift[at + v] = Math.max(absorbed.drift(overLatent), expanded.drift(overSlots));
        }
    }

    /** Returns a head's results before rounding. */
    double[] values(Row row, int head, double[] p) {
        double[] mixed = new double[latent];
        for (int slot = 0; slot < p.length; slot++) {
            int from = row.slotFrom()[slot];
            for (int l = 0; l < latent; l++) {
                mixed[l] += p[slot] * row.cache()[from + l];
            }
        }
        double[] values = new double[op.valueDim()];
        for (int v = 0; v < values.length; v++) {
            for (int l = 0; l < latent; l++) {
                values[v] += value(row, head, v, l) * mixed[l];
            }
        }
        return values;
    }
}
