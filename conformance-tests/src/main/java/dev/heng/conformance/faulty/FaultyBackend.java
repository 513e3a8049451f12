package dev.heng.conformance.faulty;

import dev.heng.conformance.suite.HostTensor;
import dev.heng.spi.Backend;
import dev.heng.spi.Bindings;
import dev.heng.spi.Buffer;
import dev.heng.spi.BufferRequest;
import dev.heng.spi.CompileOptions;
import dev.heng.spi.NumericsProfile;
import dev.heng.spi.Program;
import dev.heng.spi.WeightSource;
import dev.heng.spi.graph.Graph;
import java.lang.foreign.MemorySegment;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/** A real backend with one fault planted in what it compiles and runs. Threading and ownership are the real one's. */
public final class FaultyBackend extends ForwardingBackend {

    private final RunFault fault;

    /** Plants {@code fault} in {@code real}, which this backend owns from now on. */
    public FaultyBackend(Backend real, RunFault fault) {
        super(real);
        this.fault = fault;
    }

    @Override
    public NumericsProfile numerics() {
        return fault.profile(super.numerics());
    }

    @Override
    public Program compile(Graph graph, WeightSource weights, CompileOptions options) {
        WeightSource altered = weight -> fault.weight(weight, weights.data(weight));
        Graph compiled = fault.graph(graph);
        return new Faulty(super.compile(compiled, altered, options), graph, compiled, weights, options);
    }

    /** A program whose runs go wrong. */
    private final class Faulty extends ForwardingProgram {
        private final Graph graph;
        private final Graph compiled;
        private final WeightSource weights;
        private final CompileOptions options;
        private final Map<String, Buffer> substitutes = new HashMap<>();
        private final Map<String, Object> memory = new HashMap<>();

        Faulty(Program program, Graph graph, Graph compiled, WeightSource weights, CompileOptions options) {
            super(program);
            this.graph = graph;
            this.compiled = compiled;
            this.weights = weights;
            this.options = options;
        }

        @Override
        public Graph graph() {
            return graph;
        }

        @Override
        public List<Step> plan() {
            return fault.plan(super.plan());
        }

        @Override
        public void run(Bindings bindings) {
            RunAccess access = new RunAccess(graph, bindings, weights, memory);
            fault.beforeRun(access);
            super.run(substituted(bindings, fault.inputs(access)));
            fault.afterRun(access);
        }

        private Bindings substituted(Bindings bindings, Map<String, HostTensor> inputs) {
            if (inputs.isEmpty()) {
                return bindings;
            }
            Map<String, Buffer> buffers = new HashMap<>(bindings.buffers());
            inputs.forEach((name, tensor) -> {
                Buffer substitute = substitutes.computeIfAbsent(
                        name,
                        input -> FaultyBackend.super.allocate(new BufferRequest(
                                input,
                                BufferRequest.Usage.TENSOR,
                                compiled.value(input).type(),
                                options.maxima())));
                substitute.write(MemorySegment.ofArray(tensor.bytes()), 0);
                buffers.put(name, substitute);
            });
            return new Bindings(bindings.dims(), bindings.batch(), buffers);
        }

        @Override
        public void close() {
            super.close();
            substitutes.values().forEach(Buffer::close);
            substitutes.clear();
        }
    }
}
