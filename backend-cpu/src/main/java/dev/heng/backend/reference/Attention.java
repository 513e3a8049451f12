package dev.heng.backend.reference;

import dev.heng.spi.graph.Op;
import java.util.Arrays;
import java.util.List;

/**
 * Attention over paged caches (MLA, GQA): softmax over the slots 0..position of a row's own sequence, then the mean of the values under
 * it. Scores, softmax and means are computed in double and the result is rounded once.
 */
final class Attention {

    /** Rows that meet a cache row while it is decoded; bounds the memory for scores. */
    private static final int ROWS_ABREAST = 32;

    private Attention() {}

    /**
     * Multi-head latent attention.
     *
     * <p>Computed in the absorbed form, (kvB_key^T q) . c in place of q . (kvB_key c): equal in real arithmetic (MLA-003), far cheaper over a long
     * cache, and in double indistinguishable from the other after the rounding to the result's type.
     */
    static void mla(Invocation in, Op.MlaAttention op) {
        Tensor q = in.operand(0);
        Tensor cache = in.operand(1);
        Weight kvB = in.weight(2);
        List<PagedCache.Span> spans = new PagedCache(in, 1, 3).spans();
        Tensor result = in.result(0);
        zeroPadding(in, result, in.operand(3));
        int latent = kvB.columns();
        int nope = op.nopeDim();
        int headDim = nope + op.ropeDim();
        long operations = operations(spans, latent + op.ropeDim()) + (long) (nope + op.valueDim()) * latent * 2;
        in.workers().forEachRange(op.heads(), operations, (fromHead, toHead) -> {
            double[][] keyRows = new double[nope][latent];
            double[][] valueRows = new double[op.valueDim()][latent];
            double[] head = new double[headDim];
            for (int h = fromHead; h < toHead; h++) {
                // MLA-002: the rows of a head are its keys, then its values.
                int firstRow = h * (nope + op.valueDim());
                for (int i = 0; i < nope; i++) {
                    kvB.row(0, firstRow + i, keyRows[i]);
                }
                for (int v = 0; v < op.valueDim(); v++) {
                    kvB.row(0, firstRow + nope + v, valueRows[v]);
                }
                for (PagedCache.Span span : spans) {
                    for (int first = 0; first < span.positions().length; first += ROWS_ABREAST) {
                        int rows = Math.min(ROWS_ABREAST, span.positions().length - first);
                        double[][] queries = new double[rows][latent + op.ropeDim()];
                        for (int r = 0; r < rows; r++) {
                            q.read(span.firstRow() + first + r, h * headDim, headDim, head, 0);
                            for (int i = 0; i < nope; i++) {
                                for (int l = 0; l < latent; l++) {
                                    queries[r][l] += head[i] * keyRows[i][l];
                                }
                            }
                            System.arraycopy(head, nope, queries[r], latent, op.ropeDim());
                        }
                        double[][] means = attend(
                                queries, span, first, op.scale(), cache, 0, latent + op.ropeDim(), cache, 0, latent);
                        for (int r = 0; r < rows; r++) {
                            for (int v = 0; v < op.valueDim(); v++) {
                                double sum = 0;
                                for (int l = 0; l < latent; l++) {
                                    sum += valueRows[v][l] * means[r][l];
                                }
                                result.set(span.firstRow() + first + r, h * op.valueDim() + v, sum, in.rounding());
                            }
                        }
                    }
                }
            }
        });
    }

