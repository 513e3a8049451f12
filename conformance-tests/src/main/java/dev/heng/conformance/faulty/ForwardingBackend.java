package dev.heng.conformance.faulty;

import dev.heng.spi.Backend;
import dev.heng.spi.Buffer;
import dev.heng.spi.BufferRequest;
import dev.heng.spi.Communicator;
import dev.heng.spi.CompileOptions;
import dev.heng.spi.DeviceInfo;
import dev.heng.spi.NumericsProfile;
import dev.heng.spi.Program;
import dev.heng.spi.Support;
import dev.heng.spi.WeightSource;
import dev.heng.spi.graph.Graph;
import dev.heng.spi.graph.Node;

/** A backend that hands every call on to another one, which it owns; what a subclass overrides is all that differs. */
public class ForwardingBackend implements Backend {

    private final Backend real;

    /** Forwards to {@code real}, which this backend closes. */
    protected ForwardingBackend(Backend real) {
        this.real = real;
    }

    /** Returns the backend that calls are handed on to. */
    protected final Backend real() {
        return real;
    }

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
        return real.supports(node, options);
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
    public byte[] newGroupId() {
        return real.newGroupId();
    }

    @Override
    public Communicator join(Communicator.Group group) {
        return real.join(group);
    }

    @Override
    public void close() {
        real.close();
    }
}
