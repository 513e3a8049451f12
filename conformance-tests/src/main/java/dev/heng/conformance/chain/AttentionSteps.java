package dev.heng.conformance.chain;

import dev.heng.spi.graph.Node;
import dev.heng.spi.graph.Op;
import dev.heng.spi.graph.Value;
import java.util.HashMap;
import java.util.Map;

/** Caches and both kinds of attention of one evaluation (KV, MLA, GQA). */
final class AttentionSteps {

    private final Evaluator step;
    private final Map<String, Paged> caches = new HashMap<>();

    AttentionSteps(Evaluator step) {
        this.step = step;
    }

    private Paged cache(Value value) {
        Value state = step.graph().stateOf(value);
        return caches.computeIfAbsent(
                state.name(),
                _ -> new Paged(
                        Math.toIntExact(state.type().shape().dim(0).size(step.dims())),
                        Evaluator.size(state, 1),
                        Evaluator.size(state, 2)));
    }

    void append(Node node, Op.KvAppend op) {
        Paged cache = cache(node.operand(0));
        Numbers positions = step.value(node, op.parts() + 1);
        Numbers sequences = step.value(node, op.parts() + 2);
        Numbers table = step.value(node, op.parts() + 3);
        for (int row = 0; row < positions.rows(); row++) {
            if (positions.integer(row) < 0) {
                continue;
            }
            int at = cache.row(table, sequences.integer(row), positions.integer(row));
            for (int part = 0; part < op.parts(); part++) {
                Numbers source = step.value(node, part + 1);
                System.arraycopy(source.values(), row * source.width(), cache.slots(), at, source.width());
                at += source.width();
            }
        }
    }

    /** Where the slots lie that a row attends to. */
    private static int[] slots(Paged cache, Numbers table, int sequence, int position) {
        int[] slots = new int[position + 1];
        for (int slot = 0; slot <= position; slot++) {
            slots[slot] = cache.row(table, sequence, slot);
        }
        return slots;
    }

    Numbers latent(Node node, Op.MlaAttention op) {
        Numbers q = step.value(node, 0);
        Paged cache = cache(node.operand(1));
        double[] kvB = step.weight(node, 2);
        Softmax softmax =
                new Softmax(step.profile(), true, node.operand(1).type().dtype());
        LatentAttention attention = new LatentAttention(op, cache.width() - op.ropeDim(), softmax);
        Heads heads = new Heads(node, q, op.heads(), op.valueDim(), 3);
        for (int row = 0; row < q.rows(); row++) {
            if (heads.positions.integer(row) < 0) {
                continue;
            }
            int[] slots = slots(cache, heads.table, heads.sequences.integer(row), heads.positions.integer(row));
            LatentAttention.Row one = new LatentAttention.Row(q.values(), row * q.width(), cache.slots(), slots, kvB);
            for (int head = 0; head < op.heads(); head++) {
                double[] scores = attention.scores(one, head);
                int at = heads.next(scores.length);
                if (step.arithmetic().isExact()) {
                    attention.scoreErrors(one, head, scores, heads.scoreDeviation, at);
                }
                double[] p = softmax.probabilities(heads.erring(scores, at), step.arithmetic());
                if (step.arithmetic().isExact()) {
                    attention.valueErrors(one, head, p, heads.deviation, heads.drift, heads.at(row, head));
                }
                heads.finish(row, head, attention.values(one, head, p));
            }
        }
        return heads.result();
    }

    Numbers grouped(Node node, Op.GroupedQueryAttention op) {
        Numbers q = step.value(node, 0);
        Paged keys = cache(node.operand(1));
        Paged values = cache(node.operand(2));
        Softmax softmax =
                new Softmax(step.profile(), false, node.operand(1).type().dtype());
        GroupedAttention attention = new GroupedAttention(op, softmax);
        Heads heads = new Heads(node, q, op.heads(), op.valueDim(), 3);
        for (int row = 0; row < q.rows(); row++) {
            if (heads.positions.integer(row) < 0) {
                continue;
            }
            int sequence = heads.sequences.integer(row);
            int position = heads.positions.integer(row);
            GroupedAttention.Row one = new GroupedAttention.Row(
                    q.values(),
                    row * q.width(),
                    keys.slots(),
                    slots(keys, heads.table, sequence, position),
                    values.slots(),
                    slots(values, heads.table, sequence, position));
            for (int head = 0; head < op.heads(); head++) {
                double[] scores = attention.scores(one, head);
                int at = heads.next(scores.length);
                if (step.arithmetic().isExact()) {
                    attention.scoreErrors(one, head, scores, heads.scoreDeviation, at);
                }
                double[] p = softmax.probabilities(heads.erring(scores, at), step.arithmetic());
                if (step.arithmetic().isExact()) {
                    attention.valueErrors(one, head, p, heads.deviation, heads.drift, heads.at(row, head));
                }
                heads.finish(row, head, attention.values(one, head, p));
            }
        }
        return heads.result();
    }

    /** What both kinds of attention do with the heads of all rows. */
    private final class Heads {
        private final Node node;
        final Numbers positions;
        final Numbers sequences;
        final Numbers table;
        private final int heads;
        private final int width;
        private final double[] results;
        double[] deviation = new double[0];
        double[] drift = new double[0];
        double[] scoreDeviation = new double[0];
        private int scoresSoFar;

        Heads(Node node, Numbers q, int heads, int width, int firstPaging) {
            this.node = node;
            this.positions = step.value(node, firstPaging);
            this.sequences = step.value(node, firstPaging + 1);
            this.table = step.value(node, firstPaging + 2);
            this.heads = heads;
            this.width = width;
            this.results = new double[q.rows() * heads * width];
            if (step.arithmetic().isExact()) {
                int scores = 0;
                for (int row = 0; row < q.rows(); row++) {
                    scores += heads * Math.max(0, positions.integer(row) + 1);
                }
                deviation = new double[results.length];
                drift = new double[results.length];
                scoreDeviation = new double[scores];
                step.errors().put(node.name(), deviation, drift);
                step.errors().put(scores(), scoreDeviation, scoreDeviation);
            } else {
                deviation = step.errors().deviation(node.name());
                drift = step.errors().drift(node.name());
                scoreDeviation = step.errors().deviation(scores());
            }
        }

        private String scores() {
            return node.name() + "/scores";
        }

        /** Returns where the next {@code count} scores' errors begin. */
        int next(int count) {
            int at = scoresSoFar;
            scoresSoFar += count;
            return at;
        }

        int at(int row, int head) {
            return (row * heads + head) * width;
        }

        double[] erring(double[] scores, int at) {
            double[] erring = scores.clone();
            for (int slot = 0; slot < erring.length; slot++) {
                erring[slot] += scoreDeviation[at + slot] * step.arithmetic().normal();
            }
            return erring;
        }

        void finish(int row, int head, double[] exact) {
            int at = at(row, head);
            for (int element = 0; element < width; element++) {
                results[at + element] = step.arithmetic()
                        .result(exact[element], deviation[at + element], drift[at + element], Evaluator.out(node));
            }
        }

        Numbers result() {
            return Numbers.matrix(positions.rows(), heads * width, results);
        }
    }
}
