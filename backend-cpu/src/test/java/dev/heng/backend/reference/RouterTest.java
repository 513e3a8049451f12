package dev.heng.backend.reference;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.heng.spi.graph.GraphBuilder;
import dev.heng.spi.graph.Op;
import dev.heng.spi.graph.Op.Route.GroupScore;
import dev.heng.spi.graph.Op.Route.Masked;
import dev.heng.spi.graph.Op.Route.Score;
import dev.heng.spi.graph.Value;
import dev.heng.spi.tensor.DType;
import dev.heng.spi.tensor.Dim;
import dev.heng.spi.tensor.TensorType;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.EnumSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.SplittableRandom;
import java.util.function.DoubleSupplier;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;

/** ROUTE: cases by hand, and the 22 faults of known routers, each of which must be told from the oracle. */
class RouterTest {

    /** What routers are known to get wrong; NONE is the rule itself, UNSORTED a legal change that must not be flagged. */
    enum Fault {
        NONE,
        UNSORTED,
        W_BIASED,
        RECOVER_SUB,
        NO_BIAS,
        BIAS_BF16,
        LOGITS_BF16,
        MASK_ZERO,
        GROUP_MAX,
        GROUP_UNBIASED,
        NO_GROUPS,
        NO_EPS,
        CLAMP_6E_5,
        NO_NORM,
        NORM_ALL,
        NO_SCALE,
        SCALE_TWICE,
        SCALE_ONLY_IF_NORM,
        TIE_HIGH,
        PAIR_REVERSED,
        TOKEN_ROT,
        TOPK_PER_TOKEN_0,
        DROP_LAST_EXPERT,
        SOFTMAX
    }

    private static final int E = 256;
    private static final int GROUPS = 8;
    private static final int KEPT = 4;
    private static final int K = 8;
    private static final double FACTOR = 2.5;

    @SuppressWarnings("ArrayRecordComponent") // Read here, never compared.
    private record Fill(int number, double[][] logits, double[] bias, boolean normalize) {}

    @SuppressWarnings("ArrayRecordComponent") // Read here, never compared.
    private record Routing(int[][] ids, double[][] weights) {}

    @Test
    void theOracleFollowsTheRuleAndEveryFaultIsSeen() {
        Set<Fault> seen = EnumSet.noneOf(Fault.class);
        for (Fill fill : fills()) {
            Op.Route op = new Op.Route(
                    E,
                    K,
                    Score.SIGMOID,
                    GROUPS,
                    KEPT,
                    GroupScore.TOP_TWO_SUM,
                    Masked.NEGATIVE_INFINITY,
                    fill.normalize(),
                    FACTOR);
            Routing oracle = route(op, DType.F32, fill.logits(), fill.bias());
            for (Fault fault : Fault.values()) {
                if (differs(oracle, faulty(fault, fill))) {
                    seen.add(fault);
                }
            }
            assertFalse(seen.contains(Fault.NONE), "the oracle differs from the rule under fill " + fill.number());
            assertFalse(seen.contains(Fault.UNSORTED), "order alone is flagged under fill " + fill.number());
        }
        assertEquals(EnumSet.range(Fault.W_BIASED, Fault.SOFTMAX), seen);
    }

    @Test
    void softmaxWithGroupMaximumAndZeroMaskRoutesAsV2() {
        // Groups {0,1} {2,3} {4,5}; maxima 0.4, 0.3, 0.2 in proportion, so groups 0 and 1 are kept.
        double[] logits = {Math.log(4), Math.log(0.5), Math.log(1), Math.log(3), Math.log(2), Math.log(0.25)};
        Op.Route op = new Op.Route(6, 3, Score.SOFTMAX, 3, 2, GroupScore.MAXIMUM, Masked.ZERO, false, 16);
        Routing routing = route(op, DType.F64, new double[][] {logits}, null);
        assertArrayEquals(new int[] {0, 3, 2}, routing.ids()[0]);
        double total = 10.75;
        assertArrayEquals(
                new double[] {16 * 4 / total, 16 * 3 / total, 16 / total}, routing.weights()[0], 64 * 0x1p-53 * 16);
    }

    @Test
    void zeroMaskLetsDroppedExpertsWinAgainstNegativeScoresAndInfinityDoesNot() {
        double[][] logits = {{0, 0, 1, 1}};
        double[] bias = {-2, -3, -2, -3};
        for (Masked masked : Masked.values()) {
            Op.Route op = new Op.Route(4, 2, Score.SIGMOID, 2, 1, GroupScore.MAXIMUM, masked, false, 1);
            Routing routing = route(op, DType.F32, logits, bias);
            int[] expected = masked == Masked.ZERO ? new int[] {0, 1} : new int[] {2, 3};
            assertArrayEquals(expected, routing.ids()[0], masked + "");
        }
    }

