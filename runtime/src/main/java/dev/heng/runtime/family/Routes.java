package dev.heng.runtime.family;

import dev.heng.runtime.config.Moe;
import dev.heng.spi.graph.Op;

/** How a config's way of choosing experts is written as {@link Op.Route}. */
final class Routes {

    private Routes() {}

    /** Returns the route of {@code moe}. */
    static Op.Route of(Moe moe) {
        return switch (moe.method()) {
            case NOAUX_TC -> route(moe, Op.Route.GroupScore.TOP_TWO_SUM, Op.Route.Masked.NEGATIVE_INFINITY);
            // V2 masks with zero, which softmax scores never fall below: experts that underflowed to 0 tie with masked
            // ones, as published.
            case GROUP_LIMITED_GREEDY, GREEDY -> route(moe, Op.Route.GroupScore.MAXIMUM, Op.Route.Masked.ZERO);
        };
    }

    private static Op.Route route(Moe moe, Op.Route.GroupScore groupScore, Op.Route.Masked masked) {
        Op.Route.Score score = switch (moe.score()) {
            case SIGMOID -> Op.Route.Score.SIGMOID;
            case SOFTMAX -> Op.Route.Score.SOFTMAX;
        };
        return new Op.Route(
                moe.experts(),
                moe.topK(),
                score,
                moe.groups(),
                moe.keptGroups(),
                groupScore,
                masked,
                moe.normalize(),
                moe.scale());
    }
}
