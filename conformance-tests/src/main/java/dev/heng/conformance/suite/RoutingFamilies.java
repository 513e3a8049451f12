package dev.heng.conformance.suite;

import dev.heng.conformance.accumulate.AccumulationProfile;
import dev.heng.conformance.bound.AccumulationError;
import dev.heng.conformance.bound.Formula;
import dev.heng.conformance.bound.RoutingRule;
import dev.heng.conformance.bound.Subnormals;
import dev.heng.conformance.compare.RoutingComparator;
import dev.heng.conformance.fill.Degeneracy;
import dev.heng.conformance.fill.RoutingFill;
import dev.heng.conformance.fill.RoutingInputs;
import dev.heng.conformance.random.RandomStream;
import dev.heng.spi.graph.GraphBuilder;
import dev.heng.spi.graph.Op;
import dev.heng.spi.graph.Value;
import dev.heng.spi.tensor.DType;
import dev.heng.spi.tensor.Dim;
import dev.heng.spi.tensor.Shape;
import dev.heng.spi.tensor.TensorType;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/** Cases of Route, Dispatch and Combine. */
final class RoutingFamilies {

    private final CaseList cases;

    private RoutingFamilies(CaseList cases) {
        this.cases = cases;
    }

    /** A router as a released model has it, or one that is awkward on purpose. */
    private record Router(String name, RoutingRule rule) {
        /** Returns when it is looked at: those with most experts take longest and are released least. */
        Level level() {
            return rule.experts() > 256 ? Level.REQUIRED : Level.SMOKE;
        }
    }

    private static RoutingRule rule(
            int experts,
            int groups,
            int kept,
            int chosen,
            RoutingRule.Score score,
            RoutingRule.GroupScore groupScore,
            RoutingRule.MaskedAs masked,
            double scale) {
        return new RoutingRule(experts, groups, kept, chosen, score, groupScore, masked, scale);
    }

    private static final List<Router> ROUTERS = List.of(
            new Router("v3", RoutingRule.deepSeekV3()),
            new Router(
                    "v2",
                    rule(
                            160,
                            8,
                            3,
                            6,
                            RoutingRule.Score.SOFTMAX,
                            RoutingRule.GroupScore.MAXIMUM,
                            RoutingRule.MaskedAs.ZERO,
                            16)),
            new Router(
                    "odd",
                    rule(
                            37,
                            1,
                            1,
                            5,
                            RoutingRule.Score.SIGMOID,
                            RoutingRule.GroupScore.MAXIMUM,
                            RoutingRule.MaskedAs.NEGATIVE_INFINITY,
                            1)),
            new Router(
                    "all",
                    rule(
                            8,
                            1,
                            1,
                            8,
                            RoutingRule.Score.SOFTMAX,
                            RoutingRule.GroupScore.MAXIMUM,
                            RoutingRule.MaskedAs.NEGATIVE_INFINITY,
                            1)),
            new Router(
                    "softplus",
                    rule(
                            96,
                            1,
                            1,
                            6,
                            RoutingRule.Score.SQRT_SOFTPLUS,
                            RoutingRule.GroupScore.MAXIMUM,
                            RoutingRule.MaskedAs.NEGATIVE_INFINITY,
                            1.5)),
            // More experts than 256, and numbers of them that are no power of two: kernels are written for those.
            new Router(
                    "e288",
                    rule(
                            288,
                            1,
                            1,
                            8,
                            RoutingRule.Score.SIGMOID,
                            RoutingRule.GroupScore.MAXIMUM,
                            RoutingRule.MaskedAs.NEGATIVE_INFINITY,
                            2.5)),
            new Router(
                    "e512",
                    rule(
                            512,
                            1,
                            1,
                            10,
                            RoutingRule.Score.SOFTMAX,
                            RoutingRule.GroupScore.MAXIMUM,
                            RoutingRule.MaskedAs.NEGATIVE_INFINITY,
                            1)));

