package dev.heng.conformance.faulty;

import dev.heng.conformance.fault.AttentionFault;
import dev.heng.conformance.format.FloatFormat;
import dev.heng.conformance.suite.HostTensor;
import dev.heng.spi.graph.Graph;
import dev.heng.spi.graph.Node;
import dev.heng.spi.graph.Op;
import dev.heng.spi.graph.Value;
import dev.heng.spi.tensor.Shape;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.function.DoubleUnaryOperator;

/** Caches and attention that are wrong. */
final class AttentionFaults {

    private static final int POSITIONS = -3;
    private static final int SEQUENCES = -2;
    private static final int PAGE_TABLE = -1;

    private AttentionFaults() {}

    /** Returns attention without a fault that runs here and not on the real device: the suite must not flag it. */
    static Fault harmless() {
        return new FaultyAttention(Optional.empty());
    }

    static List<Fault> attention() {
        List<Fault> faults = new ArrayList<>();
        for (AttentionFault fault : AttentionFault.values()) {
            faults.add(new FaultyAttention(Optional.of(fault)));
        }
        faults.addAll(List.of(
                mlaScale("mla-scale-x1.001", "The scale is off by one part in a thousand.", scale -> scale * 1.001),
                mlaScale("mla-scale-without-mscale", "YaRN's mscale is left out of the scale.", scale -> scale / 1.75),
                mlaScale("mla-scale-in-bfloat16", "The scale is rounded to bfloat16.", FloatFormat.BF16::round),
                gqaScale("gqa-scale-x1.01", "The scale is off by one part in a hundred.", scale -> scale * 1.01),
                gqaScale("gqa-scale-forgotten", "Scores are not scaled.", _ -> 1),
                operand(
                        "attention/reads-one-slot-too-few",
                        "A row does not read its own slot.",
                        "MLA-004",
                        Op.MlaAttention.class,
                        POSITIONS,
                        (_, positions) -> change(positions, position -> position > 0 ? position - 1 : position)),
                operand(
                        "attention/reads-one-slot-too-many",
                        "A row reads the slot past its own.",
                        "MLA-004",
                        Op.GroupedQueryAttention.class,
                        POSITIONS,
                        (_, positions) -> change(positions, position -> position >= 0 ? position + 1 : position)),
                operand(
                        "attention/page-table-ignored",
                        "Pages are read in the order of their numbers.",
                        "KV-002",
                        Op.GroupedQueryAttention.class,
                        PAGE_TABLE,
                        (_, table) -> {
                            int[] pages = table.integers();
                            Arrays.setAll(
                                    pages,
                                    entry -> pages[entry] >= 0 && pages[entry] <= pages.length ? entry : pages[entry]);
                            return HostTensor.ints(table.shape(), pages);
                        }),
                operand(
                        "attention/first-sequence-only",
                        "Every row reads the first sequence.",
                        "MLA-001",
                        Op.MlaAttention.class,
                        SEQUENCES,
                        (_, sequences) -> change(sequences, sequence -> sequence > 0 ? 0 : sequence)),
                operand(
                        "attention/queries-in-bfloat16",
                        "Queries are rounded to bfloat16.",
                        "MLA-001",
                        Op.MlaAttention.class,
                        0,
                        (_, q) -> HostTensor.floats(
                                q.dtype(), q.shape(), Rows.each(q.doubles(), FloatFormat.BF16::round)))));
        return faults;
    }

    private static Fault mlaScale(String name, String description, DoubleUnaryOperator change) {
        return new GraphFault<>(
                "attention/" + name.replace('.', '-'),
                description,
                "MLA-008",
                Op.MlaAttention.class,
                op -> new Op.MlaAttention(
                        op.heads(),
                        op.nopeDim(),
                        op.ropeDim(),
                        op.valueDim(),
                        change.applyAsDouble(op.scale()),
                        op.out()));
    }

    private static Fault gqaScale(String name, String description, DoubleUnaryOperator change) {
        return new GraphFault<>(
                "attention/" + name.replace('.', '-'),
                description,
                "GQA-001",
                Op.GroupedQueryAttention.class,
                op -> new Op.GroupedQueryAttention(
                        op.heads(),
                        op.kvHeads(),
                        op.headDim(),
                        op.valueDim(),
                        change.applyAsDouble(op.scale()),
                        op.out()));
    }

    private static <O extends Op> Fault operand(
            String id, String description, String rule, Class<O> op, int operand, OperandFault.Reading<O> reading) {
        return new OperandFault<>(id, description, rule, op, operand, reading);
    }

    private static HostTensor change(HostTensor real, java.util.function.IntUnaryOperator change) {
        int[] values = real.integers();
        Arrays.setAll(values, index -> change.applyAsInt(values[index]));
        return HostTensor.ints(real.shape(), values);
    }

    private static Fault append(
            String name, String description, String rule, int operand, OperandFault.Reading<Op.KvAppend> reading) {
        return operand("cache/" + name, description, rule, Op.KvAppend.class, operand, reading);
    }

    /** Returns the largest legal value of an operand that places rows. */
    @FunctionalInterface
    private interface Limit {
        long of(long entries, long sequences, long pageSize, long pages);
    }

