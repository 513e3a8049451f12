package dev.heng.conformance.suite;

import dev.heng.conformance.bound.Formula;
import dev.heng.conformance.random.RandomStream;
import dev.heng.spi.graph.GraphBuilder;
import dev.heng.spi.graph.Node;
import dev.heng.spi.graph.Op;
import dev.heng.spi.graph.Value;
import dev.heng.spi.tensor.DType;
import dev.heng.spi.tensor.Dim;
import dev.heng.spi.tensor.Shape;
import dev.heng.spi.tensor.TensorType;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.function.IntFunction;

/**
 * Experiments with groups of two to four ranks: sums with the same bits on every rank, rows that go to the rank of their expert and come back,
 * and the experts of a layer shared out among ranks, held against what one rank may give. Ranks begin each round at different times.
 */
final class RankExperiments {

    private static final int WIDTH = 7;
    private static final int ROUNDS = 6;

    private RankExperiments() {}

    static void addTo(CaseList cases) {
        for (int size : new int[] {2, 3, 4}) {
            Level level = size == 4 ? Level.REQUIRED : Level.SMOKE;
            for (DType dtype : Tensors.ACTIVATIONS) {
                add(
                        cases,
                        level,
                        "AllReduce",
                        Tensors.name(dtype),
                        List.of("COMM-001", "FORMAT-003"),
                        "sumsAlikeOnEveryRank",
                        Tensors.name(dtype) + "/ranks=" + size,
                        (id, seed, ranks) -> allReduce(id, seed, ranks, dtype));
            }
            add(
                    cases,
                    level,
                    "AllToAll",
                    "bf16",
                    List.of("COMM-002", "FORMAT-010"),
                    "sendsRowsToTheirExperts",
                    "ranks=" + size,
                    RankExperiments::allToAll);
            add(
                    cases,
                    level,
                    "AllToAllReturn",
                    "bf16",
                    List.of("COMM-003", "COMM-002"),
                    "bringsEveryRowBackToItsRank",
                    "ranks=" + size,
                    RankExperiments::roundTrip);
        }
        for (int size : new int[] {2, 4}) {
            for (DType dtype : List.of(DType.BF16, DType.F32)) {
                add(
                        cases,
                        size == 4 || dtype == DType.F32 ? Level.REQUIRED : Level.SMOKE,
                        "MoeLayer",
                        Tensors.name(dtype),
                        List.of("COMM-002", "COMM-003", "DISPATCH-001", "GROUPED-001", "COMBINE-001"),
                        "sharesExpertsAmongRanks",
                        Tensors.name(dtype) + "/ranks=" + size,
                        (id, seed, ranks) -> experts(id, seed, ranks, dtype));
            }
        }
    }

    /** One experiment with a group. */
    @FunctionalInterface
    private interface Trial {
        Experiment.Finding conduct(String id, long seed, Ranks ranks);
    }

    private static void add(
            CaseList cases,
            Level level,
            String op,
            String dtype,
            List<String> rules,
            String title,
            String variant,
            Trial trial) {
        int size = variant.charAt(variant.length() - 1) - '0';
        cases.experiment(level, op, dtype, rules, title, variant, (id, seed, bench) -> {
            try (Ranks ranks = Ranks.open(bench.rank(), size)) {
                return trial.conduct(id, seed, ranks);
            }
        });
    }

    /**
     * Runs the scenario of each rank several times, ranks beginning in turns late, and notes where rounds differ in what a rule fixes.
     *
     * @return the outputs of each rank's first round
     */
    private static List<Map<String, HostTensor>> run(Ranks ranks, IntFunction<Scenario> scenarios, Notes notes) {
        List<List<Map<String, HostTensor>>> rounds = ranks.all(member -> {
            Scenario own = scenarios.apply(member.number());
            List<Map<String, HostTensor>> outputs = new ArrayList<>();
            try (Session session = Session.open(member.backend(), own)) {
                for (int round = 0; round < ROUNDS; round++) {
                    session.write(0);
                    if (round % ranks.size() == member.number()) {
                        Thread.sleep(2);
                    }
                    session.run(0);
                    outputs.add(session.read(0));
                }
            }
            return outputs;
        });
        notes.observed.add(ROUNDS + " rounds of " + ranks.size() + " ranks " + ranks.way());
        for (int rank = 0; rank < ranks.size(); rank++) {
            List<Map<String, HostTensor>> own = rounds.get(rank);
            Scenario scenario = scenarios.apply(rank);
            for (int round = 0; round < ROUNDS; round++) {
                for (Check check : scenario.judge()
                        .judge(
                                0,
                                own.get(round),
                                ranks.members().get(rank).backend().numerics())) {
                    notes.checks.add(new Check(
                            "rank " + rank + ", round " + round + ": " + check.what(),
                            check.verdict(),
                            check.emptyIsRight()));
                }
            }
        }
        return rounds.stream().map(List::getFirst).toList();
    }

