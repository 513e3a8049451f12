package dev.heng.conformance.faulty;

import dev.heng.spi.Backend;
import dev.heng.spi.Bindings;
import dev.heng.spi.Buffer;
import dev.heng.spi.BufferRequest;
import dev.heng.spi.CompileOptions;
import dev.heng.spi.DeviceInfo;
import dev.heng.spi.NumericsProfile;
import dev.heng.spi.Program;
import dev.heng.spi.Support;
import dev.heng.spi.WeightSource;
import dev.heng.spi.graph.Graph;
import dev.heng.spi.graph.Node;
import java.util.List;

/** A real backend with one planted fault at its surface. Threading and ownership are the real one's. */
public final class FaultyBackend implements Backend {

    private final Backend real;
    private final Fault fault;

    /** Plants {@code fault} in {@code real}, which this backend owns from now on. */
    public FaultyBackend(Backend real, Fault fault) {
        this.real = real;
        this.fault = fault;
    }

    @Override
    public DeviceInfo device() {
        return real.device();
    }

    @Override
    public NumericsProfile numerics() {
        return fault.profile(real.numerics());
    }

    @Override
    public Threading threading() {
        return real.threading();
    }

    @Override
    public MemoryInfo memory() {
        return real.memory();
    }

    @Override
    public Support supports(Node node, CompileOptions options) {
        return real.supports(node, options);
    }

    @Override
    public Buffer allocate(BufferRequest request) {
        return real.allocate(request);
    }

    @Override
    public Program compile(Graph graph, WeightSource weights, CompileOptions options) {
        WeightSource altered = weight -> fault.weight(weight, weights.data(weight));
        fault.beforeCompile(graph);
        Program program = real.compile(fault.graph(graph), altered, options);
        return new Faulty(program, graph, weights);
    }

    @Override
    public void close() {
        real.close();
    }

    /** A program whose runs go wrong. */
    private final class Faulty implements Program {
        private final Program program;
        private final Graph graph;
        private final WeightSource weights;

        Faulty(Program program, Graph graph, WeightSource weights) {
            this.program = program;
            this.graph = graph;
            this.weights = weights;
        }

        @Override
        public Graph graph() {
            return graph;
        }

        @Override
        public List<Step> plan() {
            return fault.plan(program.plan());
        }

        @Override
        public void run(Bindings bindings) {
            RunAccess access = new RunAccess(graph, bindings, weights);
            fault.beforeRun(access);
            program.run(bindings);
            fault.afterRun(access);
        }

        @Override
        public void close() {
            program.close();
        }
    }
}
