package dev.heng.runtime.fallback;

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
import java.lang.foreign.MemorySegment;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Predicate;

/**
 * A device of its own that computes with the reference, declines what a test says, and takes neither nodes that it declined nor buffers of another device.
 */
final class DecliningBackend implements Backend {

    private final Backend reference;
    private final String name;
    private final Predicate<Node> declines;

    DecliningBackend(Backend reference, String name, Predicate<Node> declines) {
        this.reference = reference;
        this.name = name;
        this.declines = declines;
    }

    @Override
    public DeviceInfo device() {
        return new DeviceInfo(name, 0, "a test's device", -1, true, Map.of());
    }

    @Override
    public NumericsProfile numerics() {
        return reference.numerics();
    }

    @Override
    public Threading threading() {
        return Threading.SERIAL;
    }

    @Override
    public MemoryInfo memory() {
        return reference.memory();
    }

    @Override
    public Support supports(Node node, CompileOptions options) {
        return declines.test(node)
                ? Support.declined(
                        Support.Code.OPERATOR, name + " has no " + node.op().name())
                : Support.SUPPORTED;
    }

    @Override
    public Buffer allocate(BufferRequest request) {
        return new Owned(this, reference.allocate(request));
    }

    @Override
    public Program compile(Graph graph, WeightSource weights, CompileOptions options) {
        for (Node node : graph.nodes()) {
            if (declines.test(node)) {
                throw new AssertionError(name + " was given '" + node.name() + "', which it declines");
            }
        }
        Program program = reference.compile(graph, weights, options);
        return new Program() {
            @Override
            public Graph graph() {
                return graph;
            }

            @Override
            public List<Step> plan() {
                return program.plan().stream()
                        .map(step -> new Step(step.kernel(), step.nodes(), device().address()))
                        .toList();
            }

            @Override
            public void run(Bindings bindings) {
                Map<String, Buffer> own = new HashMap<>();
                bindings.buffers().forEach((binding, buffer) -> own.put(binding, unwrap(binding, buffer)));
                program.run(new Bindings(bindings.dims(), bindings.batch(), own));
            }

            @Override
            public void close() {
                program.close();
            }
        };
    }

    private Buffer unwrap(String binding, Buffer buffer) {
        if (buffer instanceof Owned owned && owned.owner().equals(this)) {
            return owned.buffer();
        }
        throw new AssertionError(name + " was given a buffer of another device for '" + binding + "'");
    }

    @Override
    public void close() {
        reference.close();
    }

    private record Owned(DecliningBackend owner, Buffer buffer) implements Buffer {

        @Override
        public BufferRequest request() {
            return buffer.request();
        }

        @Override
        public long sizeBytes() {
            return buffer.sizeBytes();
        }

        @Override
        public void write(MemorySegment source, long offsetBytes) {
            buffer.write(source, offsetBytes);
        }

        @Override
        public void read(long offsetBytes, MemorySegment target) {
            buffer.read(offsetBytes, target);
        }

        @Override
        public void fill(byte value) {
            buffer.fill(value);
        }

        @Override
        public void close() {
            buffer.close();
        }
    }
}
