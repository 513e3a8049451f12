package dev.heng.conformance.suite;

/**
 * What attention over known rows gives, in double, and how far a device may be from it: each stage's worst case, carried through softmax to
 * first order.
 *
 * @param kvB the weight of latent attention as real numbers; empty for grouped-query attention
 * @param history by sequence and part, all rows that the caches will ever hold
 */
@SuppressWarnings("ArrayRecordComponent") // Data of one case, never compared.
record AttentionTruth(AttentionKind kind, double[] kvB, double[][][] history) {

    /**
     * One row to attend from.
     *
     * @param queries the queries of all rows
     * @param row which of them
     * @param sequence its sequence
     * @param slots how many slots it sees
     */
    @SuppressWarnings("ArrayRecordComponent") // Handed on, never compared.
    record Row(double[] queries, int row, int sequence, int slots) {}

    /** Writes exact values and limits of one row's heads, where rows are [tokens, valueWidth]. */
    void attend(AttentionBound.Arithmetic arithmetic, Row row, double[] exact, double[] limits) {
        for (int head = 0; head < kind.heads(); head++) {
            AttentionBound.Head one = switch (kind) {
                case AttentionKind.Mla mla -> latent(mla, arithmetic, row, head);
                case AttentionKind.Gqa gqa -> grouped(gqa, arithmetic, row, head);
            };
            int width = kind.valueWidth() / kind.heads();
            one.finish(arithmetic, exact, limits, row.row() * kind.valueWidth() + head * width);
        }
    }

    private AttentionBound.Head latent(AttentionKind.Mla mla, AttentionBound.Arithmetic arithmetic, Row row, int head) {
        double[] latents = history[row.sequence()][0];
        double[] ropes = history[row.sequence()][1];
        double[] q = row.queries();
        AttentionBound.Head one = new AttentionBound.Head(row.slots(), mla.value());
        int query = row.row() * mla.queryWidth() + head * (mla.nope() + mla.rope());
        int weights = head * (mla.nope() + mla.value()) * mla.latent();
        for (int slot = 0; slot < row.slots(); slot++) {
            double sum = 0;
            double magnitude = 0;
            for (int d = 0; d < mla.nope(); d++) {
                for (int l = 0; l < mla.latent(); l++) {
                    double product =
                            q[query + d] * kvB[weights + d * mla.latent() + l] * latents[slot * mla.latent() + l];
                    sum += product;
                    magnitude += Math.abs(product);
                }
            }
            for (int d = 0; d < mla.rope(); d++) {
                double product = q[query + mla.nope() + d] * ropes[slot * mla.rope() + d];
                sum += product;
                magnitude += Math.abs(product);
            }
            one.score[slot] = mla.scale() * sum;
            // Two chained products, absorbed or not, the first one's result cut on its way into the second.
            one.scoreError[slot] = mla.scale()
                    * (arithmetic.worst(mla.nope() + mla.rope(), magnitude)
                            + arithmetic.worst(mla.latent(), magnitude)
                            + 3 * arithmetic.cut() * magnitude);
            for (int v = 0; v < mla.value(); v++) {
                double value = 0;
                double spread = 0;
                for (int l = 0; l < mla.latent(); l++) {
                    double product =
                            kvB[weights + (mla.nope() + v) * mla.latent() + l] * latents[slot * mla.latent() + l];
                    value += product;
                    spread += Math.abs(product);
                }
                one.value[slot * mla.value() + v] = value;
                one.valueError[slot * mla.value() + v] = arithmetic.worst(mla.latent(), spread)
                        + arithmetic.worst(row.slots(), spread)
                        + 3 * arithmetic.cut() * spread;
            }
        }
        return one;
    }

    private AttentionBound.Head grouped(
            AttentionKind.Gqa gqa, AttentionBound.Arithmetic arithmetic, Row row, int head) {
        double[] keys = history[row.sequence()][0];
        double[] values = history[row.sequence()][1];
        double[] q = row.queries();
        int shared = head / (gqa.heads() / gqa.kvHeads());
        AttentionBound.Head one = new AttentionBound.Head(row.slots(), gqa.value());
        for (int slot = 0; slot < row.slots(); slot++) {
            double sum = 0;
            double magnitude = 0;
            for (int d = 0; d < gqa.headDim(); d++) {
                double product = q[row.row() * gqa.queryWidth() + head * gqa.headDim() + d]
                        * keys[(slot * gqa.kvHeads() + shared) * gqa.headDim() + d];
                sum += product;
                magnitude += Math.abs(product);
            }
            one.score[slot] = gqa.scale() * sum;
            one.scoreError[slot] =
                    gqa.scale() * (arithmetic.worst(gqa.headDim(), magnitude) + 2 * arithmetic.cut() * magnitude);
            for (int v = 0; v < gqa.value(); v++) {
                double value = values[(slot * gqa.kvHeads() + shared) * gqa.value() + v];
                one.value[slot * gqa.value() + v] = value;
                one.valueError[slot * gqa.value() + v] = arithmetic.cut() * Math.abs(value);
            }
        }
        return one;
    }
}
