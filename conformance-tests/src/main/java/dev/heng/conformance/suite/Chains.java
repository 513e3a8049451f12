package dev.heng.conformance.suite;

import dev.heng.conformance.chain.Ensemble;
import dev.heng.conformance.fill.Degeneracy;
import dev.heng.conformance.fill.Trigger;
import dev.heng.conformance.random.RandomStream;
import dev.heng.spi.NumericsProfile;
import dev.heng.spi.NumericsProfile.Accumulation;
import dev.heng.spi.NumericsProfile.Product;
import dev.heng.spi.NumericsProfile.ScalarFunction;
import dev.heng.spi.graph.Graph;
import dev.heng.spi.graph.GraphBuilder;
import dev.heng.spi.graph.Node;
import dev.heng.spi.graph.Op;
import dev.heng.spi.graph.Value;
import dev.heng.spi.tensor.DType;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;

/** Scenarios that are judged against an ensemble, and how to look into them. */
public final class Chains {

    private Chains() {}

    /**
     * Returns a scenario whose every output is judged by the ensemble of its graph.
     *
     * @param stream where the ensemble is drawn from
     */
    static Scenario scenario(
            Graph graph, Map<String, StoredWeight> weights, List<Scenario.Step> steps, RandomStream stream) {
        return new Scenario(
                graph,
                weights,
                steps,
                new ChainJudge(graph, weights, steps, stream),
                degeneracy(graph, weights, steps, stream),
                true);
    }

    /**
     * Returns the scenario of a failing chain with more of its values as outputs, each judged as the chain's own: the first in the
     * graph's order that fails names the node to look at. Outputs of the chain stay what they are.
     *
     * @param chain a scenario whose {@link #isChain} is true
     * @param values values of the chain's graph, each the result of a node and no cache
     */
    public static Scenario watching(Scenario chain, List<Value> values) {
        if (!(chain.judge() instanceof ChainJudge judge)) {
            throw new IllegalArgumentException("a scenario that is judged by itself has no values to watch");
        }
        Graph watched = withOutputs(chain.graph(), values);
        return new Scenario(
                watched, chain.weights(), chain.steps(), judge.of(watched), chain.degeneracy(), chain.fullySpecified());
    }

    /** Returns whether values of a scenario can be watched. */
    public static boolean isChain(Scenario scenario) {
        return scenario.judge() instanceof ChainJudge;
    }

    /** Returns the results of nodes that can be watched, in the graph's order. */
    public static List<Value> watchable(Scenario chain) {
        return chain.graph().nodes().stream()
                .filter(node -> !(node.op() instanceof Op.KvAppend))
                .flatMap(node -> node.results().stream())
                .toList();
    }

    /** Returns the same graph with more of its values as outputs. */
    static Graph withOutputs(Graph graph, List<Value> values) {
        GraphBuilder builder = new GraphBuilder(graph.name());
        Map<String, Value> copies = new HashMap<>();
        // Values are declared in the order of their ids, so that a rebuilt graph is the same graph.
        for (Value value : graph.values()) {
            switch (value.role()) {
                case INPUT -> copies.put(value.name(), builder.input(value.name(), value.type()));
                case WEIGHT -> copies.put(value.name(), builder.weight(value.name(), value.type()));
                case STATE -> {
                    if (graph.producer(value).isEmpty()) {
                        copies.put(
                                value.name(),
                                builder.cache(
                                        value.name(),
                                        value.type().dtype(),
                                        Math.toIntExact(
                                                value.type().shape().dim(1).size()),
                                        Math.toIntExact(
                                                value.type().shape().dim(2).size())));
                    }
                }
                case RESULT -> {}
            }
        }
        for (Node node : graph.nodes()) {
            Value[] operands = node.operands().stream()
                    .map(operand -> known(copies, operand))
                    .toArray(Value[]::new);
            Node copy = builder.add(node.name(), node.op(), operands);
            for (Value result : copy.results()) {
                copies.put(result.name(), result);
            }
        }
        graph.outputs().forEach((name, value) -> builder.output(name, known(copies, value)));
        Set<Value> shown = new HashSet<>(graph.outputs().values());
        for (Value value : values) {
            if (shown.add(value)) {
                builder.output(value.name(), known(copies, value));
            }
        }
        return builder.build();
    }

    private static Value known(Map<String, Value> copies, Value value) {
        Value copy = copies.get(value.name());
        if (copy == null) {
            throw new IllegalStateException("'" + value.name() + "' is used before it is made");
        }
        return copy;
    }

    /** Counts the experts that routers choose: a chain all of whose tokens go one way shows little. */
    private static Degeneracy degeneracy(
            Graph graph, Map<String, StoredWeight> weights, List<Scenario.Step> steps, RandomStream stream) {
        List<Node> routers = graph.nodes().stream()
                .filter(node -> node.op() instanceof Op.Route)
                .toList();
        boolean empty =
                steps.stream().noneMatch(step -> step.dims().values().stream().allMatch(size -> size > 0));
        if (routers.isEmpty() || empty) {
            return Degeneracy.of();
        }
        Ensemble truth = new Ensemble(graph, ChainJudge.real(weights), doubleProfile(), 0, stream);
        Map<String, Set<Integer>> used = new HashMap<>();
        int tokens = 0;
        for (Scenario.Step step : steps) {
            truth.advance(step.dims(), ChainJudge.numbers(step.inputs()), Map.of());
            for (Node router : routers) {
                int[] ids = truth.integers(router.result());
                tokens += ids.length;
                Arrays.stream(ids)
                        .forEach(id -> used.computeIfAbsent(router.name(), _ -> new HashSet<>())
                                .add(id));
            }
        }
        List<Trigger> triggers = new ArrayList<>();
        for (Node router : routers) {
            Op.Route route = (Op.Route) router.op();
            int needed = tokens / routers.size() > route.topK() ? route.topK() + 1 : 1;
            triggers.add(new Trigger(
                    "experts chosen by " + router.name(),
                    used.getOrDefault(router.name(), Set.of()).size(),
                    Math.min(needed, route.experts())));
        }
        return new Degeneracy(triggers);
    }

    /** A profile of double arithmetic, for evaluations whose errors nobody asks for. */
    static NumericsProfile doubleProfile() {
        Map<Product, Accumulation> products = new HashMap<>();
        for (Product product : Product.values()) {
            products.put(product, Accumulation.f64());
        }
        Map<ScalarFunction, Double> scalars = new HashMap<>();
        for (ScalarFunction function : ScalarFunction.values()) {
            scalars.put(function, 0.0);
        }
        return new NumericsProfile(products, scalars, DType.F64, false, NumericsProfile.Determinism.BATCH_INVARIANT);
    }
}
