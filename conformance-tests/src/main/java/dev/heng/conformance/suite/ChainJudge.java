package dev.heng.conformance.suite;

import dev.heng.conformance.bound.RoutingRule;
import dev.heng.conformance.bound.Subnormals;
import dev.heng.conformance.chain.Ensemble;
import dev.heng.conformance.chain.Numbers;
import dev.heng.conformance.compare.EnsembleComparator;
import dev.heng.conformance.compare.FloatComparator;
import dev.heng.conformance.compare.FloatTensor;
import dev.heng.conformance.compare.RoutingComparator;
import dev.heng.conformance.compare.Verdict;
import dev.heng.conformance.fill.Degeneracy;
import dev.heng.conformance.fill.RoutingInputs;
import dev.heng.conformance.format.FloatFormat;
import dev.heng.conformance.random.RandomStream;
import dev.heng.spi.NumericsProfile;
import dev.heng.spi.graph.Graph;
import dev.heng.spi.graph.Node;
import dev.heng.spi.graph.Op;
import dev.heng.spi.graph.Value;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;

/**
 * Judges every output of a chain against an ensemble (F10, F11). Choices of experts that the graph shows are judged by their margin against
 * the device's own logits (F12), weights against the device's own choice (F13), and truth and ensemble follow that choice, so that a
 * legal different one is no error downstream. Chosen tokens are held against the device's own logits.
 *
 * <p>Steps of one execution are judged in ascending order, since caches carry over; step 0 begins another execution. Whatever the graph
 * declares as an output is judged, so that a tool that looks for the first wrong node declares more of them ({@link Chains#watching}).
 */
final class ChainJudge implements Judge {

    private final Graph graph;
    private final Map<String, StoredWeight> weights;
    private final List<Scenario.Step> steps;
    private final RandomStream stream;
    /** Choices of the execution that is being judged, by step. */
    private final List<Map<String, int[]>> history = new ArrayList<>();

    private final Map<String, Map<String, Expected>> known = new HashMap<>();
    /** Ensembles by what they have gone through, to be taken a step further. */
    private final Map<String, Ensemble> ensembles = new HashMap<>();

    ChainJudge(Graph graph, Map<String, StoredWeight> weights, List<Scenario.Step> steps, RandomStream stream) {
        this.graph = graph;
        this.weights = weights;
        this.steps = steps;
        this.stream = stream;
    }

    /** Returns the judge of the same chain in a graph that shows more of it. */
    ChainJudge of(Graph watched) {
        return new ChainJudge(watched, weights, steps, stream);
    }

    /** What is expected of one output: a prediction of numbers, or integers. */
    private sealed interface Expected {
        record Floats(Ensemble.Prediction prediction) implements Expected {}

        @SuppressWarnings("ArrayRecordComponent") // As large as a tensor; never compared.
        record Integers(int[] values) implements Expected {}
    }

    static Map<String, double[]> real(Map<String, StoredWeight> weights) {
        Map<String, double[]> real = new HashMap<>();
        weights.forEach((name, weight) -> real.put(name, weight.real()));
        return real;
    }

    static Map<String, Numbers> numbers(Map<String, HostTensor> tensors) {
        Map<String, Numbers> numbers = new HashMap<>();
        tensors.forEach((name, tensor) -> {
            double[] values = tensor.dtype().isActivation()
                    ? tensor.doubles()
                    : Arrays.stream(tensor.bits()).asDoubleStream().toArray();
            numbers.put(name, new Numbers(tensor.shape(), values));
        });
        return numbers;
    }