    static void addTo(CaseList cases) {
        RoutingFamilies families = new RoutingFamilies(cases);
        for (Router router : ROUTERS) {
            for (RoutingFill fill : RoutingFill.values()) {
                boolean main = router.name().equals("v3");
                families.route(router.level(), router, fill, main ? 33 : 9);
                if (main) {
                    families.route(Level.REQUIRED, router, fill, 130);
                }
            }
            families.route(router.level(), router, RoutingFill.NORMAL_SMALL_BIAS, 0);
            families.notANumber(router);
        }
        for (int tokens : new int[] {0, 1, 3, 17}) {
            for (DType dtype : List.of(DType.F32, DType.BF16, DType.F16)) {
                families.dispatch(dtype, tokens);
                families.combine(dtype, tokens);
            }
        }
    }

    private static Op.Route op(RoutingRule rule, boolean normalize) {
        return new Op.Route(
                rule.experts(),
                rule.chosen(),
                switch (rule.score()) {
                    case SIGMOID -> Op.Route.Score.SIGMOID;
                    case SOFTMAX -> Op.Route.Score.SOFTMAX;
                    case SQRT_SOFTPLUS -> Op.Route.Score.SQRT_SOFTPLUS;
                },
                rule.groups(),
                rule.keptGroups(),
                switch (rule.groupScore()) {
                    case TOP_TWO_SUM -> Op.Route.GroupScore.TOP_TWO_SUM;
                    case MAXIMUM -> Op.Route.GroupScore.MAXIMUM;
                },
                switch (rule.maskedAs()) {
                    case NEGATIVE_INFINITY -> Op.Route.Masked.NEGATIVE_INFINITY;
                    case ZERO -> Op.Route.Masked.ZERO;
                },
                normalize,
                rule.factor());
    }

    private void route(Level level, Router router, RoutingFill fill, int tokens) {
        List<String> rules = switch (fill) {
            case NORMAL_NO_BIAS -> List.of("ROUTE-008", "ROUTE-001", "ROUTE-002");
            case NORMAL_SMALL_BIAS -> List.of("ROUTE-004", "ROUTE-005", "ROUTE-010");
            case NORMAL_LARGE_BIAS -> List.of("ROUTE-003", "ROUTE-004", "ROUTE-006");
            case NEGATIVE_BIAS -> List.of("ROUTE-007", "ROUTE-005");
            case DOMINATING_BIAS -> List.of("ROUTE-004", "ROUTE-003");
            case VANISHING_SCORES -> List.of("ROUTE-009", "ROUTE-002");
            case EXACT_TIES -> List.of("ROUTE-008", "ROUTE-006");
            case NEAR_TIES -> List.of("ROUTE-001", "ROUTE-013");
            case NOT_NORMALIZED -> List.of("ROUTE-010", "ROUTE-009");
            case ONE_TOKEN -> List.of("ROUTE-001", "ROUTE-008");
            case IDENTICAL_ROWS -> List.of("ROUTE-001", "ROUTE-002");
        };
        String variant = router.name() + "/T=" + tokens + "/fill=" + fill;
        RoutingRule own = router.rule();
        CaseShape shape = CaseShape.FIXED
                .and("T", tokens, 0)
                .and("groups", own.groups(), 1)
                .and("experts", own.groupSize(), 1)
                .and("kept", own.keptGroups(), 1)
                .and("k", own.chosen(), 1)
                .where(one -> isRule(own, one));
        cases.add(level, "Route", "f32", rules, "choosesAndWeighs", variant, shape, (id, seed, at) -> {
            RoutingRule rule = at(own, at);
            RoutingInputs inputs = fill.fill(RandomStream.of(id, seed, "routing"), at.get("T"), rule.experts());
            return route(rule, inputs);
        });
    }

