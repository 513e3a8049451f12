package dev.heng.conformance.suite;

import dev.heng.conformance.bound.Formula;
import dev.heng.conformance.fill.Degeneracy;
import dev.heng.conformance.fill.MatrixFill;
import dev.heng.conformance.random.RandomStream;
import dev.heng.spi.BackendException;
import dev.heng.spi.Batch;
import dev.heng.spi.NumericsProfile;
import dev.heng.spi.graph.GraphBuilder;
import dev.heng.spi.tensor.DType;
import dev.heng.spi.tensor.Dim;
import dev.heng.spi.tensor.Quantization;
import dev.heng.spi.tensor.Shape;
import dev.heng.spi.tensor.TensorType;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/**
 * Cases of KvAppend with MlaAttention and GroupedQueryAttention: lengths at page edges, prefill in chunks and decode, several
 * sequences in one run, padding, pages in no order, pages and table entries that nobody may read holding poison.
 */
final class AttentionFamilies {

    private static final int PAGE_SIZE = AttentionKind.PAGE_SIZE;

    private final CaseList cases;

    private AttentionFamilies(CaseList cases) {
        this.cases = cases;
    }

    /** Lengths that sequences reach in each step: steps x sequences. */
    @SuppressWarnings("ArrayRecordComponent") // A table of this class; never compared.
    private record Plan(String name, Level level, int[][] lengths, boolean padded, int pageSize) {
        Plan(String name, Level level, int[][] lengths, boolean padded) {
            this(name, level, lengths, padded, PAGE_SIZE);
        }
    }

    private static final List<Plan> PLANS = List.of(
            new Plan("one-token", Level.SMOKE, new int[][] {{1}}, false),
            new Plan("page-minus-one", Level.SMOKE, new int[][] {{PAGE_SIZE - 1}}, false),
            new Plan("page", Level.SMOKE, new int[][] {{PAGE_SIZE}}, false),
            new Plan("page-plus-one", Level.SMOKE, new int[][] {{PAGE_SIZE + 1}}, false),
            new Plan("nothing-then-decode", Level.SMOKE, new int[][] {{3, 6}, {3, 6}, {4, 7}}, false),
            new Plan("chunks-and-padding", Level.SMOKE, new int[][] {{5, 0, 2}, {9, 3, 2}, {10, 4, 3}}, true),
            new Plan("long", Level.REQUIRED, new int[][] {{63, 17}, {64, 18}, {65, 130}}, true));

    /** Pages as inference engines have them, which kernels made for DeepSeek-V2 and V3 insist on. */
    private static final Plan LARGE_PAGES =
            new Plan("pages-of-64", Level.REQUIRED, new int[][] {{63, 9}, {64, 9}, {70, 10}}, true, 64);

    static void addTo(CaseList cases) {
        AttentionFamilies families = new AttentionFamilies(cases);
        for (DType dtype : Tensors.ACTIVATIONS) {
            for (Plan plan : PLANS) {
                families.add(dtype, plan, new AttentionKind.Mla(2, 6, 4, 5, 8, Quantization.NONE));
                families.add(dtype, plan, new AttentionKind.Gqa(6, 2, 8, 5));
                families.add(dtype, plan, new AttentionKind.Gqa(3, 3, 5, 8));
            }
        }
        // Widths that matrix units take, and those of DeepSeek-V2 and V3.
        for (Plan plan : PLANS) {
            families.add(DType.BF16, plan, new AttentionKind.Mla(2, 16, 8, 16, 32, Quantization.NONE));
        }
        families.add(DType.BF16, PLANS.getLast(), new AttentionKind.Mla(2, 128, 64, 128, 64, Quantization.NONE));
        families.add(DType.BF16, LARGE_PAGES, new AttentionKind.Mla(2, 128, 64, 128, 512, Quantization.NONE));
        families.add(DType.BF16, LARGE_PAGES, new AttentionKind.Gqa(4, 2, 128, 128));
        Plan decode = PLANS.get(5);
        for (AttentionKind.Mla kind : List.of(
                new AttentionKind.Mla(3, 7, 4, 6, 136, new Quantization.Fp8Blocks(128, 128, DType.F32)),
                new AttentionKind.Mla(2, 4, 2, 4, 16, new Quantization.Int8Channels(DType.BF16)),
                new AttentionKind.Mla(2, 4, 2, 4, 32, new Quantization.Int4Groups(32, DType.BF16, false)))) {
            families.add(DType.BF16, decode, kind);
        }
        families.outOfRange();
    }