    @Override
    public synchronized List<Check> judge(int step, Map<String, HostTensor> outputs, NumericsProfile profile) {
        if (step == 0) {
            history.clear();
        }
        if (history.size() != step) {
            throw new IllegalStateException("step " + step + " of a chain was judged after " + history.size()
                    + " steps: steps are judged in ascending order from 0");
        }
        List<Check> checks = new ArrayList<>();
        Map<String, int[]> choices = new TreeMap<>();
        for (Node node : graph.nodes()) {
            if (node.op() instanceof Op.Route route) {
                choices(step, node, route, outputs, profile, choices, checks);
            }
        }
        if (checks.stream().anyMatch(check -> !check.held())) {
            // What follows an illegal choice means nothing.
            history.add(choices);
            return checks;
        }
        history.add(choices);
        Map<String, Expected> expected = expected(step, profile);
        graph.outputs().forEach((name, value) -> {
            Expected one = expected.get(name);
            HostTensor got = Checks.output(outputs, name);
            switch (one) {
                case Expected.Floats floats -> checks.addAll(floats(name, got, floats.prediction()));
                case Expected.Integers integers -> integers(name, value, got, integers.values(), outputs, checks);
                case null -> throw new IllegalStateException("nothing is expected of output '" + name + "'");
            }
        });
        return checks;
    }

    private String outputOf(Value value) {
        return graph.outputs().entrySet().stream()
                .filter(entry -> entry.getValue().equals(value))
                .map(Map.Entry::getKey)
                .findFirst()
                .orElse("");
    }

    private void choices(
            int step,
            Node node,
            Op.Route route,
            Map<String, HostTensor> outputs,
            NumericsProfile profile,
            Map<String, int[]> choices,
            List<Check> checks) {
        String ids = outputOf(node.results().get(0));
        String weightsOut = outputOf(node.results().get(1));
        String logits = outputOf(node.operand(0));
        if (ids.isEmpty() || weightsOut.isEmpty() || logits.isEmpty()) {
            throw new IllegalStateException("router '" + node.name()
                    + "' of a chain must show logits, ids and weights as outputs, so that its choice can be judged");
        }
        HostTensor chosen = Checks.output(outputs, ids);
        HostTensor scores = Checks.output(outputs, logits);
        double[] values = scores.doubles();
        float[] single = new float[values.length];
        for (int index = 0; index < single.length; index++) {
            single[index] = (float) values[index];
        }
        float[] bias = new float[route.experts()];
        if (node.operands().size() > 1) {
            double[] real = weight(node.operand(1)).real();
            for (int expert = 0; expert < bias.length; expert++) {
                bias[expert] = (float) real[expert];
            }
        }
        int tokens = scores.shape()[0];
        Verdict verdict = RoutingComparator.judge(
                chosen.asBits(),
                Checks.output(outputs, weightsOut).asFloats(),
                rule(route),
                new RoutingInputs(tokens, route.experts(), single, bias, route.normalize(), Degeneracy.of()),
                RoutingComparator.IdOrder.DESCENDING,
                profile.flushesSubnormals() ? Subnormals.FLUSHED : Subnormals.KEPT);
        checks.add(new Check("step " + step + ": " + node.name() + ": choice", verdict, tokens == 0));
        choices.put(node.name(), chosen.integers());
    }

    private StoredWeight weight(Value value) {
        StoredWeight found = weights.get(value.name());
        if (found == null) {
            throw new IllegalStateException("the chain has no weight '" + value.name() + "'");
        }
        return found;
    }

    /** Returns the rule of a router. */
    static RoutingRule rule(Op.Route route) {
        return new RoutingRule(
                route.experts(),
                route.groups(),
                route.keptGroups(),
                route.topK(),
                switch (route.score()) {
                    case SIGMOID -> RoutingRule.Score.SIGMOID;
                    case SOFTMAX -> RoutingRule.Score.SOFTMAX;
                    case SQRT_SOFTPLUS -> RoutingRule.Score.SQRT_SOFTPLUS;
                },
                switch (route.groupScore()) {
                    case TOP_TWO_SUM -> RoutingRule.GroupScore.TOP_TWO_SUM;
                    case MAXIMUM -> RoutingRule.GroupScore.MAXIMUM;
                },
                switch (route.masked()) {
                    case NEGATIVE_INFINITY -> RoutingRule.MaskedAs.NEGATIVE_INFINITY;
                    case ZERO -> RoutingRule.MaskedAs.ZERO;
                },
                route.scale());
    }

