package dev.heng.conformance.suite;

import dev.heng.conformance.fill.Degeneracy;
import dev.heng.spi.BackendException;
import dev.heng.spi.Batch;
import dev.heng.spi.graph.Graph;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * A case with its data: what to compile, what to run in which order, and how to judge.
 *
 * @param graph the graph
 * @param weights every weight of the graph by name; copied
 * @param steps runs in order over the same states; copied
 * @param judge the judge
 * @param degeneracy what the fills had to trigger and did
 * @param fullySpecified whether rules leave no element of an output open, so that two runs must agree bit for bit where the
 *     profile declares determinism
 */
public record Scenario(
        Graph graph,
        Map<String, StoredWeight> weights,
        List<Step> steps,
        Judge judge,
        Degeneracy degeneracy,
        boolean fullySpecified) {

    public Scenario {
        weights = Map.copyOf(weights);
        steps = List.copyOf(steps);
    }

    /** Returns a scenario of one step, sound and fully specified. */
    public static Scenario of(
            Graph graph,
            Map<String, StoredWeight> weights,
            Map<String, Long> dims,
            Map<String, HostTensor> inputs,
            Judge judge) {
        return new Scenario(graph, weights, List.of(Step.of(dims, inputs)), judge, Degeneracy.of(), true);
    }

    /** Returns this scenario with what its fills found out. */
    public Scenario with(Degeneracy found) {
        return new Scenario(graph, weights, steps, judge, degeneracy.and(found), fullySpecified);
    }

    /** Returns this scenario with elements that rules leave open. */
    public Scenario partlySpecified() {
        return new Scenario(graph, weights, steps, judge, degeneracy, false);
    }

    /**
     * One run.
     *
     * @param dims the size of each symbol; copied
     * @param batch the host's mirror of positions
     * @param inputs every input by name; copied
     * @param refusal what the backend must refuse this run with, or null if it must run
     */
    public record Step(
            Map<String, Long> dims,
            Batch batch,
            Map<String, HostTensor> inputs,
            BackendException.@Nullable Code refusal) {

        public Step {
            dims = Map.copyOf(dims);
            inputs = Map.copyOf(inputs);
        }

        /** Returns a run of a graph without a cache. */
        public static Step of(Map<String, Long> dims, Map<String, HostTensor> inputs) {
            return new Step(dims, Batch.NONE, inputs, null);
        }

        /** Returns a run that must end in BackendException {@link BackendException.Code#INVALID_DATA}. */
        public static Step invalid(Map<String, Long> dims, Map<String, HostTensor> inputs) {
            return new Step(dims, Batch.NONE, inputs, BackendException.Code.INVALID_DATA);
        }
    }
}
