package com.acme.heng;

import dev.heng.spi.Bindings;
import dev.heng.spi.CompileOptions;
import dev.heng.spi.Program;
import dev.heng.spi.graph.Graph;
import dev.heng.spi.graph.Node;
import dev.heng.spi.graph.Value;
import dev.heng.spi.tensor.Dim;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeSet;

/** A compiled graph of additions. */
final class AcmeProgram implements Program {

    private static final ValueLayout.OfFloat FLOAT = ValueLayout.JAVA_FLOAT_UNALIGNED;

    private final AcmeBackend owner;
    private final Graph graph;
    private final CompileOptions options;
    private boolean closed;

    AcmeProgram(AcmeBackend owner, Graph graph, CompileOptions options) {
        this.owner = owner;
        this.graph = graph;
        this.options = options;
        for (String symbol : symbols(graph)) {
            Long bound = options.maxima().get(symbol);
            if (bound == null || bound < 0 || bound > Integer.MAX_VALUE) {
                throw new IllegalArgumentException("symbol " + symbol + " has the bound " + bound);
            }
        }
    }

    private static TreeSet<String> symbols(Graph graph) {
        TreeSet<String> symbols = new TreeSet<>();
        for (Value value : graph.values()) {
            for (Dim dim : value.type().shape().dims()) {
                if (dim.symbol() != null) {
                    symbols.add(dim.symbol());
                }
            }
        }
        return symbols;
    }

    @Override
    public Graph graph() {
        return graph;
    }

    @Override
    public List<Step> plan() {
        return graph.nodes().stream()
                .map(node -> new Step("acme_add", List.of(node), owner.device().address()))
                .toList();
    }

    @Override
    public void run(Bindings bindings) {
        if (closed) {
            throw new IllegalStateException(this + " is closed");
        }
        for (String symbol : symbols(graph)) {
            Long size = bindings.dims().get(symbol);
            long bound = options.maxima().get(symbol);
            if (size == null || size < 0 || size > bound) {
                throw new IllegalArgumentException(
                        "graph '" + graph.name() + "': symbol " + symbol + " is " + size + ", its bound is " + bound);
            }
        }
        Map<Value, MemorySegment> values = new HashMap<>();
        // Inputs are copied, since a buffer may be bound to an output too.
        for (Value input : graph.inputs()) {
            MemorySegment bound = bound(input.name(), input, bindings);
            values.put(input, MemorySegment.ofArray(bound.toArray(ValueLayout.JAVA_BYTE)));
        }
        graph.outputs().forEach((name, value) -> bound(name, value, bindings));
        for (Node node : graph.nodes()) {
            MemorySegment left = values.get(node.operand(0));
            MemorySegment right = values.get(node.operand(1));
            MemorySegment sum = MemorySegment.ofArray(new byte[(int) left.byteSize()]);
            for (long offset = 0; offset < sum.byteSize(); offset += Float.BYTES) {
                sum.set(FLOAT, offset, left.get(FLOAT, offset) + right.get(FLOAT, offset));
            }
            values.put(node.result(), sum);
        }
        graph.outputs().forEach((name, value) ->
                bound(name, value, bindings).copyFrom(values.get(value)));
    }

    private MemorySegment bound(String name, Value value, Bindings bindings) {
        String where = "graph '" + graph.name() + "', '" + name + "': ";
        if (!(bindings.buffers().get(name) instanceof AcmeBuffer buffer) || buffer.owner != owner) {
            throw new IllegalArgumentException(where + "no buffer of this backend is bound");
        }
        long bytes = value.type().bytes(bindings.dims());
        if (buffer.sizeBytes() < bytes) {
            throw new IllegalArgumentException(where + "needs " + bytes + " bytes, bound are " + buffer.sizeBytes());
        }
        return buffer.memory().asSlice(0, bytes);
    }

    @Override
    public void close() {
        if (!closed) {
            closed = true;
            owner.forget(this);
        }
    }

    @Override
    public String toString() {
        return "program '" + graph.name() + "'";
    }
}
