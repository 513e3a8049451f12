package dev.heng.conformance.faulty;

import dev.heng.spi.NumericsProfile;
import dev.heng.spi.Program;
import dev.heng.spi.WeightSource;
import dev.heng.spi.graph.Graph;
import dev.heng.spi.graph.Value;
import java.util.List;

/** One way to be wrong. Every hook does nothing unless a fault overrides it. */
public abstract class Fault {

    private final String id;
    private final String cases;

    /**
     * Names a fault.
     *
     * @param id {@code family/name}
     * @param cases the cases that may kill it, as a case pattern: all those of the operator that it is planted in
     */
    protected Fault(String id, String cases) {
        this.id = id;
        this.cases = cases;
    }

    /** Returns {@code family/name}. */
    public final String id() {
        return id;
    }

    /** Returns the pattern of the cases that may kill this fault. */
    public final String cases() {
        return cases;
    }

    /** Returns the profile that the faulty backend declares. */
    protected NumericsProfile profile(NumericsProfile real) {
        return real;
    }

    /** Is called before a graph is compiled; may throw. */
    protected void beforeCompile(Graph graph) {}

    /** Returns the graph that is really compiled; its inputs, states, weights and outputs have the original's names and types. */
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

    /** Is called before each run. */
    protected void beforeRun(RunAccess run) {}

    /** Is called after each run. */
    protected void afterRun(RunAccess run) {}

    @Override
    public final String toString() {
        return id;
    }
}
