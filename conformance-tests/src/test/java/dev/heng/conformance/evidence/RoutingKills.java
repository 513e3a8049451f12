package dev.heng.conformance.evidence;

import dev.heng.conformance.bound.RoutingRule;
import dev.heng.conformance.bound.Subnormals;
import dev.heng.conformance.compare.RoutingComparator;
import dev.heng.conformance.compare.Verdict;
import dev.heng.conformance.fault.FloatRouter;
import dev.heng.conformance.fault.RoutingFault;
import dev.heng.conformance.fill.RoutingFill;
import dev.heng.conformance.fill.RoutingInputs;
import dev.heng.conformance.random.RandomStream;
import java.util.Optional;

/** Routes with every routing fault under every routing fill. */
final class RoutingKills {

    static final int TOKENS = 64;

    private RoutingKills() {}

    static Verdict judge(RoutingFill fill, Optional<RoutingFault> fault, long seed) {
        RoutingRule rule = RoutingRule.deepSeekV3();
        RoutingInputs inputs = fill.fill(RandomStream.of("routing", seed, fill.name()), TOKENS, rule.experts());
        FloatRouter.Routing routing = FloatRouter.route(rule, inputs, fault);
        return RoutingComparator.judge(
                routing.ids(), routing.weights(), rule, inputs, RoutingComparator.IdOrder.DESCENDING, Subnormals.KEPT);
    }
}
