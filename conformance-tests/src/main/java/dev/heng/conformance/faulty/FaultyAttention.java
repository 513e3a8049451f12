package dev.heng.conformance.faulty;

import dev.heng.conformance.fault.AttentionFault;
import dev.heng.conformance.fault.FloatAttention;
import dev.heng.conformance.suite.HostTensor;
import dev.heng.spi.Buffer;
import dev.heng.spi.graph.Node;
import dev.heng.spi.graph.Op;
import dev.heng.spi.graph.Value;
import java.util.Arrays;
import java.util.HashMap;
import java.util.IdentityHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/**
 * Attention done again on the host from rows that were appended, right or with one {@link AttentionFault}. What a cache holds is
 * followed from the appends, since a state's layout is the backend's own.
 */
final class FaultyAttention extends RunFault {

    private final Optional<AttentionFault> fault;

    FaultyAttention(Optional<AttentionFault> fault) {
        super(
                fault.map(present -> "attention/"
                                + present.name().toLowerCase(Locale.ROOT).replace('_', '-'))
                        .orElse("harmless/attention"),
                fault.map(AttentionFault::description).orElse("Attends as docs/ops.md says."),
                fault.map(AttentionFault::rule).orElse("MLA-001"),
                List.of(Op.MlaAttention.class, Op.GroupedQueryAttention.class));
        this.fault = fault;
    }

    private boolean is(AttentionFault asked) {
        return fault.isPresent() && fault.get() == asked;
    }

    /** The rows that one state holds, by slot. */
    private static final class Cache extends HashMap<Long, double[]> {
        private static final long serialVersionUID = 1L;
    }

    /** The states of a program, by their buffers. */
    private static final class Caches extends IdentityHashMap<Buffer, Cache> {
        private static final long serialVersionUID = 1L;
    }

    private static Cache cache(RunAccess run, Value state) {
        Caches caches = (Caches) run.memory().computeIfAbsent("caches", _ -> new Caches());
        return caches.computeIfAbsent(
                run.bindings().buffer(run.graph().stateOf(state).name()), _ -> new Cache());
    }

    /** Where the rows of a run stand, as its last three operands say. */
    @SuppressWarnings("ArrayRecordComponent") // One run's operands; never compared.
    private record Paging(int[] positions, int[] sequences, int[] table, int entries, int pageSize) {
        static Paging of(RunAccess run, Node node, Value state) {
            int last = node.operands().size();
            HostTensor table = run.input(node.operand(last - 1).name());
            return new Paging(
                    run.input(node.operand(last - 3).name()).integers(),
                    run.input(node.operand(last - 2).name()).integers(),
                    table.integers(),
                    table.shape()[1],
                    (int) state.type().shape().dim(1).size());
        }

        long slot(int sequence, int position) {
            int entry = sequence * entries + position / pageSize;
            return entry < 0 || entry >= table.length ? -1 : (long) table[entry] * pageSize + position % pageSize;
        }

        int first(int sequence) {
            int first = Integer.MAX_VALUE;
            for (int row = 0; row < positions.length; row++) {
                first = sequences[row] == sequence && positions[row] >= 0 ? Math.min(first, positions[row]) : first;
            }
            return first;
        }

        int last(int sequence) {
            int last = -1;
            for (int row = 0; row < positions.length; row++) {
                last = sequences[row] == sequence ? Math.max(last, positions[row]) : last;
            }
            return last;
        }
    }

    private static boolean isVisible(Node node) {
        return node.operands().stream().noneMatch(operand -> operand.role() == Value.Role.RESULT);
    }

    @Override
    protected void afterRun(RunAccess run) {
        for (Node node : run.graph().nodes()) {
            if (node.op() instanceof Op.KvAppend append && isVisible(node)) {
                remember(run, node, append);
            }
        }
        for (Node node : run.graph().nodes()) {
            OperatorRun.of(run, node, Op.MlaAttention.class).ifPresent(this::mla);
            OperatorRun.of(run, node, Op.GroupedQueryAttention.class).ifPresent(this::gqa);
        }
    }

    private static void remember(RunAccess run, Node node, Op.KvAppend append) {
        Value state = run.graph().stateOf(node.operand(0));
        Paging paging = Paging.of(run, node, state);
        Cache cache = cache(run, state);
        int width = (int) state.type().shape().dim(2).size();
        for (int row = 0; row < paging.positions().length; row++) {
            if (paging.positions()[row] < 0) {
                continue;
            }
            double[] whole = new double[width];
            int at = 0;
            for (int part = 0; part < append.parts(); part++) {
                HostTensor rows = run.input(node.operand(1 + part).name());
                int own = rows.shape()[1];
                System.arraycopy(rows.doubles(), row * own, whole, at, own);
                at += own;
            }
            cache.put(paging.slot(paging.sequences()[row], paging.positions()[row]), whole);
        }
    }

    /** Scores a slot and gives its values, for one head of one row. */
    private interface Head {
        double score(double[] key);

        double[] value(double[] row);
    }

    /** Makes what is needed of a head of a row. */
    @FunctionalInterface
    private interface Heads {
        Head of(int row, int head);
    }

