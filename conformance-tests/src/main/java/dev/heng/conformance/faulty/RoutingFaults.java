package dev.heng.conformance.faulty;

import dev.heng.conformance.bound.RoutingRule;
import dev.heng.conformance.fault.FloatRouter;
import dev.heng.conformance.fault.RoutingFault;
import dev.heng.conformance.fill.Degeneracy;
import dev.heng.conformance.fill.RoutingInputs;
import dev.heng.spi.graph.Op;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Optional;

/** Routers that are wrong: {@link RoutingFault}'s, as devices, and some of whole kernels. */
final class RoutingFaults {

    private RoutingFaults() {}

    /** Returns a router without a fault that runs here and not on the real device: the suite must not flag it. */
    static Fault harmless() {
        return router("harmless/router", "Routes as docs/ops.md says.", "ROUTE-001", Optional.empty());
    }

    static List<Fault> all() {
        List<Fault> faults = new ArrayList<>();
        for (RoutingFault fault : RoutingFault.values()) {
            String name = fault.name().toLowerCase(Locale.ROOT).replace('_', '-');
            faults.add(router("routing/" + name, fault.description(), fault.rule(), Optional.of(fault)));
        }
        faults.addAll(kernels());
        return faults;
    }

    private static Fault router(String id, String description, String rule, Optional<RoutingFault> fault) {
        return new OperatorFault<>(id, description, rule, Op.Route.class, run -> {
            FloatRouter.Routing routing = FloatRouter.route(rule(run.op()), inputs(run), fault);
            int[] ids = new int[routing.ids().size()];
            for (int index = 0; index < ids.length; index++) {
                ids[index] = (int) routing.ids().values()[index];
            }
            run.write(0, ids);
            run.write(1, routing.weights().values());
        });
    }

    private static RoutingRule rule(Op.Route op) {
        return new RoutingRule(
                op.experts(),
                op.groups(),
                op.keptGroups(),
                op.topK(),
                switch (op.score()) {
                    case SIGMOID -> RoutingRule.Score.SIGMOID;
                    case SOFTMAX -> RoutingRule.Score.SOFTMAX;
                    case SQRT_SOFTPLUS -> RoutingRule.Score.SQRT_SOFTPLUS;
                },
                switch (op.groupScore()) {
                    case TOP_TWO_SUM -> RoutingRule.GroupScore.TOP_TWO_SUM;
                    case MAXIMUM -> RoutingRule.GroupScore.MAXIMUM;
                },
                switch (op.masked()) {
                    case NEGATIVE_INFINITY -> RoutingRule.MaskedAs.NEGATIVE_INFINITY;
                    case ZERO -> RoutingRule.MaskedAs.ZERO;
                },
                op.scale());
    }

    private static RoutingInputs inputs(OperatorRun<Op.Route> run) {
        int experts = run.op().experts();
        float[] logits = floats(run.numbers(0));
        float[] bias = run.operands() == 2 ? floats(run.numbers(1)) : new float[experts];
        return new RoutingInputs(
                logits.length / experts, experts, logits, bias, run.op().normalize(), Degeneracy.of());
    }

    private static float[] floats(double[] values) {
        float[] floats = new float[values.length];
        for (int index = 0; index < values.length; index++) {
            floats[index] = (float) values[index];
        }
        return floats;
    }

    private static List<Fault> kernels() {
        return List.of(
                new OperatorFault<>(
                        "routing/ids-ascending",
                        "Chosen experts come in ascending order of id, not in descending order of choice score.",
                        "ROUTE-008",
                        Op.Route.class,
                        RoutingFaults::sortById),
                new OperatorFault<>(
                        "routing/nan-row-spoils-its-warp",
                        "A NaN logit makes the weights of all four rows of its warp NaN.",
                        "ROUTE-011",
                        Op.Route.class,
                        RoutingFaults::spreadNaN),
                new OperatorFault<>(
                        "routing/nan-row-gets-id-minus-one",
                        "A row of NaN gets the id -1 in every slot.",
                        "ROUTE-011",
                        Op.Route.class,
                        run -> {
                            int[] ids = run.result(0).integers();
                            double[] logits = run.numbers(0);
                            for (int slot = 0; slot < ids.length; slot++) {
                                int row = slot / run.op().topK();
                                ids[slot] = Double.isNaN(logits[row * run.op().experts()]) ? -1 : ids[slot];
                            }
                            run.write(0, ids);
                        }),
                new OperatorFault<>(
                        "routing/rows-beyond-32-unrouted",
                        "A kernel of 32 rows a block leaves the rows of the last, partial block as memory had them.",
                        "ROUTE-001",
                        Op.Route.class,
                        run -> {
                            int[] ids = run.result(0).integers();
                            double[] weights = run.result(1).doubles();
                            for (int slot = 32 * run.op().topK(); slot < ids.length; slot++) {
                                ids[slot] = 0;
                                weights[slot] = 0;
                            }
                            run.write(0, ids);
                            run.write(1, weights);
                        }),
                new OperatorFault<>(
                        "routing/weights-through-bfloat16",
                        "Weights are rounded to bfloat16 on their way out.",
                        "ROUTE-001",
                        Op.Route.class,
                        run -> run.write(
                                1,
                                Rows.each(
                                        run.result(1).doubles(), dev.heng.conformance.format.FloatFormat.BF16::round))),
                new GraphFault<>(
                        "routing/one-group-too-many",
                        "One group more than asked for survives.",
                        "ROUTE-006",
                        Op.Route.class,
                        op -> op.keptGroups() < op.groups() ? kept(op, op.keptGroups() + 1) : op));
    }

    private static Op.Route kept(Op.Route op, int groups) {
        return new Op.Route(
                op.experts(),
                op.topK(),
                op.score(),
                op.groups(),
                groups,
                op.groupScore(),
                op.masked(),
                op.normalize(),
                op.scale());
    }

    private static void sortById(OperatorRun<Op.Route> run) {
        int k = run.op().topK();
        int[] ids = run.result(0).integers();
        double[] weights = run.result(1).doubles();
        for (int row = 0; row < ids.length; row += k) {
            for (int slot = row + 1; slot < row + k; slot++) {
                for (int at = slot; at > row && ids[at] < ids[at - 1]; at--) {
                    int id = ids[at];
                    double weight = weights[at];
                    ids[at] = ids[at - 1];
                    weights[at] = weights[at - 1];
                    ids[at - 1] = id;
                    weights[at - 1] = weight;
                }
            }
        }
        run.write(0, ids);
        run.write(1, weights);
    }

    private static void spreadNaN(OperatorRun<Op.Route> run) {
        int experts = run.op().experts();
        double[] logits = run.numbers(0);
        double[] weights = run.result(1).doubles();
        for (int index = 0; index < logits.length; index++) {
            int warp = index / experts / 4;
            for (int slot = 0; slot < weights.length && Double.isNaN(logits[index]); slot++) {
                weights[slot] = slot / run.op().topK() / 4 == warp ? Double.NaN : weights[slot];
            }
        }
        run.write(1, weights);
    }
}