    /** Returns why a rank cannot run its scenario, or nothing. */
    private static String refusal(Ranks ranks, IntFunction<Scenario> scenarios) {
        List<String> refusals =
                ranks.all(member -> Session.refusal(member.backend(), scenarios.apply(member.number())));
        return String.join("", refusals);
    }

    private static Experiment.Finding judged(Ranks ranks, IntFunction<Scenario> scenarios) {
        String refusal = refusal(ranks, scenarios);
        if (!refusal.isEmpty()) {
            return Experiment.Finding.declined(refusal);
        }
        Notes notes = new Notes();
        run(ranks, scenarios, notes);
        return notes.finding();
    }

    private static Experiment.Finding allReduce(String id, long seed, Ranks ranks, DType dtype) {
        int tokens = 17;
        List<HostTensor> inputs = new ArrayList<>();
        double[] exact = new double[tokens * WIDTH];
        double[] magnitudes = new double[exact.length];
        for (int rank = 0; rank < ranks.size(); rank++) {
            double[] values = Tensors.normal(
                            RandomStream.of(id, seed, "x").split(rank), dtype, tokens, WIDTH, 1 << (2 * rank))
                    .doubles();
            // A NaN and an infinity of one rank reach all; what cancels over ranks is zero, not what came before.
            values[0] = rank == 1 ? Double.NaN : 1;
            values[1] = rank == 0 ? Double.NEGATIVE_INFINITY : 2;
            values[2] = rank == 0 ? 3 : rank == 1 ? -3 : 0;
            HostTensor x = HostTensor.floats(dtype, new int[] {tokens, WIDTH}, values);
            inputs.add(x);
            double[] stored = x.doubles();
            for (int index = 0; index < exact.length; index++) {
                exact[index] += stored[index];
                magnitudes[index] += Math.abs(stored[index]);
            }
        }
        IntFunction<Scenario> scenarios = rank -> {
            GraphBuilder builder = new GraphBuilder("all-reduce");
            builder.output(
                    "y", builder.allReduce("reduce", builder.input("x", Tensors.rows(dtype, WIDTH)), ranks.size()));
            return Scenario.of(
                    builder.build(),
                    Map.of(),
                    Tensors.tokens(tokens),
                    Map.of("x", inputs.get(rank)),
                    (_, outputs, _) -> {
                        HostTensor got = Checks.output(outputs, "y");
                        double[] limits = new double[exact.length];
                        for (int index = 0; index < limits.length; index++) {
                            // COMM-001 itself asks for F32 or better: one rounding for each rank.
                            limits[index] = Double.isFinite(exact[index])
                                    ? Checks.outputRounding(got, exact[index])
                                            + 1.01 * ranks.size() * 0x1p-24 * magnitudes[index]
                                    : 0;
                        }
                        return List.of(Checks.within("y", got, exact, new IntervalBound(Formula.F8, limits)));
                    });
        };
        String refusal = refusal(ranks, scenarios);
        if (!refusal.isEmpty()) {
            return Experiment.Finding.declined(refusal);
        }
        Notes notes = new Notes();
        List<Map<String, HostTensor>> outputs = run(ranks, scenarios, notes);
        HostTensor first = Checks.output(outputs.getFirst(), "y");
        for (int rank = 1; rank < ranks.size(); rank++) {
            HostTensor other = Checks.output(outputs.get(rank), "y");
            int at = Arrays.mismatch(first.bytes(), other.bytes());
            if (at >= 0) {
                notes.breaches.add("rank " + rank + " has other bits than rank 0, from byte " + at + " on");
            }
        }
        return notes.finding();
    }