    @Test
    void squareRootOfSoftplusNeitherOverflowsNorVanishes() {
        double[][] logits = {{-800, -30, 0, 1, 30, 1e5}};
        Op.Route op = new Op.Route(6, 6, Score.SQRT_SOFTPLUS, 1, 1, GroupScore.MAXIMUM, Masked.ZERO, false, 1);
        Routing routing = route(op, DType.F64, logits, null);
        assertArrayEquals(new int[] {5, 4, 3, 2, 1, 0}, routing.ids()[0]);
        double[] expected = {
            Math.sqrt(1e5),
            Math.sqrt(30 + Math.exp(-30)),
            Math.sqrt(Math.log(1 + Math.E)),
            Math.sqrt(Math.log(2)),
            Math.exp(-15),
            0
        };
        for (int i = 0; i < expected.length; i++) {
            // log(1 + exp(-30)) = exp(-30) to a relative 2^-44.
            assertEquals(expected[i], routing.weights()[0][i], expected[i] * 0x1p-42);
        }
    }

    @Test
    void tiesGoToTheLowerIndexInGroupsAndExperts() {
        Op.Route op =
                new Op.Route(8, 3, Score.SIGMOID, 4, 2, GroupScore.TOP_TWO_SUM, Masked.NEGATIVE_INFINITY, true, 1);
        Routing routing = route(op, DType.F32, new double[][] {new double[8], {0, 0, 1, 1, 0, 0, 1, 1}}, null);
        assertArrayEquals(new int[] {0, 1, 2}, routing.ids()[0]);
        assertArrayEquals(new int[] {2, 3, 6}, routing.ids()[1]);
        assertEquals((float) (1 / 3.0), routing.weights()[0][0]);
    }

    /** ROUTE-011, ROUTE-012, and E that is no power of two. */
    @Test
    void rowsWithNanGetValidDistinctIdsAndDisturbNoOther() {
        for (Score score : Score.values()) {
            Op.Route op = new Op.Route(12, 5, score, 4, 2, GroupScore.TOP_TWO_SUM, Masked.NEGATIVE_INFINITY, true, 2.5);
            SplittableRandom random = new SplittableRandom(40);
            double[][] logits = new double[8][12];
            for (double[] row : logits) {
                Arrays.setAll(row, _ -> (float) random.nextGaussian());
            }
            double[][] clean = {logits[1].clone(), logits[7].clone()};
            Arrays.fill(logits[0], Double.NaN);
            logits[2][3] = Double.NaN;
            logits[3][0] = Double.POSITIVE_INFINITY;
            Arrays.fill(logits[4], Double.NEGATIVE_INFINITY);
            Arrays.fill(logits[5], Double.POSITIVE_INFINITY);
            Arrays.fill(logits[6], 1, 12, Double.NaN);
            double[] bias = new double[12];
            bias[11] = Double.NaN;
            for (double[] its : new double[][] {null, bias}) {
                Routing routing = route(op, DType.F32, logits, its);
                for (int[] ids : routing.ids()) {
                    assertEquals(
                            5,
                            Arrays.stream(ids)
                                    .filter(id -> id >= 0 && id < 12)
                                    .distinct()
                                    .count());
                }
                Routing alone = route(op, DType.F32, clean, its);
                assertArrayEquals(alone.ids()[0], routing.ids()[1]);
                assertArrayEquals(alone.ids()[1], routing.ids()[7]);
                assertArrayEquals(alone.weights()[0], routing.weights()[1]);
                assertArrayEquals(alone.weights()[1], routing.weights()[7]);
                if (its != null) {
                    assertTrue(Arrays.stream(routing.ids()[1]).noneMatch(id -> id == 11));
                }
            }
        }
    }

    @Test
    void noTokensAndAllExperts() {
        Op.Route op = new Op.Route(3, 3, Score.SIGMOID, 1, 1, GroupScore.MAXIMUM, Masked.ZERO, true, 1);
        assertEquals(0, route(op, DType.F32, new double[0][], null).ids().length);
        assertArrayEquals(
                new int[] {1, 2, 0},
                route(op, DType.F32, new double[][] {{0, 2, 1}}, null).ids()[0]);
    }