    private void add(DType dtype, Plan plan, AttentionKind kind) {
        List<String> rules = switch (kind) {
            case AttentionKind.Mla _ ->
                List.of(
                        "MLA-001", "MLA-002", "MLA-003", "MLA-004", "MLA-005", "MLA-006", "MLA-007", "MLA-008",
                        "KV-001", "KV-002", "KV-003", "RUN-007");
            case AttentionKind.Gqa _ ->
                List.of("GQA-001", "GQA-002", "GQA-003", "MLA-004", "MLA-005", "KV-001", "KV-002", "KV-003", "RUN-007");
        };
        String op = switch (kind) {
            case AttentionKind.Mla _ -> "MlaAttention";
            case AttentionKind.Gqa _ -> "GroupedQueryAttention";
        };
        cases.add(
                plan.level(),
                op,
                Tensors.name(dtype),
                rules,
                "attendsToOwnPagesOnly",
                Tensors.name(dtype) + "/" + plan.name() + "/" + kind,
                kind.shape(Timeline.shape(plan.lengths())),
                (id, seed, shape) -> new Build(
                                RandomStream.of(id, seed, "attention"),
                                dtype,
                                Timeline.lengths(plan.lengths(), shape),
                                plan,
                                kind.at(shape))
                        .scenario());
    }

    private void outOfRange() {
        record Bad(String name, int position, int sequence, int page) {}
        for (Bad bad : List.of(new Bad("position", 8, 0, 1), new Bad("sequence", 3, 1, 1), new Bad("page", 3, 0, 9))) {
            cases.add(
                    Level.SMOKE,
                    "KvAppend",
                    "i32",
                    List.of("KV-004", "RUN-005"),
                    "refusesSlotsOutsideTheCache",
                    bad.name(),
                    (_, _) -> {
                        GraphBuilder builder = new GraphBuilder("append");
                        AttentionKind.build(builder, new AttentionKind.Gqa(1, 1, 4, 4), DType.F32, PAGE_SIZE);
                        HostTensor rows = HostTensor.floats(DType.F32, new int[] {1, 4}, 1, 2, 3, 4);
                        Map<String, HostTensor> inputs = Map.of(
                                "q",
                                rows,
                                "part0",
                                rows,
                                "part1",
                                rows,
                                "positions",
                                HostTensor.ints(new int[] {1}, bad.position()),
                                "sequences",
                                HostTensor.ints(new int[] {1}, bad.sequence()),
                                "page_table",
                                HostTensor.ints(new int[] {1, 2}, bad.page(), bad.page()));
                        Map<String, Long> dims =
                                Map.of(Dim.TOKENS, 1L, Dim.SEQUENCES, 1L, Dim.PAGES, 3L, Dim.PAGES_PER_SEQUENCE, 2L);
                        Scenario.Step step =
                                new Scenario.Step(dims, Batch.NONE, inputs, BackendException.Code.INVALID_DATA);
                        return new Scenario(
                                builder.build(),
                                Map.of(),
                                List.of(step),
                                (_, _, _) -> List.of(),
                                Degeneracy.of(),
                                true);
                    });
        }
    }

    /** One scenario while it is made. */
    private static final class Build {
        private final DType dtype;
        private final AttentionKind kind;
        private final RandomStream stream;
        private final Timeline timeline;
        private final int pageSize;
        private final StoredWeight kvB;
        private final AttentionTruth truth;
        private final List<double[]> queriesOfStep = new ArrayList<>();

