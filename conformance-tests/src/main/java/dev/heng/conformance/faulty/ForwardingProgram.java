package dev.heng.conformance.faulty;

import dev.heng.spi.Bindings;
import dev.heng.spi.Program;
import dev.heng.spi.graph.Graph;
import java.util.List;

/** A program that hands every call on to another one, which it owns. */
class ForwardingProgram implements Program {

    private final Program real;

    ForwardingProgram(Program real) {
        this.real = real;
    }

    final Program real() {
        return real;
    }

    @Override
    public Graph graph() {
        return real.graph();
    }

    @Override
    public List<Step> plan() {
        return real.plan();
    }

    @Override
    public void run(Bindings bindings) {
        real.run(bindings);
    }

    @Override
    public void close() {
        real.close();
    }
}