    private static Routing route(
            Op.Route op, DType dtype, double[][] logits, double @org.jspecify.annotations.Nullable [] bias) {
        GraphBuilder builder = new GraphBuilder("route");
        Value input = builder.input("x", TensorType.of(dtype, Dim.of(Dim.TOKENS), Dim.of(op.experts())));
        Trial trial = new Trial()
                .dim(Dim.TOKENS, logits.length)
                .bind(
                        "x",
                        Data.of(
                                dtype,
                                Arrays.stream(logits)
                                        .flatMapToDouble(Arrays::stream)
                                        .toArray()));
        GraphBuilder.Routed routed;
        if (bias == null) {
            routed = builder.route("r", op, input);
        } else {
            trial.weight("bias", Data.of(DType.F32, bias));
            routed = builder.route(
                    "r", op, input, builder.weight("bias", TensorType.of(DType.F32, Dim.of(op.experts()))));
        }
        builder.output("ids", routed.ids());
        builder.output("weights", routed.weights());
        Map<String, MemorySegment> results = trial.run(builder.build());
        int[] ids = Data.ints(Trial.get(results, "ids"));
        double[] weights = Data.doubles(dtype, Trial.get(results, "weights"));
        int k = op.topK();
        return new Routing(
                IntStream.range(0, logits.length)
                        .mapToObj(t -> Arrays.copyOfRange(ids, t * k, (t + 1) * k))
                        .toArray(int[][]::new),
                IntStream.range(0, logits.length)
                        .mapToObj(t -> Arrays.copyOfRange(weights, t * k, (t + 1) * k))
                        .toArray(double[][]::new));
    }

    /** Compares each token's set of (id, weight) pairs: ids equal, weights to a relative 2e-5, NaN beside NaN. */
    private static boolean differs(Routing left, Routing right) {
        for (int t = 0; t < left.ids().length; t++) {
            int token = t;
            List<Integer> a = IntStream.range(0, K)
                    .boxed()
                    .sorted(Comparator.comparingInt(i -> left.ids()[token][i]))
                    .toList();
            List<Integer> b = IntStream.range(0, K)
                    .boxed()
                    .sorted(Comparator.comparingInt(i -> right.ids()[token][i]))
                    .toList();
            for (int i = 0; i < K; i++) {
                double x = left.weights()[t][a.get(i)];
                double y = right.weights()[t][b.get(i)];
                if (left.ids()[t][a.get(i)] != right.ids()[t][b.get(i)]
                        || Double.isNaN(x) != Double.isNaN(y)
                        || Math.abs(x - y) > 2e-5 * Math.abs(x)) {
                    return true;
                }
            }
        }
        return false;
    }

    /** The router of DeepSeek-V3 written anew, by sorting and in F32, with one fault. */
    private static Routing faulty(Fault fault, Fill fill) {
        int tokens = fill.logits().length;
        int[][] ids = new int[tokens][];
        double[][] weights = new double[tokens][];
        for (int t = 0; t < tokens; t++) {
            float[] s = new float[E];
            float[] b = new float[E];
            double sumOfExp = Arrays.stream(fill.logits()[t]).map(Math::exp).sum();
            for (int e = 0; e < E; e++) {
                double logit = fill.logits()[t][e];
                logit = fault == Fault.LOGITS_BF16 ? Formats.bf16(logit) : logit;
                s[e] = (float) (fault == Fault.SOFTMAX ? Math.exp(logit) / sumOfExp : 1 / (1 + Math.exp(-logit)));
                b[e] = (float) (fault == Fault.BIAS_BF16 ? Formats.bf16(fill.bias()[e]) : fill.bias()[e]);
                b[e] = fault == Fault.NO_BIAS ? 0 : b[e];
            }
            ids[t] = fault == Fault.TOPK_PER_TOKEN_0 && t > 0 ? ids[0] : chooseFaulty(fault, s, b);
            float sum = 0;
            for (int id : ids[t]) {
                sum += s[id];
            }
            if (fault == Fault.NORM_ALL) {
                sum = 0;
                for (float score : s) {
                    sum += score;
                }
            }
            float denominator =
                    fault == Fault.NO_EPS ? sum : fault == Fault.CLAMP_6E_5 ? Math.max(sum, 6.1e-5f) : sum + 1e-20f;
            weights[t] = new double[K];
            for (int slot = 0; slot < K; slot++) {
                int id = ids[t][fault == Fault.PAIR_REVERSED ? K - 1 - slot : slot];
                float w = switch (fault) {
                    case W_BIASED -> s[id] + b[id];
                    case RECOVER_SUB -> (s[id] + b[id]) - b[id];
                    default -> s[id];
                };
                w = fill.normalize() && fault != Fault.NO_NORM ? w / denominator : w;
                boolean scaled = fault != Fault.NO_SCALE && (fault != Fault.SCALE_ONLY_IF_NORM || fill.normalize());
                w = scaled ? w * (float) FACTOR : w;
                weights[t][slot] = fault == Fault.SCALE_TWICE ? w * (float) FACTOR : w;
            }
        }
        if (fault == Fault.TOKEN_ROT) {
            java.util.Collections.rotate(Arrays.asList(ids), 1);
            java.util.Collections.rotate(Arrays.asList(weights), 1);
        }
        return new Routing(ids, weights);
    }

