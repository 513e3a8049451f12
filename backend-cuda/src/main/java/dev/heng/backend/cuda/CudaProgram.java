package dev.heng.backend.cuda;

import dev.heng.backend.cuda.device.CudaDevice;
import dev.heng.backend.cuda.lowering.Command;
import dev.heng.backend.cuda.lowering.Lowering;
import dev.heng.backend.cuda.lowering.MatrixMap;
import dev.heng.backend.cuda.lowering.MatrixUnit;
import dev.heng.kernels.cuda.ArgumentBlocks;
import dev.heng.spi.Bindings;
import dev.heng.spi.Buffer;
import dev.heng.spi.CompileOptions;
import dev.heng.spi.Program;
import dev.heng.spi.SizeBounds;
import dev.heng.spi.graph.Graph;
import dev.heng.spi.graph.Node;
import dev.heng.spi.graph.Op;
import dev.heng.spi.graph.Value;
import dev.heng.spi.tensor.Dim;
import dev.heng.spi.tensor.RopeFrequencies;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * A compiled graph. The launches for sizes and addresses that were met are kept; met a second time they are captured as one device graph, so that a decoding step is
 * one launch.
 */
final class CudaProgram implements Program {

    /** Combinations of sizes and addresses whose launches are kept. */
    private static final int KEPT = 16;

    private record Key(Map<String, Long> dims, List<Long> addresses) {}

    /** Launches, and the device graph made of them once they repeat. */
    private static final class Prepared {
        private final Arena arena;
        private final List<Command> commands;
        private boolean ran;
        private long graph;

        Prepared(Arena arena, List<Command> commands) {
            this.arena = arena;
            this.commands = commands;
        }
    }

    private final CudaBackend backend;
    private final CudaDevice device;
    private final Graph graph;
    private final CudaWeights weights;
    private final Map<String, Value> bound;
    private final SizeBounds bounds;
    private final List<Step> steps;
    private final Lowering.Setting setting;
    private final Map<RopeFrequencies, Long> frequencies = new HashMap<>();
    private final LinkedHashMap<Key, Prepared> prepared = new LinkedHashMap<>(16, 0.75f, true);
    private final boolean graphs;
    private final Runnable onClose;
    private final long counters;
    private long scratch;
    private long scratchBytes;
    private boolean closed;

    CudaProgram(
            CudaBackend backend,
            CudaDevice device,
            Graph graph,
            CudaWeights weights,
            ArgumentBlocks blocks,
            MatrixUnit matrices,
            CompileOptions options,
            long fault,
            int number,
            boolean graphs,
            Runnable onClose) {
        this.backend = backend;
        this.device = device;
        this.graph = graph;
        this.weights = weights;
        this.bounds = SizeBounds.of(graph, options);
        this.bound = bindings(graph);
        this.graphs = graphs;
        this.onClose = onClose;
        long counterBytes = 4L * graph.nodes().size();
        this.counters = device.allocate(counterBytes, "graph '" + graph.name() + "': its counters");
        this.setting = new Lowering.Setting(
                graph,
                weights.stored(),
                blocks,
                rope -> frequencies.getOrDefault(rope.frequencies(), 0L),
                fault,
                counters,
                number,
                device.address(),
                matrices);
        boolean compiled = false;
        try {
            device.fill(counters, (byte) 0, counterBytes);
            uploadFrequencies();
            this.steps = planOf(bounds.maxima());
            compiled = true;
        } finally {
            if (!compiled) {
                release();
            }
        }
    }

    /** Lowers for the largest and the smallest run, for the plan and for scratch memory, and allocates that. */
    private List<Step> planOf(Map<String, Long> most) {
        try (Arena arena = Arena.ofConfined()) {
            Lowering largest = new Lowering(setting, most, _ -> Lowering.NO_MEMORY, Lowering.NO_MEMORY, arena);
            Map<String, Long> one = new HashMap<>(most);
            one.computeIfPresent(Dim.TOKENS, (_, tokens) -> Math.min(1, tokens));
            Lowering smallest = new Lowering(setting, one, _ -> Lowering.NO_MEMORY, Lowering.NO_MEMORY, arena);
            reserve(Math.max(largest.scratchBytes(), smallest.scratchBytes()));
            return List.copyOf(largest.steps());
        }
    }

    private void reserve(long bytes) {
        if (bytes > scratchBytes) {
            forget();
            device.free(scratch);
            scratch = 0;
            scratchBytes = 0;
            scratch = device.allocate(bytes, "graph '" + graph.name() + "': its intermediate results");
            scratchBytes = bytes;
        }
    }

    private void uploadFrequencies() {
        for (Node node : graph.nodes()) {
            if (node.op() instanceof Op.Rope rope && !frequencies.containsKey(rope.frequencies())) {
                int pairs = rope.frequencies().pairs();
                long address = device.allocate(8L * pairs, "inverse frequencies");
                frequencies.put(rope.frequencies(), address);
                try (Arena arena = Arena.ofConfined()) {
                    MemorySegment inverse = arena.allocate(ValueLayout.JAVA_DOUBLE, pairs);
                    for (int pair = 0; pair < pairs; pair++) {
                        inverse.setAtIndex(
                                ValueLayout.JAVA_DOUBLE,
                                pair,
                                rope.frequencies().inverse(pair));
                    }
                    backend.stage(address, inverse);
                }
            }
        }
    }

