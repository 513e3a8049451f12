package dev.heng.runtime.registry;

import dev.heng.spi.Backend;
import dev.heng.spi.Bindings;
import dev.heng.spi.Buffer;
import dev.heng.spi.BufferRequest;
import dev.heng.spi.Ceiling;
import dev.heng.spi.Communicator;
import dev.heng.spi.CompileOptions;
import dev.heng.spi.DeviceInfo;
import dev.heng.spi.NumericsProfile;
import dev.heng.spi.Program;
import dev.heng.spi.Support;
import dev.heng.spi.WeightSource;
import dev.heng.spi.graph.Graph;
import dev.heng.spi.graph.Node;
import java.util.List;

/**
 * A backend of a plug-in, called with the plug-in's class loader as the thread's context class loader. Buffers are the plug-in's own objects: it
 * gets them back in bindings and must recognise them, and their calls copy bytes and look up nothing.
 */
final class PluginBackend implements Backend {

    private final Backend backend;
    private final ClassLoader loader;

    PluginBackend(Backend backend, ClassLoader loader) {
        this.backend = backend;
        this.loader = loader;
    }

    @Override
    public DeviceInfo device() {
        return ContextClassLoader.call(loader, backend::device);
    }

    @Override
    public NumericsProfile numerics() {
        return ContextClassLoader.call(loader, backend::numerics);
    }

    @Override
    public Threading threading() {
        return ContextClassLoader.call(loader, backend::threading);
    }

    @Override
    public MemoryInfo memory() {
        return ContextClassLoader.call(loader, backend::memory);
    }

    @Override
    public Support supports(Node node, CompileOptions options) {
        return ContextClassLoader.call(loader, () -> backend.supports(node, options));
    }

    @Override
    public Buffer allocate(BufferRequest request) {
        return ContextClassLoader.call(loader, () -> backend.allocate(request));
    }

    @Override
    public Program compile(Graph graph, WeightSource weights, CompileOptions options) {
        return new PluginProgram(
                ContextClassLoader.call(loader, () -> backend.compile(graph, weights, options)), loader);
    }

    @Override
    public byte[] newGroupId() {
        return ContextClassLoader.call(loader, backend::newGroupId);
    }

    @Override
    public Communicator join(Communicator.Group group) {
        return ContextClassLoader.call(loader, () -> backend.join(group));
    }

    @Override
    public List<Ceiling> measureCeilings() {
        return ContextClassLoader.call(loader, backend::measureCeilings);
    }

    @Override
    public void close() {
        ContextClassLoader.run(loader, backend::close);
    }

    private record PluginProgram(Program program, ClassLoader loader) implements Program {

        @Override
        public Graph graph() {
            return program.graph();
        }

        @Override
        public List<Step> plan() {
            return ContextClassLoader.call(loader, program::plan);
        }

        @Override
        public void run(Bindings bindings) {
            ContextClassLoader.run(loader, () -> program.run(bindings));
        }

        @Override
        public void close() {
            ContextClassLoader.run(loader, program::close);
        }
    }
}
