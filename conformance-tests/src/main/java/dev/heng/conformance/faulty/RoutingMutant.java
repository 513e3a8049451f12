package dev.heng.conformance.faulty;

import dev.heng.conformance.format.FloatFormat;
import dev.heng.conformance.suite.HostTensor;
import dev.heng.spi.graph.Op;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import org.jspecify.annotations.Nullable;

/** The router of docs/ops.md in F32, right or with one of 22 faults; computed here, its result written over the real one's. */
final class RoutingMutant extends Fault {

    /** What is wrong. */
    enum Kind {
        NONE,
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
        TOKEN_ROTATED,
        IDS_OF_TOKEN_0,
        DROP_LAST_EXPERT,
        SOFTMAX
    }

    private final Kind kind;

    RoutingMutant(Kind kind) {
        super("routing/" + kind, "smoke_ROUTE_*_choosesAndWeighs/v3/*");
        this.kind = kind;
    }

    /** The choice of one token. */
    @SuppressWarnings("ArrayRecordComponent") // One token on its way to the output; never compared.
    private record Choice(int[] ids, float[] weights) {}

    @Override
    protected void afterRun(RunAccess run) {
        if (!(run.node().op() instanceof Op.Route route)) {
            return;
        }
        double[] logits = run.operand(0).doubles();
        double[] bias = run.node().operands().size() == 2 ? run.weight(1).doubles() : new double[route.experts()];
        int tokens = logits.length / route.experts();
        int[] ids = new int[tokens * route.topK()];
        double[] weights = new double[ids.length];
        int @Nullable [] first = null;
        for (int token = 0; token < tokens; token++) {
            Choice choice = choose(route, logits, token * route.experts(), bias, first);
            first = kind == Kind.IDS_OF_TOKEN_0 && first == null ? choice.ids() : first;
            int row = kind == Kind.TOKEN_ROTATED ? (token + 1) % tokens : token;
            for (int slot = 0; slot < route.topK(); slot++) {
                int from = kind == Kind.PAIR_REVERSED ? route.topK() - 1 - slot : slot;
                ids[row * route.topK() + slot] = choice.ids()[slot];
                weights[row * route.topK() + slot] = choice.weights()[from];
            }
        }
        int[] shape = {tokens, route.topK()};
        run.write("ids", HostTensor.ints(shape, ids).bytes());
        run.write(
                "weights",
                HostTensor.floats(dev.heng.spi.tensor.DType.F32, shape, weights).bytes());
    }

    private Choice choose(Op.Route route, double[] logits, int at, double[] bias, int @Nullable [] forced) {
        int experts = route.experts();
        float[] s = new float[experts];
        float[] c = new float[experts];
        double exponentials = 0;
        for (int e = 0; e < experts; e++) {
            exponentials += Math.exp(logit(logits[at + e]));
        }
        for (int e = 0; e < experts; e++) {
            double x = logit(logits[at + e]);
            s[e] = (float) (kind == Kind.SOFTMAX ? Math.exp(x) / exponentials : 1 / (1 + Math.exp(-x)));
            double b = kind == Kind.BIAS_BF16 ? FloatFormat.BF16.round(bias[e]) : bias[e];
            c[e] = kind == Kind.NO_BIAS ? s[e] : (float) (s[e] + b);
        }
        int[] ids = forced != null ? forced : top(candidates(route, s, c), route.topK());
        float sum = 0;
        for (int e = 0; e < experts && kind == Kind.NORM_ALL; e++) {
            sum += s[e];
        }
        float[] raw = new float[ids.length];
        for (int slot = 0; slot < ids.length; slot++) {
            int e = ids[slot];
            raw[slot] = switch (kind) {
                case W_BIASED -> c[e];
                case RECOVER_SUB -> c[e] - (float) bias[e];
                default -> s[e];
            };
            sum += kind == Kind.NORM_ALL ? 0 : raw[slot];
        }
        double divisor = switch (kind) {
            case NO_EPS -> sum;
            case CLAMP_6E_5 -> Math.max(sum, 6.1e-5);
            default -> sum + 1e-20;
        };
        boolean normalize = route.normalize() && kind != Kind.NO_NORM;
        double scale = switch (kind) {
            case NO_SCALE -> 1;
            case SCALE_TWICE -> route.scale() * route.scale();
            case SCALE_ONLY_IF_NORM -> route.normalize() ? route.scale() : 1;
            default -> route.scale();
        };
        float[] weights = new float[ids.length];
        for (int slot = 0; slot < ids.length; slot++) {
            weights[slot] = (float) ((normalize ? raw[slot] / divisor : raw[slot]) * scale);
        }
        return new Choice(ids, weights);
    }

    private double logit(double x) {
        return kind == Kind.LOGITS_BF16 ? FloatFormat.BF16.round(x) : x;
    }

    private float[] candidates(Op.Route route, float[] s, float[] c) {
        float[] allowed = c.clone();
        if (kind == Kind.DROP_LAST_EXPERT) {
            allowed[route.experts() - 1] = Float.NEGATIVE_INFINITY;
        }
        if (route.groups() == route.keptGroups() || kind == Kind.NO_GROUPS) {
            return allowed;
        }
        int size = route.experts() / route.groups();
        float[] groups = new float[route.groups()];
        for (int group = 0; group < groups.length; group++) {
            float best = Float.NEGATIVE_INFINITY;
            float second = Float.NEGATIVE_INFINITY;
            for (int e = group * size; e < (group + 1) * size; e++) {
                float score = kind == Kind.GROUP_UNBIASED ? s[e] : c[e];
                second = Math.max(second, Math.min(best, score));
                best = Math.max(best, score);
            }
            boolean largestOnly = kind == Kind.GROUP_MAX || route.groupScore() == Op.Route.GroupScore.MAXIMUM;
            groups[group] = largestOnly ? best : best + second;
        }
        boolean[] kept = new boolean[groups.length];
        for (int group : top(groups, route.keptGroups())) {
            kept[group] = true;
        }
        boolean zero = kind == Kind.MASK_ZERO || route.masked() == Op.Route.Masked.ZERO;
        for (int e = 0; e < allowed.length; e++) {
            if (!kept[e / size]) {
                allowed[e] = zero ? 0 : Float.NEGATIVE_INFINITY;
            }
        }
        return allowed;
    }

    private int[] top(float[] scores, int count) {
        List<Integer> order = new ArrayList<>();
        for (int index = 0; index < scores.length; index++) {
            order.add(kind == Kind.TIE_HIGH ? scores.length - 1 - index : index);
        }
        // A stable sort: equal scores keep the order in which they stand.
        order.sort(Comparator.<Integer>comparingDouble(index -> -scores[index]));
        return order.stream().limit(count).mapToInt(Integer::intValue).toArray();
    }
}
