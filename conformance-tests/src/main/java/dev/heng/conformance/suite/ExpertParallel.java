package dev.heng.conformance.suite;

import dev.heng.spi.WeightSource;
import dev.heng.spi.graph.Graph;
import dev.heng.spi.graph.GraphBuilder;
import dev.heng.spi.graph.Node;
import dev.heng.spi.graph.Op;
import dev.heng.spi.graph.Value;
import dev.heng.spi.tensor.Dim;
import dev.heng.spi.tensor.Shape;
import dev.heng.spi.tensor.TensorType;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/**
 * Rewrites the experts of a layer for several ranks, each of which owns an equal share of them: dispatched rows go through AllToAll, experts'
 * products through AllToAllReturn, and what every rank computes for its own tokens stays what one rank computes for them.
 */
final class ExpertParallel {

    private final Scenario whole;
    private final int rank;
    private final int ranks;
    private final GraphBuilder builder;
    private final Map<String, Value> copies = new HashMap<>();
    private final Map<String, StoredWeight> weights;

    private ExpertParallel(Scenario whole, int rank, int ranks) {
        this.whole = whole;
        this.rank = rank;
        this.ranks = ranks;
        this.builder = new GraphBuilder(whole.graph().name() + "-rank-" + rank);
        this.weights = new HashMap<>(whole.weights());
    }

    /**
     * Returns what one rank runs of a scenario without caches. Its judge is that of the whole: the same outputs for the same tokens.
     *
     * @param whole experts of a layer on one rank, whose number of experts {@code ranks} divides
     */
    static Scenario of(Scenario whole, int rank, int ranks) {
        return new ExpertParallel(whole, rank, ranks).scenario();
    }

    private Scenario scenario() {
        Graph graph = whole.graph();
        for (Value value : graph.values()) {
            switch (value.role()) {
                case INPUT -> copies.put(value.name(), builder.input(value.name(), value.type()));
                case WEIGHT -> copies.put(value.name(), weight(graph, value));
                case STATE -> throw new IllegalArgumentException("'" + value.name() + "' is a cache");
                case RESULT -> {}
            }
        }
        Node sent = null;
        for (Node node : graph.nodes()) {
            Value[] operands = node.operands().stream().map(this::copy).toArray(Value[]::new);
            if (node.op() instanceof Op.Combine && sent != null) {
                Op.AllToAll there = (Op.AllToAll) sent.op();
                operands[0] = builder.add(
                                "all_to_all_return",
                                new Op.AllToAllReturn(ranks, there.localExperts()),
                                operands[0],
                                sent.results().get(2),
                                sent.operand(1))
                        .results()
                        .getFirst();
            }
            Node made = builder.add(node.name(), node.op(), operands);
            for (Value result : made.results()) {
                copies.put(result.name(), result);
            }
            if (node.op() instanceof Op.Dispatch dispatch) {
                Value rows = made.results().get(0);
                Value offsets = made.results().get(1);
                sent = builder.add(
                        "all_to_all", new Op.AllToAll(ranks, dispatch.localExperts() / ranks), rows, offsets);
                // Experts read what arrived under the names of what was dispatched.
                copies.put(rows.name(), sent.results().get(0));
                copies.put(offsets.name(), sent.results().get(1));
            }
        }
        graph.outputs().forEach((name, value) -> builder.output(name, copy(value)));
        return new Scenario(
                builder.build(), weights, whole.steps(), whole.judge(), whole.degeneracy(), whole.fullySpecified());
    }

    private Value copy(Value value) {
        Value copy = copies.get(value.name());
        if (copy == null) {
            throw new IllegalStateException("'" + value.name() + "' is used before it is made");
        }
        return copy;
    }

    /** Declares a weight; of experts' matrices this rank's share. */
    private Value weight(Graph graph, Value value) {
        StoredWeight stored = weights.get(value.name());
        boolean ofExperts = graph.nodes().stream()
                .anyMatch(node ->
                        node.op() instanceof Op.GroupedLinear && node.operands().contains(value));
        if (!ofExperts || stored == null) {
            return builder.weight(value.name(), value.type());
        }
        List<Dim> dims = value.type().shape().dims();
        int share = Math.toIntExact(dims.getFirst().size()) / ranks;
        TensorType type = new TensorType(
                value.type().dtype(),
                Shape.of(share, dims.get(1).size(), dims.get(2).size()),
                value.type().quantization());
        int elements = stored.real().length / ranks;
        weights.put(
                value.name(),
                new StoredWeight(
                        type,
                        new WeightSource.WeightData(stored.data().parts().subList(rank * share, (rank + 1) * share)),
                        Arrays.copyOfRange(stored.real(), rank * elements, (rank + 1) * elements)));
        return builder.weight(value.name(), type);
    }
}