    private static List<Check> floats(String name, HostTensor got, Ensemble.Prediction prediction) {
        double[] values = prediction.of(got.doubles());
        FloatFormat format = HostTensor.format(got.dtype());
        int[] shape = {values.length};
        FloatTensor specified = new FloatTensor(format, shape, values);
        boolean empty = values.length == 0;
        Verdict elements = FloatComparator.underBound(specified, format, shape, prediction.exact(), prediction.bound());
        List<Check> checks = new ArrayList<>(List.of(new Check(name + ": elements", elements, empty)));
        if (Arrays.stream(values).allMatch(Double::isFinite)) {
            checks.add(new Check(
                    name + ": whole", EnsembleComparator.rootMeanSquare(specified, prediction.bound()), empty));
        }
        return checks;
    }

    private void integers(
            String name,
            Value value,
            HostTensor got,
            int[] expected,
            Map<String, HostTensor> outputs,
            List<Check> checks) {
        Op op = graph.producer(value)
                .map(Node::op)
                .orElseThrow(() -> new IllegalStateException("output '" + name + "' has no producer"));
        if (op instanceof Op.Route) {
            // Judged by its margin already.
            return;
        }
        if (op instanceof Op.Argmax) {
            String logits = outputOf(graph.producer(value).orElseThrow().operand(0));
            if (logits.isEmpty()) {
                throw new IllegalStateException("output '" + name + "' is chosen from logits that are no output");
            }
            HostTensor own = Checks.output(outputs, logits);
            checks.add(Checks.bits(
                    name + " of the device's own logits",
                    got,
                    HostTensor.ints(got.shape(), largest(own.doubles(), own.shape()[1]))));
            return;
        }
        checks.add(Checks.bits(name, got, HostTensor.ints(got.shape(), expected)));
    }

    private static int[] largest(double[] logits, int width) {
        int[] picked = new int[width == 0 ? 0 : logits.length / width];
        for (int row = 0; row < picked.length; row++) {
            double most = Double.NEGATIVE_INFINITY;
            for (int index = 0; index < width; index++) {
                if (logits[row * width + index] > most) {
                    most = logits[row * width + index];
                    picked[row] = index;
                }
            }
        }
        return picked;
    }

    /** Returns what is expected of a step after the choices so far; computed once for each profile and history. */
    private Map<String, Expected> expected(int step, NumericsProfile profile) {
        String key = key(step + 1, profile);
        Map<String, Expected> found = known.get(key);
        if (found == null) {
            Ensemble ensemble = ensembles.remove(key(step, profile));
            if (ensemble == null) {
                ensemble = new Ensemble(graph, real(weights), profile, Ensemble.RUNS, stream);
                for (int before = 0; before < step; before++) {
                    advance(ensemble, before);
                }
            }
            advance(ensemble, step);
            found = expected(ensemble);
            ensembles.put(key, ensemble);
            known.put(key, found);
        }
        return found;
    }

    private void advance(Ensemble ensemble, int step) {
        ensemble.advance(steps.get(step).dims(), numbers(steps.get(step).inputs()), history.get(step));
    }

    /** Names a profile and the choices of the first {@code count} steps. */
    private String key(int count, NumericsProfile profile) {
        StringBuilder key = new StringBuilder(profile.toString());
        for (Map<String, int[]> choices : history.subList(0, count)) {
            key.append('/');
            choices.forEach((router, ids) -> key.append(router).append(Arrays.toString(ids)));
        }
        return key.toString();
    }

    private Map<String, Expected> expected(Ensemble ensemble) {
        Map<String, Expected> expected = new LinkedHashMap<>();
        graph.outputs()
                .forEach((name, value) -> expected.put(
                        name,
                        value.type().dtype().isActivation()
                                ? new Expected.Floats(ensemble.predict(value))
                                : new Expected.Integers(ensemble.integers(value))));
        return expected;
    }
}
