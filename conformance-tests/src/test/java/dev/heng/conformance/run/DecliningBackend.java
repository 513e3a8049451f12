package dev.heng.conformance.run;

import dev.heng.conformance.faulty.ForwardingBackend;
import dev.heng.spi.Backend;
import dev.heng.spi.CompileOptions;
import dev.heng.spi.Support;
import dev.heng.spi.graph.Node;

/** Declines every node. */
final class DecliningBackend extends ForwardingBackend {

    private final String text;

    DecliningBackend(Backend real, String text) {
        super(real);
        this.text = text;
    }

    @Override
    public Support supports(Node node, CompileOptions options) {
        return Support.declined(Support.Code.OPERATOR, text);
    }
}