    /** Clamps an operand that places rows, for appends and attention alike, so that nothing refuses it. */
    private static Fault clamped(String name, String description, int operand, Limit limit) {
        return new RunFault("cache/" + name, description, "KV-004", List.of(Op.KvAppend.class)) {
            @Override
            protected Map<String, HostTensor> inputs(RunAccess run) {
                Map<String, HostTensor> changed = new HashMap<>();
                Map<String, Long> dims = run.bindings().dims();
                for (Node node : run.nodes(Op.KvAppend.class)) {
                    Value placed = node.operand(node.operands().size() + operand);
                    Shape table =
                            node.operand(node.operands().size() - 1).type().shape();
                    Shape cache = node.operand(0).type().shape();
                    if (placed.role() == Value.Role.INPUT) {
                        long most = limit.of(
                                table.dim(1).size(dims),
                                table.dim(0).size(dims),
                                cache.dim(1).size(dims),
                                cache.dim(0).size(dims));
                        changed.put(
                                placed.name(), change(run.input(placed.name()), value -> (int) Math.min(value, most)));
                    }
                }
                return changed;
            }
        };
    }

    private static int pageSize(OperandFault.OperandRun<Op.KvAppend> run) {
        return (int) run.node().operand(0).type().shape().dim(1).size();
    }

    static List<Fault> caches() {
        return List.of(
                append(
                        "appended-at-the-row",
                        "A row goes to the slot of its index in the run, not of its position.",
                        "KV-001",
                        POSITIONS,
                        (_, real) -> {
                            int[] positions = real.integers();
                            Arrays.setAll(positions, row -> positions[row] < 0 ? positions[row] : row);
                            return HostTensor.ints(real.shape(), positions);
                        }),
                append(
                        "page-start-in-the-page-before",
                        "The first row of a page goes to the page before it.",
                        "KV-001",
                        POSITIONS,
                        (run, real) -> {
                            int size = pageSize(run);
                            return change(
                                    real,
                                    position -> position > 0 && position % size == 0 ? position - size : position);
                        }),
                append("rows-reversed", "The rows of a run are appended in reverse order.", "KV-001", 1, (_, real) -> {
                    int width = real.shape()[1];
                    double[] rows = real.doubles();
                    double[] reversed = new double[rows.length];
                    for (int row = 0; row < real.shape()[0]; row++) {
                        System.arraycopy(rows, row * width, reversed, (real.shape()[0] - 1 - row) * width, width);
                    }
                    return HostTensor.floats(real.dtype(), real.shape(), reversed);
                }),
                append(
                        "last-odd-row-lost",
                        "Rows are appended in pairs: an odd last one is lost.",
                        "KV-001",
                        POSITIONS,
                        (_, real) -> {
                            int[] positions = real.integers();
                            if (positions.length % 2 == 1 && positions.length > 1) {
                                positions[positions.length - 1] = -1;
                            }
                            return HostTensor.ints(real.shape(), positions);
                        }),
                append(
                        "first-sequence-only",
                        "Every row goes to the first sequence.",
                        "KV-001",
                        SEQUENCES,
                        (_, real) -> change(real, sequence -> sequence > 0 ? 0 : sequence)),
                append(
                        "page-table-ignored",
                        "Pages are taken in the order of their numbers.",
                        "KV-002",
                        PAGE_TABLE,
                        (_, real) -> {
                            int[] pages = real.integers();
                            Arrays.setAll(
                                    pages,
                                    entry -> pages[entry] >= 0 && pages[entry] <= pages.length ? entry : pages[entry]);
                            return HostTensor.ints(real.shape(), pages);
                        }),
                append(
                        "rows-in-float8",
                        "Rows are kept as E4M3.",
                        "KV-001",
                        1,
                        (_, real) -> HostTensor.floats(
                                real.dtype(),
                                real.shape(),
                                Rows.each(
                                        real.doubles(),
                                        value -> FloatFormat.F8_E4M3.round(Math.clamp(value, -448, 448))))),
                append(
                        "rows-in-bfloat16",
                        "Rows of F32 and F16 are kept as bfloat16.",
                        "KV-001",
                        1,
                        (_, real) -> HostTensor.floats(
                                real.dtype(), real.shape(), Rows.each(real.doubles(), FloatFormat.BF16::round))),
                clamped(
                        "position-clamped",
                        "A position past the page table is clamped to its end.",
                        POSITIONS,
                        (entries, _, size, _) -> entries * size - 1),
                clamped(
                        "sequence-clamped",
                        "A sequence outside the page table is clamped to its last one.",
                        SEQUENCES,
                        (_, sequences, _, _) -> sequences - 1),
                clamped(
                        "page-clamped",
                        "A page outside the cache is clamped to its last one.",
                        PAGE_TABLE,
                        (_, _, _, pages) -> pages - 1),
                new RunFault(
                        "cache/latent-and-rope-swapped",
                        "A cache row is rope key, then latent.",
                        "MLA-002",
                        List.of(Op.KvAppend.class)) {
                    @Override
                    protected Graph graph(Graph graph) {
                        return GraphFault.rewritten(graph, (builder, node, operands) -> {
                            if (node.op() instanceof Op.KvAppend append && append.parts() == 2) {
                                Value kept = operands[1];
                                operands[1] = operands[2];
                                operands[2] = kept;
                            }
                            return builder.add(node.name(), node.op(), operands);
                        });
                    }
                });
    }
}