    /** Grouped-query attention: query head h reads key head h / (heads / kvHeads) (GQA-002). */
    static void groupedQuery(Invocation in, Op.GroupedQueryAttention op) {
        Tensor q = in.operand(0);
        Tensor keys = in.operand(1);
        Tensor values = in.operand(2);
        List<PagedCache.Span> spans = new PagedCache(in, 1, 3).spans();
        Tensor result = in.result(0);
        zeroPadding(in, result, in.operand(3));
        int perKeyHead = op.heads() / op.kvHeads();
        in.workers().forEachRange(op.heads(), operations(spans, op.headDim() + op.valueDim()), (fromHead, toHead) -> {
            for (int h = fromHead; h < toHead; h++) {
                int keyHead = h / perKeyHead;
                for (PagedCache.Span span : spans) {
                    for (int first = 0; first < span.positions().length; first += ROWS_ABREAST) {
                        int rows = Math.min(ROWS_ABREAST, span.positions().length - first);
                        double[][] queries = new double[rows][op.headDim()];
                        for (int r = 0; r < rows; r++) {
                            q.read(span.firstRow() + first + r, h * op.headDim(), op.headDim(), queries[r], 0);
                        }
                        double[][] means = attend(
                                queries,
                                span,
                                first,
                                op.scale(),
                                keys,
                                keyHead * op.headDim(),
                                op.headDim(),
                                values,
                                keyHead * op.valueDim(),
                                op.valueDim());
                        for (int r = 0; r < rows; r++) {
                            for (int v = 0; v < op.valueDim(); v++) {
                                result.set(
                                        span.firstRow() + first + r, h * op.valueDim() + v, means[r][v], in.rounding());
                            }
                        }
                    }
                }
            }
        });
    }

    /**
     * Returns the means of the values under the softmax of the scores, for some rows of one span (MLA-004, MLA-005).
     *
     * @param queries the rows' queries, as wide as the keys
     * @param firstOfSpan which row of the span the first query is
     * @param keys the cache whose rows hold keys in columns keyFrom..keyFrom+keyWidth-1
     * @param values the cache whose rows hold values in columns valueFrom..valueFrom+valueWidth-1
     */
    private static double[][] attend(
            double[][] queries,
            PagedCache.Span span,
            int firstOfSpan,
            double scale,
            Tensor keys,
            int keyFrom,
            int keyWidth,
            Tensor values,
            int valueFrom,
            int valueWidth) {
        int rows = queries.length;
        int longest = span.positions()[firstOfSpan + rows - 1] + 1;
        double[][] scores = new double[rows][];
        for (int r = 0; r < rows; r++) {
            scores[r] = new double[span.positions()[firstOfSpan + r] + 1];
        }
        double[] key = new double[keyWidth];
        for (int slot = 0; slot < longest; slot++) {
            keys.read(span.slots()[slot], keyFrom, keyWidth, key, 0);
            for (int r = 0; r < rows; r++) {
                if (slot < scores[r].length) {
                    scores[r][slot] = scale * dot(queries[r], key);
                }
            }
        }
        for (double[] row : scores) {
            softmax(row);
        }
        double[][] means = new double[rows][valueWidth];
        double[] value = new double[valueWidth];
        for (int slot = 0; slot < longest; slot++) {
            values.read(span.slots()[slot], valueFrom, valueWidth, value, 0);
            for (int r = 0; r < rows; r++) {
                if (slot < scores[r].length) {
                    double probability = scores[r][slot];
                    double[] mean = means[r];
                    for (int v = 0; v < valueWidth; v++) {
                        mean[v] += probability * value[v];
                    }
                }
            }
        }
        return means;
    }

    /** Turns scores into probabilities in place, the largest score taken off first. */
    static void softmax(double[] scores) {
        double largest = Double.NEGATIVE_INFINITY;
        for (double score : scores) {
            largest = Math.max(largest, score);
        }
        double sum = 0;
        for (int i = 0; i < scores.length; i++) {
            scores[i] = StrictMath.exp(scores[i] - largest);
            sum += scores[i];
        }
        for (int i = 0; i < scores.length; i++) {
            scores[i] /= sum;
        }
    }

    private static double dot(double[] left, double[] right) {
        double sum = 0;
        for (int i = 0; i < left.length; i++) {
            sum += left[i] * right[i];
        }
        return sum;
    }

    /** MLA-007: a row of padding gives zeros. */
    private static void zeroPadding(Invocation in, Tensor result, Tensor positions) {
        double[] zeros = new double[result.columns()];
        Arrays.fill(zeros, 0);
        for (int row = 0; row < result.rows(); row++) {
            if (positions.integer(row) < 0) {
                result.setRow(row, zeros, in.rounding());
            }
        }
    }

    private static long operations(List<PagedCache.Span> spans, int width) {
        long operations = 0;
        for (PagedCache.Span span : spans) {
            operations += (long) span.positions().length * span.slots().length * width * 3;
        }
        return operations;
    }
}
