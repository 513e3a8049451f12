package dev.heng.conformance.suite;

import dev.heng.conformance.fill.Degeneracy;
import dev.heng.conformance.format.FloatFormat;
import dev.heng.conformance.probe.MatrixProduct;
import dev.heng.conformance.probe.OperandRange;
import dev.heng.conformance.probe.Refuter;
import dev.heng.spi.Backend;
import dev.heng.spi.Batch;
import dev.heng.spi.graph.Graph;
import dev.heng.spi.graph.GraphBuilder;
import dev.heng.spi.graph.Op;
import dev.heng.spi.graph.Value;
import dev.heng.spi.tensor.DType;
import dev.heng.spi.tensor.Dim;
import dev.heng.spi.tensor.TensorType;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;

/**
 * The second product of attention, probabilities by values, for probes to ask through GroupedQueryAttention of one head. Equal scores over a number of slots that
 * is a power of two give every slot the same probability, exact in every type; the value of each of {@link #WIDTH} columns is then a sum along the
 * slots, divided by their number. A product has one row.
 */
final class AttentionProduct implements MatrixProduct {

    /** Columns of a value. */
    static final int WIDTH = Refuter.COLUMNS;

    private static final int PAGE_SIZE = 64;
    private static final int HEAD = 64;

    private final Backend device;
    private final DType dtype;
    private final int rows;

    /**
     * Describes the product.
     *
     * @param dtype the type of queries, caches and results
     * @param rows tokens of the run that is asked; all others were appended by a run before
     */
    AttentionProduct(Backend device, DType dtype, int rows) {
        this.device = device;
        this.dtype = dtype;
        this.rows = rows;
    }

    /** Returns why the device says no, or nothing. */
    String refusal(int slots) {
        return Session.refusal(device, scenario(new double[slots], new double[slots * WIDTH]));
    }

    @Override
    public FloatFormat inputFormat() {
        return HostTensor.format(dtype);
    }

    @Override
    public FloatFormat outputFormat() {
        return HostTensor.format(dtype);
    }

    /** Returns that a slot takes part or does not. */
    @Override
    public OperandRange weights() {
        return new OperandRange(1, 0, 0);
    }

    @Override
    public double[] multiply(double[] a, double[] b, int m, int n, int k) {
        if (m != 1 || n != WIDTH || Integer.bitCount(k) != 1) {
            throw new IllegalArgumentException(
                    "asks one row of " + WIDTH + " columns over 2^i slots, not " + m + " by " + n + " of " + k);
        }
        double[] values = new double[k * WIDTH];
        for (int slot = 0; slot < k; slot++) {
            for (int column = 0; column < WIDTH; column++) {
                values[slot * WIDTH + column] = a[slot] * b[column * k + slot];
            }
        }
        double[] product = attend(new double[k], values);
        for (int column = 0; column < WIDTH; column++) {
            product[column] *= k;
        }
        return product;
    }

    /**
     * Returns the last token's result.
     *
     * @param scores the score of each slot, each a number of the type
     * @param values [slots, WIDTH]
     */
    double[] attend(double[] scores, double[] values) {
        try (Session session = Session.open(device, scenario(scores, values))) {
            double[] all = Checks.output(session.all().getLast(), "y").doubles();
            return Arrays.copyOfRange(all, all.length - WIDTH, all.length);
        }
    }

    /** A query of one 1 and a key whose element there is the score, at a scale of 1. */
    private Scenario scenario(double[] scores, double[] values) {
        int slots = scores.length;
        List<Scenario.Step> steps = new ArrayList<>();
        if (slots > rows) {
            steps.add(step(scores, values, 0, slots - rows));
        }
        steps.add(step(scores, values, Math.max(0, slots - rows), slots));
        return new Scenario(graph(), Map.of(), steps, (_, _, _) -> List.of(), Degeneracy.of(), true);
    }

    private Graph graph() {
        GraphBuilder builder = new GraphBuilder("probe");
        Dim tokens = Dim.of(Dim.TOKENS);
        Value q = builder.input("q", TensorType.of(dtype, tokens, Dim.of(HEAD)));
        Value key = builder.input("key", TensorType.of(dtype, tokens, Dim.of(HEAD)));
        Value value = builder.input("value", TensorType.of(dtype, tokens, Dim.of(WIDTH)));
        GraphBuilder.Paging paging = new GraphBuilder.Paging(
                builder.input("positions", TensorType.of(DType.I32, tokens)),
                builder.input("sequences", TensorType.of(DType.I32, tokens)),
                builder.input(
                        "page_table", TensorType.of(DType.I32, Dim.of(Dim.SEQUENCES), Dim.of(Dim.PAGES_PER_SEQUENCE))));
        Value keys = builder.kvAppend(
                "append_keys", builder.cache("key_cache", dtype, PAGE_SIZE, HEAD), List.of(key), paging);
        Value caches = builder.kvAppend(
                "append_values", builder.cache("value_cache", dtype, PAGE_SIZE, WIDTH), List.of(value), paging);
        Op.GroupedQueryAttention op = new Op.GroupedQueryAttention(1, 1, HEAD, WIDTH, 1, dtype);
        builder.output("y", builder.groupedQueryAttention("attention", op, q, keys, caches, paging));
        return builder.build();
    }

    private Scenario.Step step(double[] scores, double[] values, int from, int to) {
        int tokens = to - from;
        double[] q = new double[tokens * HEAD];
        double[] key = new double[tokens * HEAD];
        int[] positions = new int[tokens];
        for (int token = 0; token < tokens; token++) {
            q[token * HEAD] = 1;
            key[token * HEAD] = scores[from + token];
            positions[token] = from + token;
        }
        int pages = Math.ceilDiv(scores.length, PAGE_SIZE);
        int[] table = new int[pages];
        Arrays.setAll(table, page -> page);
        Map<String, HostTensor> inputs = Map.of(
                "q", HostTensor.floats(dtype, new int[] {tokens, HEAD}, q),
                "key", HostTensor.floats(dtype, new int[] {tokens, HEAD}, key),
                "value",
                        HostTensor.floats(
                                dtype, new int[] {tokens, WIDTH}, Arrays.copyOfRange(values, from * WIDTH, to * WIDTH)),
                "positions", HostTensor.ints(new int[] {tokens}, positions),
                "sequences", HostTensor.ints(new int[] {tokens}, new int[tokens]),
                "page_table", HostTensor.ints(new int[] {1, pages}, table));
        Map<String, Long> dims = Map.of(
                Dim.TOKENS, (long) tokens, Dim.SEQUENCES, 1L, Dim.PAGES, (long) pages, Dim.PAGES_PER_SEQUENCE, (long)
                        pages);
        return new Scenario.Step(dims, new Batch(List.of(new Batch.Span(0, tokens, from))), inputs, null);
    }
}