    /** Returns whether a router can have these sizes, of which experts are those of a group: enough of them in the groups that are kept. */
    private static boolean isRule(RoutingRule own, CaseShape shape) {
        int groups = shape.get("groups");
        int experts = shape.get("experts");
        boolean ranked = groups == 1 || own.groupScore() == RoutingRule.GroupScore.MAXIMUM || experts >= 2;
        return ranked && shape.get("kept") <= groups && shape.get("k") <= shape.get("kept") * experts;
    }

    private static RoutingRule at(RoutingRule own, CaseShape shape) {
        return rule(
                shape.get("groups") * shape.get("experts"),
                shape.get("groups"),
                shape.get("kept"),
                shape.get("k"),
                own.score(),
                own.groupScore(),
                own.maskedAs(),
                own.factor());
    }

    /** Returns a scenario of one router over {@code inputs}. */
    static Scenario route(RoutingRule rule, RoutingInputs inputs) {
        GraphBuilder builder = new GraphBuilder("route");
        Value logits = builder.input("logits", TensorType.of(DType.F32, Dim.of(Dim.TOKENS), Dim.of(rule.experts())));
        boolean biased = false;
        double[] bias = new double[rule.experts()];
        for (int expert = 0; expert < bias.length; expert++) {
            bias[expert] = inputs.bias()[expert];
            biased |= bias[expert] != 0;
        }
        Map<String, StoredWeight> weights = new HashMap<>();
        Op.Route op = op(rule, inputs.normalize());
        GraphBuilder.Routed routed;
        if (biased) {
            TensorType type = TensorType.of(DType.F32, Shape.of(rule.experts()));
            weights.put("bias", StoredWeight.plain(type, bias));
            routed = builder.route("route", op, logits, builder.weight("bias", type));
        } else {
            routed = builder.route("route", op, logits);
        }
        builder.output("ids", routed.ids());
        builder.output("weights", routed.weights());
        double[] values = new double[inputs.logits().length];
        for (int index = 0; index < values.length; index++) {
            values[index] = inputs.logits()[index];
        }
        int tokens = inputs.tokens();
        return Scenario.of(
                        builder.build(),
                        weights,
                        Map.of(Dim.TOKENS, (long) tokens),
                        Map.of("logits", HostTensor.floats(DType.F32, new int[] {tokens, rule.experts()}, values)),
                        (_, outputs, profile) -> List.of(new Check(
                                "ids and weights",
                                RoutingComparator.judge(
                                        Checks.output(outputs, "ids").asBits(),
                                        Checks.output(outputs, "weights").asFloats(),
                                        rule,
                                        inputs,
                                        RoutingComparator.IdOrder.DESCENDING,
                                        profile.flushesSubnormals() ? Subnormals.FLUSHED : Subnormals.KEPT),
                                tokens == 0)))
                .with(inputs.degeneracy());
    }

    private void notANumber(Router router) {
        cases.add(
                router.level(),
                "Route",
                "f32",
                List.of("ROUTE-011", "ROUTE-012"),
                "givesValidIdsForRowsOfNaN",
                router.name(),
                (id, seed) -> {
                    int experts = router.rule().experts();
                    RoutingInputs sound =
                            RoutingFill.NORMAL_SMALL_BIAS.fill(RandomStream.of(id, seed, "routing"), 5, experts);
                    float[] logits = sound.logits().clone();
                    Arrays.fill(logits, 0, experts, Float.NaN);
                    logits[2 * experts + experts - 1] = Float.NaN;
                    logits[4 * experts] = Float.POSITIVE_INFINITY;
                    return route(
                                    router.rule(),
                                    new RoutingInputs(
                                            5, experts, logits, sound.bias(), sound.normalize(), sound.degeneracy()))
                            .partlySpecified();
                });
    }

    private void dispatch(DType dtype, int tokens) {
        for (int local : new int[] {1, 6}) {
            cases.add(
                    Level.SMOKE,
                    "Dispatch",
                    Tensors.name(dtype),
                    List.of("DISPATCH-001", "DISPATCH-002", "DISPATCH-003", "DISPATCH-004", "RUN-015", "FORMAT-010"),
                    "sortsRowsByExpert",
                    Tensors.name(dtype) + "/T=" + tokens + "/local=" + local,
                    CaseShape.FIXED
                            .and("T", tokens, 0)
                            .and("local", local, 1)
                            .and("k", 4, 1)
                            .and("W", 5, 1),
                    (id, seed, shape) -> dispatch(id, seed, dtype, shape));
        }
    }

