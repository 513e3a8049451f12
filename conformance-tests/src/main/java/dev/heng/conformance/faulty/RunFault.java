package dev.heng.conformance.faulty;

import dev.heng.conformance.suite.HostTensor;
import dev.heng.spi.Backend;
import dev.heng.spi.NumericsProfile;
import dev.heng.spi.Program;
import dev.heng.spi.WeightSource;
import dev.heng.spi.graph.Graph;
import dev.heng.spi.graph.Op;
import dev.heng.spi.graph.Value;
import java.util.List;
import java.util.Map;

/** A fault of what is compiled or computed. Every hook does nothing unless a fault overrides it; state belongs in {@link RunAccess#memory}. */
public abstract class RunFault extends Fault {

    /** Describes a fault of one or more operators' kernels as {@link Fault} does. */
    protected RunFault(String id, String description, String rule, List<Class<? extends Op>> ops) {
        super(id, description, rule, ops);
    }

    /** Describes a fault outside kernels as {@link Fault} does. */
    protected RunFault(String id, String description, String rule) {
        super(id, description, rule, List.of());
    }

    @Override
    public final Backend plant(Backend real) {
        return new FaultyBackend(real, this);
    }

    /** Returns the profile that the faulty backend declares. */
    protected NumericsProfile profile(NumericsProfile real) {
        return real;
    }

    /**
     * Returns the graph that is really compiled. Its states, weights and outputs have the original's names and types; its inputs too,
     * but for those that {@link #inputs} provides.
     */
    protected Graph graph(Graph graph) {
        return graph;
    }

    /** Returns the bytes that are really used for a weight. */
    protected WeightSource.WeightData weight(Value weight, WeightSource.WeightData data) {
        return data;
    }

    /** Returns the plan that is shown. */
    protected List<Program.Step> plan(List<Program.Step> real) {
        return real;
    }

    /** Returns what the device really reads in place of inputs, by name; the caller's buffers stay as they are. */
    protected Map<String, HostTensor> inputs(RunAccess run) {
        return Map.of();
    }

    /** Is called before each run. */
    protected void beforeRun(RunAccess run) {}

    /** Is called after each run. */
    protected void afterRun(RunAccess run) {}
}
