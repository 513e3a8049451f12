package dev.heng.backend.reference;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.heng.spi.BackendException;
import dev.heng.spi.graph.Graph;
import dev.heng.spi.graph.GraphBuilder;
import dev.heng.spi.graph.Op;
import dev.heng.spi.graph.Value;
import dev.heng.spi.tensor.DType;
import dev.heng.spi.tensor.Dim;
import dev.heng.spi.tensor.TensorType;
import java.lang.foreign.MemorySegment;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.SplittableRandom;
import org.junit.jupiter.api.Test;

/** KV, MLA, GQA: paged caches against plain lists, attention against the form that expands every key and value. */
class AttentionTest {

    private static final int PAGE = 4;
    private static final int LATENT = 5;
    private static final int NOPE = 3;
    private static final int ROPE = 2;
    private static final int VALUE = 4;
    private static final int HEADS = 3;
    private static final int WIDTH = LATENT + ROPE;
    private static final double SCALE = 0.4;

    /** Two sequences on scattered pages; lengths around the page size. */
    private static final int[][] PAGES = {{5, 0, 3}, {1, 6, 2}};

    @Test
    void appendPutsEachRowWhereThePageTableSays() {
        int[] positions = {3, 4, -1, 0, 8};
        int[] sequences = {0, 0, 99, 1, 1};
        SplittableRandom random = new SplittableRandom(2);
        for (DType dtype : new DType[] {DType.F64, DType.F32, DType.F16, DType.BF16}) {
            double[] latent = Data.random(random, positions.length * LATENT);
            double[] rope = Data.random(random, positions.length * ROPE);
            Map<String, MemorySegment> results = paged(positions, sequences)
                    .bind("latent", Data.of(dtype, latent))
                    .bind("rope", Data.of(dtype, rope))
                    .run(append(dtype));
            double[] cache = Data.doubles(dtype, Trial.get(results, "cache"));
            double[] expected = new double[8 * PAGE * WIDTH];
            Arrays.fill(expected, Double.NaN); // Fresh memory: nothing else may be touched.
            for (int t = 0; t < positions.length; t++) {
                if (positions[t] < 0) {
                    continue;
                }
                int page = PAGES[sequences[t]][positions[t] / PAGE];
                int slot = (page * PAGE + positions[t] % PAGE) * WIDTH;
                System.arraycopy(latent, t * LATENT, expected, slot, LATENT);
                System.arraycopy(rope, t * ROPE, expected, slot + LATENT, ROPE);
            }
            assertArrayEquals(expected, cache);
        }
    }

    @Test
    void whatIsOutOfRangeIsNamedAndNothingIsWritten() {
        assertRefused(new int[] {0, 12}, new int[] {0, 0}, "'positions'[of sequence 0] is 12");
        assertRefused(new int[] {0, Integer.MAX_VALUE}, new int[] {0, 0}, "is " + Integer.MAX_VALUE);
        assertRefused(new int[] {0, 1}, new int[] {0, 2}, "'sequences'[1] is 2");
        assertRefused(new int[] {0, 1}, new int[] {-1, 0}, "'sequences'[0] is -1");
        BackendException page = assertThrows(
                BackendException.class,
                () -> paged(new int[] {0}, new int[] {0})
                        .bind("page_table", Data.ints(8, 0, 0, 0, 0, 0))
                        .bind("latent", Data.of(DType.F32, new double[LATENT]))
                        .bind("rope", Data.of(DType.F32, new double[ROPE]))
                        .run(append(DType.F32)));
        assertEquals("node 'append' (KvAppend): 'page_table'[0, 0] is 8", page.getMessage());
    }

    @Test
    void attentionRefusesRowsOutOfOrder() {
        SplittableRandom random = new SplittableRandom(6);
        for (int[][] bad : new int[][][] {{{1, 1}, {0, 0}}, {{1, 0}, {0, 0}}, {{0, 0, 1}, {0, 1, 0}}}) {
            BackendException refused = assertThrows(
                    BackendException.class,
                    () -> mla(
                            DType.F64,
                            bad[0],
                            bad[1],
                            Data.random(random, 64 * 3),
                            new double[8 * PAGE * WIDTH],
                            random));
            assertEquals(BackendException.Code.INVALID_DATA, refused.code());
        }
    }