    /** Rows by rank and global expert, none for some experts and, in one rank, none at all. */
    private static int[][] loads(String id, long seed, int ranks, int localExperts) {
        RandomStream stream = RandomStream.of(id, seed, "loads");
        int[][] loads = new int[ranks][ranks * localExperts];
        for (int rank = 0; rank < ranks - 1; rank++) {
            for (int expert = 0; expert < loads[rank].length; expert++) {
                loads[rank][expert] = stream.nextInt(3) == 0 ? 0 : 1 + stream.nextInt(4);
            }
            // Somebody has rows for the last expert of the last rank, and for the first.
            loads[rank][0] = 1;
            loads[rank][loads[rank].length - 1] = 2;
        }
        return loads;
    }

    private static final int LOCAL_EXPERTS = 3;

    /** What goes through one exchange: each rank's rows, of which every element names rank and row. */
    @SuppressWarnings("ArrayRecordComponent") // Data of one experiment, never compared.
    private record Traffic(int[][] loads, int capacity, List<HostTensor> rows) {

        static Traffic of(String id, long seed, int ranks) {
            int[][] loads = RankExperiments.loads(id, seed, ranks, LOCAL_EXPERTS);
            int most = Arrays.stream(loads)
                    .mapToInt(load -> Arrays.stream(load).sum())
                    .max()
                    .orElse(0);
            // Two rows more than any rank has, which nobody may need.
            int capacity = most + 2;
            List<HostTensor> rows = new ArrayList<>();
            for (int rank = 0; rank < ranks; rank++) {
                double[] values = new double[capacity * WIDTH];
                Arrays.fill(values, Double.NaN);
                int used = Arrays.stream(loads[rank]).sum();
                for (int index = 0; index < used * WIDTH; index++) {
                    // Exact in BF16, whose significand has 8 bits.
                    values[index] =
                            (index % WIDTH == 0 ? rank + 1 : 1 + index / WIDTH % 100) * (index % 2 == 0 ? 1 : -1);
                }
                rows.add(HostTensor.floats(DType.BF16, new int[] {capacity, WIDTH}, values));
            }
            return new Traffic(loads, capacity, rows);
        }

        int[] offsets(int rank) {
            int[] offsets = new int[loads[rank].length + 1];
            for (int expert = 0; expert < loads[rank].length; expert++) {
                offsets[expert + 1] = offsets[expert] + loads[rank][expert];
            }
            return offsets;
        }

        Map<String, HostTensor> inputs(int rank) {
            int[] offsets = offsets(rank);
            return Map.of("x", rows.get(rank), "offsets", HostTensor.ints(new int[] {offsets.length}, offsets));
        }

        /** Returns the rows that a rank receives: by local expert, then source rank, then source order (COMM-002). */
        HostTensor received(int rank) {
            List<long[]> arrived = new ArrayList<>();
            for (int expert = rank * LOCAL_EXPERTS; expert < (rank + 1) * LOCAL_EXPERTS; expert++) {
                for (int source = 0; source < loads.length; source++) {
                    long[] bits = rows.get(source).bits();
                    for (int row = offsets(source)[expert]; row < offsets(source)[expert + 1]; row++) {
                        arrived.add(Arrays.copyOfRange(bits, row * WIDTH, (row + 1) * WIDTH));
                    }
                }
            }
            long[] bits = arrived.stream().flatMapToLong(Arrays::stream).toArray();
            return new HostTensor(DType.BF16, new int[] {arrived.size(), WIDTH}, new byte[0]).withBits(bits);
        }

        int[] receipt(int rank) {
            int[] receipt = new int[loads.length * LOCAL_EXPERTS];
            Arrays.setAll(receipt, index -> loads[index / LOCAL_EXPERTS][rank * LOCAL_EXPERTS + index % LOCAL_EXPERTS]);
            return receipt;
        }

        int[] receivedOffsets(int rank) {
            int[] offsets = new int[LOCAL_EXPERTS + 1];
            for (int expert = 0; expert < LOCAL_EXPERTS; expert++) {
                offsets[expert + 1] = offsets[expert];
                for (int[] load : loads) {
                    offsets[expert + 1] += load[rank * LOCAL_EXPERTS + expert];
                }
            }
            return offsets;
        }
    }