    private void mla(OperatorRun<Op.MlaAttention> run) {
        Op.MlaAttention op = run.op();
        double[] q = run.numbers(0);
        double[] kvB = run.numbers(2);
        Value state = run.run().graph().stateOf(run.node().operand(1));
        int latent = (int) state.type().shape().dim(2).size() - op.ropeDim();
        int keys = is(AttentionFault.VALUES_BEFORE_KEYS) ? op.valueDim() : 0;
        int values = is(AttentionFault.VALUES_BEFORE_KEYS) ? 0 : op.nopeDim();
        attend(run, state, state, op.heads(), op.valueDim(), (row, head) -> new Head() {
            @Override
            public double score(double[] key) {
                int query = (row * op.heads() + head) * (op.nopeDim() + op.ropeDim());
                double sum = 0;
                for (int d = 0; d < op.nopeDim(); d++) {
                    sum += q[query + d] * project(keys + d, key);
                }
                for (int d = 0; d < op.ropeDim() && !is(AttentionFault.ROPE_PART_LOST); d++) {
                    sum += q[query + op.nopeDim() + d] * key[latent + d];
                }
                return op.scale() * sum;
            }

            @Override
            public double[] value(double[] row) {
                double[] value = new double[op.valueDim()];
                Arrays.setAll(value, v -> project(values + v, row));
                return value;
            }

            private double project(int at, double[] row) {
                int shared = is(AttentionFault.FIRST_HEADS_KEYS) ? 0 : head;
                int weights = (shared * (op.nopeDim() + op.valueDim()) + at) * latent;
                double sum = 0;
                for (int l = 0; l < latent; l++) {
                    sum += kvB[weights + l] * row[l];
                }
                return sum;
            }
        });
    }

    private void gqa(OperatorRun<Op.GroupedQueryAttention> run) {
        Op.GroupedQueryAttention op = run.op();
        double[] q = run.numbers(0);
        Value keyState = run.run().graph().stateOf(run.node().operand(1));
        Value valueState = run.run().graph().stateOf(run.node().operand(2));
        attend(run, keyState, valueState, op.heads(), op.valueDim(), (row, head) -> new Head() {
            private final int shared = sharedHead(op, head);

            @Override
            public double score(double[] key) {
                double sum = 0;
                for (int d = 0; d < op.headDim(); d++) {
                    sum += q[(row * op.heads() + head) * op.headDim() + d] * key[shared * op.headDim() + d];
                }
                return op.scale() * sum;
            }

            @Override
            public double[] value(double[] row) {
                return Arrays.copyOfRange(row, shared * op.valueDim(), (shared + 1) * op.valueDim());
            }
        });
    }

    private int sharedHead(Op.GroupedQueryAttention op, int head) {
        if (is(AttentionFault.FIRST_HEADS_KEYS)) {
            return 0;
        }
        return is(AttentionFault.HEADS_INTERLEAVED) ? head % op.kvHeads() : head / (op.heads() / op.kvHeads());
    }

    private void attend(OperatorRun<?> run, Value keyState, Value valueState, int heads, int width, Heads each) {
        Paging paging = Paging.of(run.run(), run.node(), keyState);
        Cache keys = cache(run.run(), keyState);
        Cache values = cache(run.run(), valueState);
        double[] y = run.result(0).doubles();
        for (int row = 0; row < paging.positions().length; row++) {
            int sequence = paging.sequences()[row];
            int position = paging.positions()[row];
            for (int head = 0; head < heads; head++) {
                int at = (row * heads + head) * width;
                if (position < 0) {
                    // 12.1: what a poisoned F32 buffer holds; any number but zero would do.
                    Arrays.fill(y, at, at + width, is(AttentionFault.PADDING_LEFT) ? 12.1 : 0);
                    continue;
                }
                double @Nullable [] result = attend(paging, sequence, position, keys, values, each.of(row, head));
                if (result != null) {
                    System.arraycopy(result, 0, y, at, width);
                }
            }
        }
        run.write(0, y);
    }

    /** Returns nothing where a slot was filled in a way that this class does not follow. */
    private double @Nullable [] attend(Paging paging, int sequence, int position, Cache keys, Cache values, Head head) {
        int from = is(AttentionFault.EARLIER_RUNS_FORGOTTEN) ? paging.first(sequence) : 0;
        int to = is(AttentionFault.NOT_CAUSAL) ? paging.last(sequence) : position;
        double[] scores = new double[to - from + 1];
        double[][] rows = new double[scores.length][];
        for (int slot = from; slot <= to; slot++) {
            double[] key = keys.get(paging.slot(sequence, slot));
            double[] value = values.get(paging.slot(sequence, slot));
            if (key == null || value == null) {
                return null;
            }
            scores[slot - from] = head.score(key);
            rows[slot - from] = head.value(value);
        }
        double[] result = FloatAttention.attend(scores, rows, fault);
        boolean sharesPage = (position + 1) % paging.pageSize() != 0;
        if (is(AttentionFault.UNREAD_SLOT_TIMES_ZERO)
                && sharesPage
                && !keys.containsKey(paging.slot(sequence, position + 1))) {
            Arrays.fill(result, Double.NaN);
        }
        return result;
    }
}