    private static Scenario dispatch(String id, long seed, DType dtype, CaseShape shape) {
        int tokens = shape.get("T");
        int local = shape.get("local");
        int k = shape.get("k");
        int width = shape.get("W");
        int first = 3;
        GraphBuilder builder = new GraphBuilder("dispatch");
        Value x = builder.input("x", TensorType.of(dtype, Dim.of(Dim.TOKENS), Dim.of(width)));
        Value ids = builder.input("ids", TensorType.of(DType.I32, Dim.of(Dim.TOKENS), Dim.of(k)));
        GraphBuilder.Dispatched dispatched = builder.dispatch("dispatch", new Op.Dispatch(first, local), x, ids);
        builder.output("rows", dispatched.rows());
        builder.output("offsets", dispatched.offsets());
        builder.output("origins", dispatched.origins());
        RandomStream stream = RandomStream.of(id, seed, "ids");
        int[] chosen = new int[tokens * k];
        // Sentinels, other ranks' experts, duplicates within a token, ids at both ends of the range.
        int[] awkward = {-1, first - 1, first, first, first + local - 1, first + local, Integer.MAX_VALUE};
        for (int index = 0; index < chosen.length; index++) {
            chosen[index] =
                    stream.nextInt(3) == 0 ? awkward[stream.nextInt(awkward.length)] : first + stream.nextInt(local);
        }
        HostTensor input = rows(RandomStream.of(id, seed, "x"), dtype, tokens, width);
        List<int[]> sorted = new ArrayList<>();
        for (int origin = 0; origin < chosen.length; origin++) {
            if (chosen[origin] >= first && chosen[origin] < first + local) {
                sorted.add(new int[] {chosen[origin] - first, origin});
            }
        }
        sorted.sort(Comparator.<int[]>comparingInt(row -> row[0]).thenComparingInt(row -> row[1]));
        int[] offsets = new int[local + 1];
        int[] origins = new int[chosen.length];
        Arrays.fill(origins, -1);
        long[] bits = new long[sorted.size() * width];
        long[] source = input.bits();
        for (int row = 0; row < sorted.size(); row++) {
            offsets[sorted.get(row)[0] + 1]++;
            origins[row] = sorted.get(row)[1];
            System.arraycopy(source, origins[row] / k * width, bits, row * width, width);
        }
        for (int expert = 0; expert < local; expert++) {
            offsets[expert + 1] += offsets[expert];
        }
        int used = sorted.size();
        HostTensor expected = new HostTensor(dtype, new int[] {used, width}, new byte[0]).withBits(bits);
        return Scenario.of(
                        builder.build(),
                        Map.of(),
                        Map.of(Dim.TOKENS, (long) tokens),
                        Map.of("x", input, "ids", HostTensor.ints(new int[] {tokens, k}, chosen)),
                        (_, outputs, _) -> {
                            HostTensor got = Checks.output(outputs, "rows");
                            HostTensor head = new HostTensor(
                                    dtype,
                                    new int[] {used, width},
                                    Arrays.copyOf(got.bytes(), used * width * dtype.bits() / 8));
                            return List.of(
                                    Checks.bits(
                                            "offsets",
                                            Checks.output(outputs, "offsets"),
                                            HostTensor.ints(new int[] {local + 1}, offsets)),
                                    Checks.bits(
                                            "origins",
                                            Checks.output(outputs, "origins"),
                                            HostTensor.ints(new int[] {tokens * k}, origins)),
                                    Checks.bits("rows", head, expected));
                        })
                .partlySpecified();
    }