    private static Node exchange(GraphBuilder builder, int ranks) {
        Value x = builder.input("x", Tensors.rows(DType.BF16, WIDTH));
        Value offsets = builder.input("offsets", TensorType.of(DType.I32, Shape.of((long) ranks * LOCAL_EXPERTS + 1)));
        return builder.add("all_to_all", new Op.AllToAll(ranks, LOCAL_EXPERTS), x, offsets);
    }

    private static Experiment.Finding allToAll(String id, long seed, Ranks ranks) {
        Traffic traffic = Traffic.of(id, seed, ranks.size());
        return judged(ranks, rank -> {
            GraphBuilder builder = new GraphBuilder("all-to-all");
            Node node = exchange(builder, ranks.size());
            builder.output("received", node.results().get(0));
            builder.output("received_offsets", node.results().get(1));
            builder.output("receipt", node.results().get(2));
            HostTensor rows = traffic.received(rank);
            int[] offsets = traffic.receivedOffsets(rank);
            return Scenario.of(
                            builder.build(),
                            Map.of(),
                            Map.of(Dim.TOKENS, (long) traffic.capacity()),
                            traffic.inputs(rank),
                            (_, outputs, _) -> List.of(
                                    Checks.bits("rows", head(outputs, "received", rows.shape()[0]), rows),
                                    Checks.bits(
                                            "offsets",
                                            Checks.output(outputs, "received_offsets"),
                                            HostTensor.ints(new int[] {offsets.length}, offsets)),
                                    Checks.bits(
                                            "receipt",
                                            Checks.output(outputs, "receipt"),
                                            HostTensor.ints(
                                                    new int[] {ranks.size(), LOCAL_EXPERTS}, traffic.receipt(rank)))))
                    .partlySpecified();
        });
    }

    private static Experiment.Finding roundTrip(String id, long seed, Ranks ranks) {
        Traffic traffic = Traffic.of(id, seed, ranks.size());
        return judged(ranks, rank -> {
            GraphBuilder builder = new GraphBuilder("all-to-all-return");
            Node sent = exchange(builder, ranks.size());
            Value received = sent.results().get(0);
            // What became of a row: twice itself, so that a result taken from before the exchange shows.
            Value worked = builder.plus("work", received, received);
            Node back = builder.add(
                    "return",
                    new Op.AllToAllReturn(ranks.size(), LOCAL_EXPERTS),
                    worked,
                    sent.results().get(2),
                    sent.operands().get(1));
            builder.output("y", back.results().getFirst());
            int used = Arrays.stream(traffic.loads()[rank]).sum();
            double[] doubled = head(traffic.inputs(rank), "x", used).doubles();
            for (int index = 0; index < doubled.length; index++) {
                doubled[index] *= 2;
            }
            return Scenario.of(
                            builder.build(),
                            Map.of(),
                            Map.of(Dim.TOKENS, (long) traffic.capacity()),
                            traffic.inputs(rank),
                            (_, outputs, _) -> List.of(Checks.rounded("y", head(outputs, "y", used), doubled)))
                    .partlySpecified();
        });
    }

    private static HostTensor head(Map<String, HostTensor> tensors, String name, int rows) {
        HostTensor whole = Checks.output(tensors, name);
        return new HostTensor(
                whole.dtype(),
                new int[] {rows, WIDTH},
                Arrays.copyOf(whole.bytes(), rows * WIDTH * whole.dtype().bits() / 8));
    }

    /** Each rank has tokens of its own and a share of the experts. */
    private static Experiment.Finding experts(String id, long seed, Ranks ranks, DType dtype) {
        List<Scenario> scenarios = new ArrayList<>();
        for (int rank = 0; rank < ranks.size(); rank++) {
            // One seed for all weights, and tokens by rank.
            Scenario whole = ChainFamilies.expertsChain(id, seed, rank, ModelShape.deepSeekV3(), dtype, 7);
            scenarios.add(ExpertParallel.of(whole, rank, ranks.size()));
        }
        return judged(ranks, scenarios::get);
    }
}