    @Test
    void latentAttentionEqualsTheFormThatExpandsKeysAndValues() {
        // Lengths 1, page - 1, page, page + 1 and the last slot; padding between and after.
        int[][][] runs = {
            {{0}, {1}},
            {{2, 3, 4, -1, 0, -1}, {0, 0, 0, 7, 1, -3}},
            {{11, 5, 6, 7, 8}, {1, 0, 0, 0, 0}},
            {{-1}, {0}},
            {{}, {}},
        };
        SplittableRandom random = new SplittableRandom(12);
        double[] cache = Data.random(random, 8 * PAGE * WIDTH);
        for (DType dtype : new DType[] {DType.F64, DType.F32, DType.F16, DType.BF16}) {
            for (int[][] run : runs) {
                int[] positions = run[0];
                double[] q = Data.random(random, positions.length * HEADS * (NOPE + ROPE));
                double[] poisoned = poisonUnreachable(cache, positions, run[1]);
                SplittableRandom weights = new SplittableRandom(3);
                double[] y = mla(dtype, positions, run[1], q, poisoned, weights);
                double[] kvB = Data.random(new SplittableRandom(3), HEADS * (NOPE + VALUE) * LATENT);
                for (int t = 0; t < positions.length; t++) {
                    for (int h = 0; h < HEADS; h++) {
                        double[][] keys = new double[Math.max(0, positions[t] + 1)][NOPE + ROPE];
                        double[][] values = new double[keys.length][VALUE];
                        double[][] keyTerms = new double[keys.length][NOPE + ROPE];
                        double[][] valueTerms = new double[keys.length][VALUE];
                        for (int p = 0; p < keys.length; p++) {
                            int slot = (PAGES[run[1][t]][p / PAGE] * PAGE + p % PAGE) * WIDTH;
                            for (int i = 0; i < NOPE + VALUE; i++) {
                                double sum = 0;
                                double terms = 0;
                                for (int l = 0; l < LATENT; l++) {
                                    double term = kvB[(h * (NOPE + VALUE) + i) * LATENT + l] * poisoned[slot + l];
                                    sum += term;
                                    terms += Math.abs(term);
                                }
                                (i < NOPE ? keys : values)[p][i < NOPE ? i : i - NOPE] = sum;
                                (i < NOPE ? keyTerms : valueTerms)[p][i < NOPE ? i : i - NOPE] = terms;
                            }
                            for (int i = 0; i < ROPE; i++) {
                                keyTerms[p][NOPE + i] = Math.abs(poisoned[slot + LATENT + i]);
                            }
                            System.arraycopy(poisoned, slot + LATENT, keys[p], NOPE, ROPE);
                        }
                        int first = (t * HEADS + h) * (NOPE + ROPE);
                        double[] query = Arrays.copyOfRange(q, first, first + NOPE + ROPE);
                        assertAttends(dtype, query, keys, keyTerms, values, valueTerms, y, (t * HEADS + h) * VALUE);
                    }
                }
            }
        }
    }

    @Test
    void groupedQueriesReadTheirOwnKeyHead() {
        int kvHeads = 2;
        int heads = 6;
        int d = 3;
        int v = 2;
        int[] positions = {4, 5, -1, 0};
        int[] sequences = {1, 1, 0, 0};
        SplittableRandom random = new SplittableRandom(14);
        double[] q = Data.random(random, positions.length * heads * d);
        double[] keyCache = Data.random(random, 8 * PAGE * kvHeads * d);
        double[] valueCache = Data.random(random, 8 * PAGE * kvHeads * v);
        for (DType dtype : new DType[] {DType.F64, DType.F32, DType.BF16}) {
            GraphBuilder builder = new GraphBuilder("gqa");
            Value query = builder.input("q", TensorType.of(dtype, Dim.of(Dim.TOKENS), Dim.of((long) heads * d)));
            Value keys = builder.cache("keys", dtype, PAGE, kvHeads * d);
            Value values = builder.cache("values", dtype, PAGE, kvHeads * v);
            Op.GroupedQueryAttention op = new Op.GroupedQueryAttention(heads, kvHeads, d, v, SCALE, dtype);
            builder.output("y", builder.groupedQueryAttention("y", op, query, keys, values, paging(builder)));
            double[] y = paged(positions, sequences)
                    .bind("q", Data.of(dtype, q))
                    .bind("keys", Data.of(dtype, keyCache))
                    .bind("values", Data.of(dtype, valueCache))
                    .y(builder.build());
            for (int t = 0; t < positions.length; t++) {
                for (int h = 0; h < heads; h++) {
                    int keyHead = h < 3 ? 0 : 1;
                    double[][] k = new double[Math.max(0, positions[t] + 1)][];
                    double[][] w = new double[k.length][];
                    for (int p = 0; p < k.length; p++) {
                        int slot = PAGES[sequences[t]][p / PAGE] * PAGE + p % PAGE;
                        int firstKey = (slot * kvHeads + keyHead) * d;
                        int firstValue = (slot * kvHeads + keyHead) * v;
                        k[p] = Arrays.copyOfRange(keyCache, firstKey, firstKey + d);
                        w[p] = Arrays.copyOfRange(valueCache, firstValue, firstValue + v);
                    }
                    int first = (t * heads + h) * d;
                    double[] padding = Arrays.copyOfRange(y, (t * heads + h) * v, (t * heads + h + 1) * v);
                    if (positions[t] < 0) {
                        assertArrayEquals(new double[v], padding);
                        continue;
                    }
                    double[] own = Arrays.copyOfRange(q, first, first + d);
                    assertAttends(dtype, own, k, magnitudes(k), w, magnitudes(w), y, (t * heads + h) * v);
                }
            }
        }
    }