    private static HostTensor rows(RandomStream stream, DType dtype, int rows, int width) {
        double[] values = new double[rows * width];
        for (int index = 0; index < values.length; index++) {
            values[index] = stream.normal();
        }
        return HostTensor.floats(dtype, new int[] {rows, width}, values);
    }

    private void combine(DType dtype, int tokens) {
        cases.add(
                Level.SMOKE,
                "Combine",
                Tensors.name(dtype),
                List.of("COMBINE-001", "COMBINE-002", "COMBINE-003", "RUN-015"),
                "sumsEachTokensExperts",
                Tensors.name(dtype) + "/T=" + tokens,
                CaseShape.FIXED.and("T", tokens, 0).and("k", 3, 1).and("W", 9, 1),
                (id, seed, shape) -> combine(id, seed, dtype, shape));
    }

    private static Scenario combine(String id, long seed, DType dtype, CaseShape shape) {
        int tokens = shape.get("T");
        int k = shape.get("k");
        int width = shape.get("W");
        int capacity = tokens * k;
        GraphBuilder builder = new GraphBuilder("combine");
        Value rows =
                builder.input("rows", TensorType.of(dtype, Dim.of(Dim.TOKENS).times(k), Dim.of(width)));
        Value origins = builder.input(
                "origins", TensorType.of(DType.I32, Dim.of(Dim.TOKENS).times(k)));
        Value weights = builder.input("weights", TensorType.of(DType.F32, Dim.of(Dim.TOKENS), Dim.of(k)));
        builder.output("y", builder.combine("combine", rows, origins, weights, dtype));
        RandomStream stream = RandomStream.of(id, seed, "origins");
        int[] order = stream.permutation(capacity);
        // One slot in four has no row: another rank's expert. Its weight must not matter, NaN included.
        int[] origin = new int[capacity];
        Arrays.fill(origin, -1);
        int used = 0;
        boolean[] present = new boolean[capacity];
        for (int slot : order) {
            if (slot % 4 != 1) {
                origin[used++] = slot;
                present[slot] = true;
            }
        }
        double[] values =
                rows(RandomStream.of(id, seed, "rows"), dtype, capacity, width).doubles();
        Arrays.fill(values, used * width, values.length, Double.NaN);
        HostTensor weight = rows(RandomStream.of(id, seed, "weights"), DType.F32, tokens, k);
        double[] factors = weight.doubles();
        double[] exact = new double[tokens * width];
        double[] magnitudes = new double[exact.length];
        for (int row = 0; row < used; row++) {
            for (int column = 0; column < width; column++) {
                double product = factors[origin[row]] * values[row * width + column];
                exact[origin[row] / k * width + column] += product;
                magnitudes[origin[row] / k * width + column] += Math.abs(product);
            }
        }
        for (int slot = 0; slot < capacity; slot++) {
            factors[slot] = present[slot] ? factors[slot] : Double.NaN;
        }
        return Scenario.of(
                        builder.build(),
                        Map.of(),
                        Map.of(Dim.TOKENS, (long) tokens),
                        Map.of(
                                "rows",
                                HostTensor.floats(dtype, new int[] {capacity, width}, values),
                                "origins",
                                HostTensor.ints(new int[] {capacity}, origin),
                                "weights",
                                HostTensor.floats(DType.F32, new int[] {tokens, k}, factors)),
                        (_, outputs, _) -> {
                            HostTensor got = Checks.output(outputs, "y");
                            // COMBINE-001 itself asks for F32 or better, whatever a profile says.
                            AccumulationError error =
                                    new AccumulationError(AccumulationProfile.FLOAT32_MULTIPLY_ADD, k);
                            double[] limits = new double[exact.length];
                            for (int index = 0; index < limits.length; index++) {
                                limits[index] =
                                        Checks.outputRounding(got, exact[index]) + error.worstCase(magnitudes[index]);
                            }
                            return List.of(Checks.within("y", got, exact, new IntervalBound(Formula.F8, limits)));
                        })
                .with(Degeneracy.of());
    }
}
