package dev.heng.conformance.run;

import dev.heng.spi.Backend;
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

/** Declines every node. */
record DecliningBackend(Backend real, String text) implements Backend {

    @Override
    public DeviceInfo device() {
        return real.device();
    }

    @Override
    public NumericsProfile numerics() {
        return real.numerics();
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
        return Support.declined(Support.Code.OPERATOR, text);
    }

    @Override
    public Buffer allocate(BufferRequest request) {
        return real.allocate(request);
    }

    @Override
    public Program compile(Graph graph, WeightSource weights, CompileOptions options) {
        return real.compile(graph, weights, options);
    }

    @Override
    public void close() {
        real.close();
    }
}