    private static int[] chooseFaulty(Fault fault, float[] s, float[] b) {
        float[] c = new float[E];
        for (int e = 0; e < E; e++) {
            c[e] = s[e] + b[e];
        }
        int size = E / GROUPS;
        int sign = fault == Fault.TIE_HIGH ? -1 : 1;
        List<Integer> groups = new ArrayList<>();
        double[] groupScores = new double[GROUPS];
        for (int g = 0; g < GROUPS; g++) {
            float[] its = Arrays.copyOfRange(fault == Fault.GROUP_UNBIASED ? s : c, g * size, (g + 1) * size);
            Arrays.sort(its);
            groupScores[g] = fault == Fault.GROUP_MAX ? its[size - 1] : its[size - 1] + its[size - 2];
            groups.add(g);
        }
        groups.sort(Comparator.comparingDouble((Integer g) -> -groupScores[g]).thenComparingInt(g -> sign * g));
        Set<Integer> kept = Set.copyOf(groups.subList(0, fault == Fault.NO_GROUPS ? GROUPS : KEPT));
        for (int e = 0; e < E; e++) {
            if (!kept.contains(e / size)) {
                c[e] = fault == Fault.MASK_ZERO ? 0 : Float.NEGATIVE_INFINITY;
            }
        }
        if (fault == Fault.DROP_LAST_EXPERT) {
            c[E - 1] = Float.NEGATIVE_INFINITY;
        }
        int[] chosen = IntStream.range(0, E)
                .boxed()
                .sorted(Comparator.comparingDouble((Integer e) -> -c[e]).thenComparingInt(e -> sign * e))
                .mapToInt(e -> e)
                .limit(K)
                .toArray();
        if (fault == Fault.UNSORTED) {
            Arrays.sort(chosen);
        }
        return chosen;
    }

    /** The eleven fills that together see all 22 faults. */
    private static List<Fill> fills() {
        SplittableRandom random = new SplittableRandom(7);
        DoubleSupplier normal = random::nextGaussian;
        double[] zero = new double[E];
        double[] one = numbers(E, normal);
        double[][] same = new double[64][];
        Arrays.fill(same, one);
        return List.of(
                new Fill(1, logits(64, normal), zero, true),
                new Fill(2, logits(64, normal), numbers(E, () -> random.nextGaussian() * 0.01), true),
                new Fill(3, logits(64, normal), numbers(E, normal), true),
                new Fill(4, logits(64, normal), numbers(E, () -> -3 - random.nextDouble()), true),
                new Fill(
                        5,
                        logits(64, () -> random.nextGaussian() - 17),
                        numbers(E, () -> 12 + random.nextGaussian() * 0.01),
                        true),
                new Fill(
                        6,
                        logits(64, () -> random.nextGaussian() - 100),
                        numbers(E, () -> random.nextGaussian() * 0.01),
                        true),
                new Fill(7, logits(64, () -> Math.rint(random.nextGaussian()) + 0.0), zero, true),
                new Fill(8, logits(64, () -> 2 + random.nextInt(-3, 4) * 0x1p-9), zero, true),
                new Fill(9, logits(64, normal), numbers(E, () -> random.nextGaussian() * 0.1), false),
                new Fill(10, logits(1, normal), numbers(E, () -> random.nextGaussian() * 0.1), true),
                new Fill(11, same, zero, true));
    }

    private static double[][] logits(int tokens, DoubleSupplier number) {
        double[][] rows = new double[tokens][];
        Arrays.setAll(rows, _ -> numbers(E, number));
        return rows;
    }

    private static double[] numbers(int count, DoubleSupplier number) {
        double[] values = new double[count];
        Arrays.setAll(values, _ -> (float) number.getAsDouble());
        return values;
    }
}