    private static Map<String, Value> bindings(Graph graph) {
        Map<String, Value> bound = new LinkedHashMap<>();
        graph.inputs().forEach(value -> bound.put(value.name(), value));
        graph.states().forEach(value -> bound.put(value.name(), value));
        graph.outputs().forEach(bound::putIfAbsent);
        return bound;
    }

    @Override
    public Graph graph() {
        return graph;
    }

    @Override
    public List<Step> plan() {
        return steps;
    }

    @Override
    public void run(Bindings bindings) {
        if (closed) {
            throw new IllegalStateException("program '" + graph.name() + "' is closed");
        }
        backend.enter();
        Map<String, Long> dims = bounds.sizes(bindings);
        Map<String, Long> addresses = new HashMap<>();
        List<Long> order = new ArrayList<>();
        bound.forEach((name, value) -> {
            long address = address(name, value, bindings);
            addresses.put(name, address);
            order.add(address);
        });
        Key key = new Key(dims, order);
        Prepared work = prepared.get(key);
        if (work == null) {
            work = prepare(dims, addresses);
            prepared.put(key, work);
            if (prepared.size() > KEPT) {
                device.synchronize();
                Map.Entry<Key, Prepared> eldest = prepared.pollFirstEntry();
                drop(eldest.getValue());
            }
        }
        if (work.graph == 0 && work.ran && graphs) {
            List<Command> commands = work.commands;
            work.graph = device.capture(() -> commands.forEach(this::queue));
        }
        if (work.graph != 0) {
            device.launchGraph(work.graph);
        } else {
            work.commands.forEach(this::queue);
            work.ran = true;
        }
    }

    private Prepared prepare(Map<String, Long> dims, Map<String, Long> addresses) {
        Arena arena = Arena.ofShared();
        Lowering lowering = new Lowering(setting, dims, addresses::get, scratch, arena);
        if (lowering.scratchBytes() > scratchBytes) {
            reserve(lowering.scratchBytes());
            arena.close();
            return prepare(dims, addresses);
        }
        lowering.commands().forEach(this::describe);
        return new Prepared(arena, lowering.commands());
    }

    private void describe(Command command) {
        if (command instanceof Command.Launch launch) {
            for (MatrixMap map : launch.maps()) {
                device.describe(
                        launch.arguments().asSlice(map.offset(), MatrixMap.BYTES),
                        map.element().type(),
                        map.address(),
                        map.columns(),
                        map.rows(),
                        map.rowBytes(),
                        map.boxColumns(),
                        map.boxRows(),
                        map.swizzled());
            }
        }
    }

    private void queue(Command command) {
        switch (command) {
            case Command.Launch launch ->
                device.launch(
                        launch.kernel(),
                        launch.gridX(),
                        launch.gridY(),
                        launch.gridZ(),
                        launch.block(),
                        launch.sharedBytes(),
                        launch.arguments(),
                        launch.overlapping());
            case Command.LibraryProduct product -> backend.multiply(product);
            case Command.Fill fill -> device.fill(fill.address(), fill.value(), fill.bytes());
            case Command.Copy copy -> device.copy(copy.target(), copy.source(), copy.bytes());
        }
    }

    private long address(String name, Value value, Bindings bindings) {
        Buffer buffer = bindings.buffers().get(name);
        if (buffer == null) {
            throw new IllegalArgumentException("graph '" + graph.name() + "': no buffer is bound to '" + name + "'");
        }
        if (!(buffer instanceof CudaBuffer own) || !own.belongsTo(backend)) {
            throw new IllegalArgumentException("graph '" + graph.name() + "': the buffer bound to '" + name
                    + "' was not allocated by this backend " + device.address());
        }
        long wanted = value.type().bytes(bindings.dims());
        if (buffer.sizeBytes() < wanted) {
            throw new IllegalArgumentException("graph '" + graph.name() + "': the buffer bound to '" + name + "' has "
                    + buffer.sizeBytes() + " bytes; " + value.type() + " takes " + wanted + " in this run");
        }
        return own.address();
    }

    private void forget() {
        if (!prepared.isEmpty()) {
            device.synchronize();
            prepared.values().forEach(this::drop);
            prepared.clear();
        }
    }

    private void drop(Prepared work) {
        if (work.graph != 0) {
            device.destroyGraph(work.graph);
        }
        work.arena.close();
    }

    private void release() {
        forget();
        frequencies.values().forEach(device::free);
        frequencies.clear();
        device.free(counters);
        device.free(scratch);
        scratch = 0;
        weights.close();
    }

    @Override
    public void close() {
        if (closed) {
            return;
        }
        closed = true;
        backend.enter();
        release();
        onClose.run();
    }
}
