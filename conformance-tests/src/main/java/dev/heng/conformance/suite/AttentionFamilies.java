package dev.heng.conformance.suite;

import dev.heng.conformance.bound.Formula;
import dev.heng.conformance.fill.Degeneracy;
import dev.heng.conformance.fill.MatrixFill;
import dev.heng.conformance.random.RandomStream;
import dev.heng.spi.BackendException;
import dev.heng.spi.Batch;
import dev.heng.spi.NumericsProfile;
import dev.heng.spi.graph.GraphBuilder;
import dev.heng.spi.graph.Op;
import dev.heng.spi.graph.Value;
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

    private static final int PAGE_SIZE = 4;
    private static final List<DType> TYPES = List.of(DType.F32, DType.BF16, DType.F16);

    private final CaseList cases;

    private AttentionFamilies(CaseList cases) {
        this.cases = cases;
    }

    /** Lengths that sequences reach in each step: steps x sequences. */
    @SuppressWarnings("ArrayRecordComponent") // A table of this class; never compared.
    private record Plan(String name, Level level, int[][] lengths, boolean padded) {}

    private static final List<Plan> PLANS = List.of(
            new Plan("one-token", Level.SMOKE, new int[][] {{1}}, false),
            new Plan("page-minus-one", Level.SMOKE, new int[][] {{PAGE_SIZE - 1}}, false),
            new Plan("page", Level.SMOKE, new int[][] {{PAGE_SIZE}}, false),
            new Plan("page-plus-one", Level.SMOKE, new int[][] {{PAGE_SIZE + 1}}, false),
            new Plan("nothing-then-decode", Level.SMOKE, new int[][] {{3, 6}, {3, 6}, {4, 7}}, false),
            new Plan("chunks-and-padding", Level.SMOKE, new int[][] {{5, 0, 2}, {9, 3, 2}, {10, 4, 3}}, true),
            new Plan("long", Level.REQUIRED, new int[][] {{63, 17}, {64, 18}, {65, 130}}, true));

    static void addTo(CaseList cases) {
        AttentionFamilies families = new AttentionFamilies(cases);
        for (DType dtype : TYPES) {
            for (Plan plan : PLANS) {
                families.add(dtype, plan, new Mla(2, 6, 4, 5, 8, Quantization.NONE), "MLA");
                families.add(dtype, plan, new Gqa(6, 2, 8, 5), "GQA");
                families.add(dtype, plan, new Gqa(3, 3, 5, 8), "GQA");
            }
        }
        Plan decode = PLANS.get(5);
        families.add(
                DType.BF16, decode, new Mla(3, 7, 4, 6, 136, new Quantization.Fp8Blocks(128, 128, DType.F32)), "MLA");
        families.add(DType.BF16, decode, new Mla(2, 4, 2, 4, 16, new Quantization.Int8Channels(DType.BF16)), "MLA");
        families.add(
                DType.BF16, decode, new Mla(2, 4, 2, 4, 32, new Quantization.Int4Groups(32, DType.BF16, false)), "MLA");
        families.outOfRange();
    }

    /** What differs between the two kinds of attention. */
    private sealed interface Kind permits Mla, Gqa {
        int queryWidth();

        /** Widths of the parts that are appended, in order. */
        int[] partWidths();

        int valueWidth();
    }

    private record Mla(int heads, int nope, int rope, int value, int latent, Quantization quantization)
            implements Kind {
        @Override
        public int queryWidth() {
            return heads * (nope + rope);
        }

        @Override
        public int[] partWidths() {
            return new int[] {latent, rope};
        }

        @Override
        public int valueWidth() {
            return heads * value;
        }

        TensorType kvB(DType plain) {
            DType dtype = switch (quantization) {
                case Quantization.None _ -> plain;
                case Quantization.Fp8Blocks _ -> DType.F8_E4M3;
                case Quantization.Int8Channels _ -> DType.I8;
                case Quantization.Int4Groups _ -> DType.I4;
            };
            return new TensorType(dtype, Shape.of((long) heads * (nope + value), latent), quantization);
        }

        double scale() {
            return 1.75 / Math.sqrt(nope + rope);
        }

        @Override
        public String toString() {
            return "heads=" + heads + ",nope=" + nope + ",rope=" + rope + ",value=" + value + ",latent=" + latent + ","
                    + quantization.toString().replace(' ', '-');
        }
    }

    private record Gqa(int heads, int kvHeads, int headDim, int value) implements Kind {
        @Override
        public int queryWidth() {
            return heads * headDim;
        }

        @Override
        public int[] partWidths() {
            return new int[] {kvHeads * headDim, kvHeads * value};
        }

        @Override
        public int valueWidth() {
            return heads * value;
        }

        double scale() {
            return 1.25 / Math.sqrt(headDim);
        }

        @Override
        public String toString() {
            return "heads=" + heads + ",kv=" + kvHeads + ",dim=" + headDim + ",value=" + value;
        }
    }

    private void add(DType dtype, Plan plan, Kind kind, String prefix) {
        List<String> rules = prefix.equals("MLA")
                ? List.of(
                        "MLA-001", "MLA-002", "MLA-003", "MLA-004", "MLA-005", "MLA-006", "MLA-007", "MLA-008",
                        "KV-001", "KV-002", "KV-003", "RUN-007")
                : List.of(
                        "GQA-001", "GQA-002", "GQA-003", "MLA-004", "MLA-005", "KV-001", "KV-002", "KV-003", "RUN-007");
        String op = prefix.equals("MLA") ? "MlaAttention" : "GroupedQueryAttention";
        cases.add(
                plan.level(),
                op,
                ElementFamilies.name(dtype),
                rules,
                "attendsToOwnPagesOnly",
                ElementFamilies.name(dtype) + "/" + plan.name() + "/" + kind,
                (id, seed) -> new Build(id, seed, dtype, plan, kind).scenario());
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
                        Gqa kind = new Gqa(1, 1, 4, 4);
                        Value[] none = new Value[0];
                        GraphBuilder builder = new GraphBuilder("append");
                        build(builder, kind, DType.F32, none);
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

    private static void build(GraphBuilder builder, Kind kind, DType dtype, Value... kvB) {
        Dim tokens = Dim.of(Dim.TOKENS);
        Value q = builder.input("q", TensorType.of(dtype, tokens, Dim.of(kind.queryWidth())));
        int[] widths = kind.partWidths();
        List<Value> parts = new ArrayList<>();
        for (int part = 0; part < widths.length; part++) {
            parts.add(builder.input("part" + part, TensorType.of(dtype, tokens, Dim.of(widths[part]))));
        }
        GraphBuilder.Paging paging = new GraphBuilder.Paging(
                builder.input("positions", TensorType.of(DType.I32, tokens)),
                builder.input("sequences", TensorType.of(DType.I32, tokens)),
                builder.input(
                        "page_table", TensorType.of(DType.I32, Dim.of(Dim.SEQUENCES), Dim.of(Dim.PAGES_PER_SEQUENCE))));
        Value result = switch (kind) {
            case Mla mla -> {
                Value cache = builder.cache("latent_cache", dtype, PAGE_SIZE, mla.latent() + mla.rope());
                Value appended = builder.kvAppend("append", cache, parts, paging);
                yield builder.mlaAttention(
                        "attention",
                        new Op.MlaAttention(mla.heads(), mla.nope(), mla.rope(), mla.value(), mla.scale(), dtype),
                        q,
                        appended,
                        kvB[0],
                        paging);
            }
            case Gqa gqa -> {
                Value keys = builder.kvAppend(
                        "append_keys",
                        builder.cache("key_cache", dtype, PAGE_SIZE, widths[0]),
                        parts.subList(0, 1),
                        paging);
                Value values = builder.kvAppend(
                        "append_values",
                        builder.cache("value_cache", dtype, PAGE_SIZE, widths[1]),
                        parts.subList(1, 2),
                        paging);
                yield builder.groupedQueryAttention(
                        "attention",
                        new Op.GroupedQueryAttention(
                                gqa.heads(), gqa.kvHeads(), gqa.headDim(), gqa.value(), gqa.scale(), dtype),
                        q,
                        keys,
                        values,
                        paging);
            }
        };
        builder.output("y", result);
    }

    /** One scenario while it is made. */
    private static final class Build {
        private final DType dtype;
        private final Plan plan;
        private final Kind kind;
        private final RandomStream stream;
        private final StoredWeight kvB;
        /** By sequence: all rows that its cache will ever hold, by part. */
        private final double[][][] history;

        private final int sequences;
        private final int entries;
        private final int pages;
        private final int[] table;
        private final List<int[]> positionsOfStep = new ArrayList<>();
        private final List<int[]> sequencesOfStep = new ArrayList<>();
        private final List<double[]> queriesOfStep = new ArrayList<>();

        Build(String id, long seed, DType dtype, Plan plan, Kind kind) {
            this.dtype = dtype;
            this.plan = plan;
            this.kind = kind;
            this.stream = RandomStream.of(id, seed, "attention");
            this.sequences = plan.lengths()[0].length;
            int[] last = plan.lengths()[plan.lengths().length - 1];
            this.entries = Math.ceilDiv(Arrays.stream(last).max().orElse(1), PAGE_SIZE) + 1;
            this.pages = sequences * entries + 2;
            int[] order = stream.split("pages").permutation(pages);
            this.table = new int[sequences * entries];
            for (int sequence = 0; sequence < sequences; sequence++) {
                for (int entry = 0; entry < entries; entry++) {
                    boolean needed = entry * PAGE_SIZE < last[sequence];
                    // Entries that no position needs may hold anything (KV-002).
                    table[sequence * entries + entry] = needed ? order[sequence * entries + entry] : 0x7ffffff0;
                }
            }
            this.kvB = kind instanceof Mla mla
                    ? StoredWeight.draw(
                            stream.split("kvB"), mla.kvB(dtype), MatrixFill.NORMAL, StoredWeight.Scales.ALIKE)
                    : StoredWeight.plain(TensorType.of(DType.F32, Shape.of(1)), 0);
            int[] widths = kind.partWidths();
            this.history = new double[sequences][widths.length][];
            for (int sequence = 0; sequence < sequences; sequence++) {
                for (int part = 0; part < widths.length; part++) {
                    history[sequence][part] =
                            numbers(stream.split("history").split(sequence).split(part), last[sequence] * widths[part]);
                }
            }
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
            if (kind instanceof Mla) {
                weights.put("kv_b", kvB);
                build(builder, kind, dtype, builder.weight("kv_b", kvB.type()));
            } else {
                build(builder, kind, dtype);
            }
            List<Scenario.Step> steps = new ArrayList<>();
            int[] before = new int[sequences];
            for (int step = 0; step < plan.lengths().length; step++) {
                steps.add(step(step, before, plan.lengths()[step]));
                before = plan.lengths()[step];
            }
            return new Scenario(builder.build(), weights, steps, this::judge, Degeneracy.of(), true);
        }

        private Scenario.Step step(int step, int[] before, int[] after) {
            List<Integer> positions = new ArrayList<>();
            List<Integer> owners = new ArrayList<>();
            List<Batch.Span> spans = new ArrayList<>();
            for (int sequence = 0; sequence < sequences; sequence++) {
                if (plan.padded()) {
                    positions.add(-1);
                    owners.add(-77);
                }
                for (int position = before[sequence]; position < after[sequence]; position++) {
                    positions.add(position);
                    owners.add(sequence);
                }
                if (after[sequence] > before[sequence]) {
                    spans.add(new Batch.Span(sequence, after[sequence] - before[sequence], before[sequence]));
                }
            }
            int tokens = positions.size();
            int[] at = positions.stream().mapToInt(Integer::intValue).toArray();
            int[] owner = owners.stream().mapToInt(Integer::intValue).toArray();
            double[] q = numbers(stream.split("q").split(step), tokens * kind.queryWidth());
            positionsOfStep.add(at);
            sequencesOfStep.add(owner);
            queriesOfStep.add(q);
            Map<String, HostTensor> inputs = new HashMap<>();
            inputs.put("q", HostTensor.floats(dtype, new int[] {tokens, kind.queryWidth()}, q));
            int[] widths = kind.partWidths();
            for (int part = 0; part < widths.length; part++) {
                double[] rows = new double[tokens * widths[part]];
                for (int row = 0; row < tokens; row++) {
                    if (at[row] < 0) {
                        Arrays.fill(rows, row * widths[part], (row + 1) * widths[part], Double.NaN);
                    } else {
                        System.arraycopy(
                                history[owner[row]][part],
                                at[row] * widths[part],
                                rows,
                                row * widths[part],
                                widths[part]);
                    }
                }
                inputs.put("part" + part, HostTensor.floats(dtype, new int[] {tokens, widths[part]}, rows));
            }
            inputs.put("positions", HostTensor.ints(new int[] {tokens}, at));
            inputs.put("sequences", HostTensor.ints(new int[] {tokens}, owner));
            inputs.put("page_table", HostTensor.ints(new int[] {sequences, entries}, table));
            Map<String, Long> dims = Map.of(
                    Dim.TOKENS,
                    (long) tokens,
                    Dim.SEQUENCES,
                    (long) sequences,
                    Dim.PAGES,
                    (long) pages,
                    Dim.PAGES_PER_SEQUENCE,
                    (long) entries);
            return new Scenario.Step(dims, new Batch(spans), inputs, null);
        }

        private List<Check> judge(int step, Map<String, HostTensor> outputs, NumericsProfile profile) {
            HostTensor got = Checks.output(outputs, "y");
            AttentionBound.Arithmetic arithmetic = AttentionBound.Arithmetic.of(profile, got);
            int[] positions = positionsOfStep.get(step);
            double[] exact = new double[positions.length * kind.valueWidth()];
            double[] limits = new double[exact.length];
            for (int row = 0; row < positions.length; row++) {
                if (positions[row] < 0) {
                    continue;
                }
                int sequence = sequencesOfStep.get(step)[row];
                switch (kind) {
                    case Mla mla -> mla(mla, arithmetic, step, row, sequence, positions[row] + 1, exact, limits);
                    case Gqa gqa -> gqa(gqa, arithmetic, step, row, sequence, positions[row] + 1, exact, limits);
                }
            }
            return List.of(Checks.within("y", got, exact, new IntervalBound(Formula.F8, limits)));
        }

        private void mla(
                Mla mla,
                AttentionBound.Arithmetic arithmetic,
                int step,
                int row,
                int sequence,
                int slots,
                double[] exact,
                double[] limits) {
            double[] latents = history[sequence][0];
            double[] ropes = history[sequence][1];
            double[] q = queriesOfStep.get(step);
            for (int head = 0; head < mla.heads(); head++) {
                AttentionBound.Head one = new AttentionBound.Head(slots, mla.value());
                int query = row * mla.queryWidth() + head * (mla.nope() + mla.rope());
                int weights = head * (mla.nope() + mla.value()) * mla.latent();
                for (int slot = 0; slot < slots; slot++) {
                    double sum = 0;
                    double magnitude = 0;
                    for (int d = 0; d < mla.nope(); d++) {
                        for (int l = 0; l < mla.latent(); l++) {
                            double product = q[query + d]
                                    * kvB.real()[weights + d * mla.latent() + l]
                                    * latents[slot * mla.latent() + l];
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
                            double product = kvB.real()[weights + (mla.nope() + v) * mla.latent() + l]
                                    * latents[slot * mla.latent() + l];
                            value += product;
                            spread += Math.abs(product);
                        }
                        one.value[slot * mla.value() + v] = value;
                        one.valueError[slot * mla.value() + v] = arithmetic.worst(mla.latent(), spread)
                                + arithmetic.worst(slots, spread)
                                + 3 * arithmetic.cut() * spread;
                    }
                }
                one.finish(arithmetic, exact, limits, row * mla.valueWidth() + head * mla.value());
            }
        }

        private void gqa(
                Gqa gqa,
                AttentionBound.Arithmetic arithmetic,
                int step,
                int row,
                int sequence,
                int slots,
                double[] exact,
                double[] limits) {
            double[] keys = history[sequence][0];
            double[] values = history[sequence][1];
            double[] q = queriesOfStep.get(step);
            for (int head = 0; head < gqa.heads(); head++) {
                int shared = head / (gqa.heads() / gqa.kvHeads());
                AttentionBound.Head one = new AttentionBound.Head(slots, gqa.value());
                for (int slot = 0; slot < slots; slot++) {
                    double sum = 0;
                    double magnitude = 0;
                    for (int d = 0; d < gqa.headDim(); d++) {
                        double product = q[row * gqa.queryWidth() + head * gqa.headDim() + d]
                                * keys[(slot * gqa.kvHeads() + shared) * gqa.headDim() + d];
                        sum += product;
                        magnitude += Math.abs(product);
                    }
                    one.score[slot] = gqa.scale() * sum;
                    one.scoreError[slot] = gqa.scale()
                            * (arithmetic.worst(gqa.headDim(), magnitude) + 2 * arithmetic.cut() * magnitude);
                    for (int v = 0; v < gqa.value(); v++) {
                        double value = values[(slot * gqa.kvHeads() + shared) * gqa.value() + v];
                        one.value[slot * gqa.value() + v] = value;
                        one.valueError[slot * gqa.value() + v] = arithmetic.cut() * Math.abs(value);
                    }
                }
                one.finish(arithmetic, exact, limits, row * gqa.valueWidth() + head * gqa.value());
            }
        }
    }
}