    /** MLA-005: scores of hundreds do not overflow, and NaN stays in its row. */
    @Test
    void largeScoresAndNanStayInTheirRow() {
        double[] q = new double[3 * HEADS * (NOPE + ROPE)];
        Arrays.fill(q, 0, q.length / 3, 1e6);
        q[q.length - 1] = Double.NaN;
        double[] cache = Data.random(new SplittableRandom(5), 8 * PAGE * WIDTH);
        int[] positions = {0, 1, 2};
        double[] y = mla(DType.F64, positions, new int[] {0, 0, 0}, q, cache, new SplittableRandom(3));
        for (int i = 0; i < y.length; i++) {
            boolean lastHeadOfLastRow = i >= y.length - VALUE;
            assertEquals(lastHeadOfLastRow, Double.isNaN(y[i]), "element " + i);
        }
    }

    /**
     * Compares with softmax(scale * q . k) . v, computed with keys in the reverse order and without taking the largest score off.
     *
     * <p>With u the unit of double and n the longest chain of a key's sums, either side's score is off by (n + 6) u times the magnitudes of its terms,
     * subtraction of the largest included; that is a relative error of its weight, to which exp adds 2u; sums over slots, the values' own sums and the quotient
     * add (2 slots + n + 6) u.
     *
     * @param keyTerms for each element of a key, the sum of the magnitudes of the terms that it is made of
     * @param valueTerms the same of values
     */
    private static void assertAttends(
            DType dtype,
            double[] q,
            double[][] keys,
            double[][] keyTerms,
            double[][] values,
            double[][] valueTerms,
            double[] y,
            int at) {
        if (keys.length == 0) {
            assertArrayEquals(new double[VALUE], Arrays.copyOfRange(y, at, at + VALUE)); // MLA-007
            return;
        }
        double total = 0;
        double[] sums = new double[values[0].length];
        double[] magnitudes = new double[sums.length];
        double largestTerms = 0;
        for (int p = keys.length - 1; p >= 0; p--) {
            double score = 0;
            double terms = 0;
            for (int i = 0; i < q.length; i++) {
                score += q[i] * keys[p][i];
                terms += Math.abs(q[i]) * keyTerms[p][i];
            }
            largestTerms = Math.max(largestTerms, terms);
            double weight = Math.exp(SCALE * score);
            total += weight;
            for (int v = 0; v < sums.length; v++) {
                sums[v] += weight * values[p][v];
                magnitudes[v] += weight * valueTerms[p][v];
            }
        }
        int chain = LATENT + NOPE + ROPE;
        double weightError = (chain + 6) * SCALE * largestTerms + 2;
        double units = 2 * weightError + 2 * keys.length + chain + 6;
        for (int v = 0; v < sums.length; v++) {
            double expected = sums[v] / total;
            double rounding = Math.abs(expected) * Math.scalb(1.0, -dtype.significandBits());
            double subnormal = dtype == DType.F16 ? 0x1p-25 : 0;
            double bound = 2 * units * 0x1p-53 * magnitudes[v] / total + rounding + subnormal;
            assertEquals(expected, y[at + v], 1.01 * bound, dtype + " element " + (at + v));
        }
    }