        Build(RandomStream stream, DType dtype, int[][] lengths, Plan plan, AttentionKind kind) {
            this.dtype = dtype;
            this.kind = kind;
            this.stream = stream;
            this.timeline = new Timeline(stream.split("pages"), lengths, plan.padded(), plan.pageSize());
            this.pageSize = plan.pageSize();
            this.kvB = kind instanceof AttentionKind.Mla mla
                    ? StoredWeight.draw(
                            stream.split("kvB"), mla.kvB(dtype), MatrixFill.NORMAL, StoredWeight.Scales.ALIKE)
                    : StoredWeight.plain(TensorType.of(DType.F32, Shape.of(1)), 0);
            int[] last = lengths[lengths.length - 1];
            int[] widths = kind.partWidths();
            double[][][] history = new double[last.length][widths.length][];
            for (int sequence = 0; sequence < last.length; sequence++) {
                for (int part = 0; part < widths.length; part++) {
                    history[sequence][part] =
                            numbers(stream.split("history").split(sequence).split(part), last[sequence] * widths[part]);
                }
            }
            this.truth = new AttentionTruth(kind, kvB.real(), history);
        }

        private double[] numbers(RandomStream source, int count) {
            double[] values = new double[count];
            for (int index = 0; index < count; index++) {
                values[index] = HostTensor.format(dtype).round(source.normal());
            }
            return values;
        }

        Scenario scenario() {
            GraphBuilder builder = new GraphBuilder("attention");
            Map<String, StoredWeight> weights = new HashMap<>();
            switch (kind) {
                case AttentionKind.Mla _ -> {
                    weights.put("kv_b", kvB);
                    AttentionKind.build(builder, kind, dtype, pageSize, builder.weight("kv_b", kvB.type()));
                }
                case AttentionKind.Gqa _ -> AttentionKind.build(builder, kind, dtype, pageSize);
            }
            List<Scenario.Step> steps = new ArrayList<>();
            for (int step = 0; step < timeline.steps(); step++) {
                steps.add(step(step));
            }
            return new Scenario(builder.build(), weights, steps, this::judge, Degeneracy.of(), true);
        }

        private Scenario.Step step(int step) {
            Timeline.Rows rows = timeline.rows(step);
            int tokens = rows.count();
            double[] q = numbers(stream.split("q").split(step), tokens * kind.queryWidth());
            queriesOfStep.add(q);
            Map<String, HostTensor> inputs = timeline.inputs(step);
            inputs.put("q", HostTensor.floats(dtype, new int[] {tokens, kind.queryWidth()}, q));
            int[] widths = kind.partWidths();
            for (int part = 0; part < widths.length; part++) {
                int width = widths[part];
                double[] values = new double[tokens * width];
                for (int row = 0; row < tokens; row++) {
                    int position = rows.positions()[row];
                    if (position < 0) {
                        Arrays.fill(values, row * width, (row + 1) * width, Double.NaN);
                    } else {
                        double[] own = truth.history()[rows.sequences()[row]][part];
                        System.arraycopy(own, position * width, values, row * width, width);
                    }
                }
                inputs.put("part" + part, HostTensor.floats(dtype, new int[] {tokens, width}, values));
            }
            return new Scenario.Step(timeline.dims(step, false), rows.batch(), inputs, null);
        }

        private List<Check> judge(int step, Map<String, HostTensor> outputs, NumericsProfile profile) {
            HostTensor got = Checks.output(outputs, "y");
            AttentionBound.Arithmetic arithmetic =
                    AttentionBound.Arithmetic.of(profile, got, kind instanceof AttentionKind.Mla);
            Timeline.Rows rows = timeline.rows(step);
            double[] exact = new double[rows.count() * kind.valueWidth()];
            double[] limits = new double[exact.length];
            for (int row = 0; row < rows.count(); row++) {
                int position = rows.positions()[row];
                if (position >= 0) {
                    AttentionTruth.Row from =
                            new AttentionTruth.Row(queriesOfStep.get(step), row, rows.sequences()[row], position + 1);
                    truth.attend(arithmetic, from, exact, limits);
                }
            }
            return List.of(Checks.within("y", got, exact, new IntervalBound(Formula.F8, limits)));
        }
    }
}
