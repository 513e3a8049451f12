package dev.heng.conformance.run;

import dev.heng.conformance.suite.Chains;
import dev.heng.conformance.suite.Check;
import dev.heng.conformance.suite.Scenario;
import dev.heng.spi.Backend;
import dev.heng.spi.graph.Node;
import dev.heng.spi.graph.Value;
import java.util.List;
import java.util.Set;
import java.util.function.Function;
import java.util.stream.Collectors;

/**
 * Finds the first node of a failing chain whose result is wrong, by running the chain again with results shown that it keeps to itself,
 * each judged against the suite's own evaluation of everything before it.
 */
public final class Bisection {

    private Bisection() {}

    /**
     * Looks for the node.
     *
     * @param chain a scenario that failed
     * @param run executes and judges a scenario on the device that failed
     * @return a sentence that names the node, or says why none can be named; empty if the scenario is no chain
     */
    static String firstBadNode(Scenario chain, Function<Scenario, List<Check>> run) {
        if (!Chains.isChain(chain)) {
            return "";
        }
        List<Value> values = Chains.watchable(chain);
        // All at once first. A device that fuses may compute otherwise when everything is shown; then one at a time, so
        // that as much as
        // possible stays fused.
        String shown = first(chain, failing(Chains.watching(chain, values), run));
        if (!shown.isEmpty()) {
            return "first bad node: " + shown;
        }
        for (Value value : values) {
            String alone = first(chain, failing(Chains.watching(chain, List.of(value)), run));
            if (!alone.isEmpty()) {
                return "first bad node: " + alone + " (hidden when every result is shown: suspect a fusion)";
            }
        }
        return "no node is bad when its result is shown: suspect a fusion, or a run that differs from the last";
    }

    /** Finds the node on a device; for tools and tests. */
    public static String firstBadNode(Scenario chain, Backend device) {
        return firstBadNode(
                chain, shown -> CaseExecutor.judge(shown, Execution.of(device, shown, CaseExecutor.POISON), device));
    }

    /** Returns what failed, by name of value or node. */
    private static Set<String> failing(Scenario scenario, Function<Scenario, List<Check>> run) {
        return run.apply(scenario).stream()
                .filter(check -> !check.held())
                .map(check -> check.what().replaceFirst("^step \\d+: ", ""))
                .map(what -> what.substring(0, Math.max(0, what.lastIndexOf(": "))))
                .collect(Collectors.toSet());
    }

    /** Returns the first node, in the order of execution, that or whose result is among the failing. */
    private static String first(Scenario chain, Set<String> failing) {
        for (Node node : chain.graph().nodes()) {
            boolean bad = failing.contains(node.name());
            for (Value result : node.results()) {
                bad |= failing.contains(result.name());
            }
            for (var output : chain.graph().outputs().entrySet()) {
                bad |= node.results().contains(output.getValue()) && failing.contains(output.getKey());
            }
            if (bad) {
                return "'" + node.name() + "' (" + node.op().getClass().getSimpleName() + ")";
            }
        }
        return "";
    }
}