    private static double[][] magnitudes(double[][] rows) {
        return Arrays.stream(rows)
                .map(row -> Arrays.stream(row).map(Math::abs).toArray())
                .toArray(double[][]::new);
    }

    /** Returns the cache with NaN in every slot that no row may read (MLA-004). */
    private static double[] poisonUnreachable(double[] cache, int[] positions, int[] sequences) {
        double[] poisoned = new double[cache.length];
        Arrays.fill(poisoned, Double.NaN);
        for (int t = 0; t < positions.length; t++) {
            for (int p = 0; p <= positions[t]; p++) {
                int slot = (PAGES[sequences[t]][p / PAGE] * PAGE + p % PAGE) * WIDTH;
                System.arraycopy(cache, slot, poisoned, slot, WIDTH);
            }
        }
        return poisoned;
    }

    private static double[] mla(
            DType dtype, int[] positions, int[] sequences, double[] q, double[] cache, SplittableRandom weights) {
        GraphBuilder builder = new GraphBuilder("mla");
        Value query = builder.input("q", TensorType.of(dtype, Dim.of(Dim.TOKENS), Dim.of(HEADS * (NOPE + ROPE))));
        Value state = builder.cache("cache", dtype, PAGE, WIDTH);
        Value kvB = builder.weight("kv_b", TensorType.of(dtype, Dim.of(HEADS * (NOPE + VALUE)), Dim.of(LATENT)));
        Op.MlaAttention op = new Op.MlaAttention(HEADS, NOPE, ROPE, VALUE, SCALE, dtype);
        builder.output("y", builder.mlaAttention("y", op, query, state, kvB, paging(builder)));
        double[] rows = Arrays.copyOf(q, positions.length * HEADS * (NOPE + ROPE));
        return paged(positions, sequences)
                .bind("q", Data.of(dtype, rows))
                .bind("cache", Data.of(dtype, cache))
                .weight("kv_b", Data.of(dtype, Data.random(weights, HEADS * (NOPE + VALUE) * LATENT)))
                .y(builder.build());
    }

    private static Graph append(DType dtype) {
        GraphBuilder builder = new GraphBuilder("append");
        Value cache = builder.cache("cache", dtype, PAGE, WIDTH);
        Value latent = builder.input("latent", TensorType.of(dtype, Dim.of(Dim.TOKENS), Dim.of(LATENT)));
        Value rope = builder.input("rope", TensorType.of(dtype, Dim.of(Dim.TOKENS), Dim.of(ROPE)));
        builder.kvAppend("append", cache, List.of(latent, rope), paging(builder));
        builder.output("y", builder.slice("slice", latent, 0, 1));
        return builder.build();
    }

    private static void assertRefused(int[] positions, int[] sequences, String message) {
        BackendException refused = assertThrows(
                BackendException.class,
                () -> paged(positions, sequences)
                        .bind("latent", Data.of(DType.F32, new double[positions.length * LATENT]))
                        .bind("rope", Data.of(DType.F32, new double[positions.length * ROPE]))
                        .run(append(DType.F32)));
        assertEquals(BackendException.Code.INVALID_DATA, refused.code());
        assertTrue(String.valueOf(refused.getMessage()).contains(message), refused::getMessage);
    }

    private static GraphBuilder.Paging paging(GraphBuilder builder) {
        return new GraphBuilder.Paging(
                builder.input("positions", TensorType.of(DType.I32, Dim.of(Dim.TOKENS))),
                builder.input("sequences", TensorType.of(DType.I32, Dim.of(Dim.TOKENS))),
                builder.input(
                        "page_table", TensorType.of(DType.I32, Dim.of(Dim.SEQUENCES), Dim.of(Dim.PAGES_PER_SEQUENCE))));
    }

    private static Trial paged(int[] positions, int[] sequences) {
        return new Trial()
                .dim(Dim.TOKENS, positions.length)
                .dim(Dim.SEQUENCES, PAGES.length)
                .dim(Dim.PAGES_PER_SEQUENCE, PAGES[0].length)
                .dim(Dim.PAGES, 8)
                .bind("positions", Data.ints(positions))
                .bind("sequences", Data.ints(sequences))
                .bind(
                        "page_table",
                        Data.ints(Arrays.stream(PAGES)
                                .flatMapToInt(Arrays::stream)
                                .toArray()));
    }
}
