package dev.heng.backend.cpu.vector;

import dev.heng.backend.cpu.vector.Instruction.Pointer;
import dev.heng.backend.reference.Router;
import dev.heng.spi.graph.Op;

/** ROUTE: the choice of experts is the oracle's own, so that no tie and no NaN is decided in two ways. */
final class RouteOperation extends Operation {

    private final Router router;
    private final int experts;
    private final int topK;
    private final Pointer logits;
    private final long logitsStride;
    private final Pointer ids;
    private final Pointer weights;

    RouteOperation(Instruction in) {
        super(in);
        experts = in.size("experts");
        topK = in.size("top_k");
        logits = in.pointer("logits");
        logitsStride = in.word("logits_stride");
        ids = in.pointer("ids");
        weights = in.pointer("weights");
        Op.Route.Score score = switch (in.integer("score")) {
            case Layouts.SCORE_SIGMOID -> Op.Route.Score.SIGMOID;
            case Layouts.SCORE_SOFTMAX -> Op.Route.Score.SOFTMAX;
            case Layouts.SCORE_SQRT_SOFTPLUS -> Op.Route.Score.SQRT_SOFTPLUS;
            default -> throw in.wrong("score is unknown");
        };
        double[] bias = new double[experts];
        long stored = in.word("bias");
        for (int expert = 0; stored != 0 && expert < experts; expert++) {
            bias[expert] = Memory.f32(stored + 4L * expert);
        }
        router = new Router(
                new Op.Route(
                        experts,
                        topK,
                        score,
                        in.size("groups"),
                        in.size("kept_groups"),
                        in.integer("group_score") == Layouts.GROUP_TOP2_SUM
                                ? Op.Route.GroupScore.TOP_TWO_SUM
                                : Op.Route.GroupScore.MAXIMUM,
                        in.flag("masked_to_zero") ? Op.Route.Masked.ZERO : Op.Route.Masked.NEGATIVE_INFINITY,
                        in.flag("normalize"),
                        in.real("scaling")),
                false,
                bias);
    }

    @Override
    int tasks(Context context, int phase) {
        return context.rows();
    }

    @Override
    void task(Context context, int phase, int row) {
        double[] values = new double[experts];
        for (int expert = 0; expert < experts; expert++) {
            values[expert] = Memory.f32(logits.get() + 4 * (logitsStride * row + expert));
        }
        Router.Choice choice = router.choose(values);
        for (int j = 0; j < topK; j++) {
            long slot = (long) row * topK + j;
            Memory.putI32(ids.get() + 4 * slot, choice.ids()[j]);
            Memory.putF32(weights.get() + 4 * slot, (float) choice.weights()[j]);
        }
    }
}
