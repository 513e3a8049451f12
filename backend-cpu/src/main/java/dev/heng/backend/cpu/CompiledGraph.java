package dev.heng.backend.cpu;

import dev.heng.kernels.cpu.CpuKernelException;
import dev.heng.kernels.cpu.CpuLayout;
import dev.heng.spi.Bindings;
import dev.heng.spi.Buffer;
import dev.heng.spi.CompileOptions;
import dev.heng.spi.Program;
import dev.heng.spi.SizeBounds;
import dev.heng.spi.WeightSource;
import dev.heng.spi.graph.Graph;
import dev.heng.spi.graph.Value;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.function.IntFunction;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** A graph as one program: its instructions, weights and scratch memory. A run is one call of the kernels. */
final class CompiledGraph implements Program {

    private static final Pattern INSTRUCTION = Pattern.compile("instruction (\\d+) \\((\\w+)\\): (.*)");

    private final Kernels kernels;
    private final CpuLayout layout;
    private final Graph graph;
    private final String device;
    private final Arena arena = Arena.ofShared();
    private final WeightStore weights;
    private final MemorySegment scratch;
    private final Kernels.Executable program;
    private final List<Step> steps;
    private final List<Lowering.Cache> caches;
    private final IntFunction<String> origin;
    private final Map<String, List<Instructions.Patch>> patches = new HashMap<>();
    private final Map<String, Value> bound;
    private final Map<String, Long> lastAddresses = new HashMap<>();
    private final Map<String, Integer> symbols;
    private final SizeBounds bounds;
    private final long[] sizes;
    private final Runnable onClose;
    private boolean closed;

    private CompiledGraph(
            Kernels kernels, String device, Graph graph, WeightStore weights, SizeBounds bounds, Runnable onClose) {
        this.kernels = kernels;
        this.layout = kernels.layout();
        this.device = device;
        this.graph = graph;
        this.weights = weights;
        this.bounds = bounds;
        this.symbols = new LinkedHashMap<>();
        bounds.maxima().keySet().forEach(symbol -> symbols.put(symbol, symbols.size()));
        this.onClose = onClose;
        this.bound = Lowering.bindings(graph);
        this.sizes = new long[symbols.size()];
        Lowering lowering = new Lowering(graph, weights, kernels, symbols, bounds.maxima(), arena, device);
        this.steps = List.copyOf(lowering.steps());
        this.caches = List.copyOf(lowering.caches());
        this.origin = lowering::origin;
        this.scratch = kernels.allocate(lowering.scratchBytes());
        MemorySegment instructions = lowering.instructions().encode(arena, scratch.address(), patches);
        // Pointers that a run sets must not be null when instructions are checked; they are set again before each run.
        patches.values().forEach(list -> list.forEach(patch -> store(patch, scratch.address())));
        long[] most = new long[symbols.size()];
        symbols.forEach((symbol, index) -> most[index] = bounds.maxima().getOrDefault(symbol, 0L));
        this.program = createOrGiveBack(instructions, lowering.instructions().count(), most);
    }

    private Kernels.Executable createOrGiveBack(MemorySegment instructions, long count, long[] most) {
        try {
            return kernels.createProgram(instructions, count, most);
        } catch (CpuKernelException e) {
            kernels.free(scratch);
            arena.close();
            throw e;
        }
    }

    static CompiledGraph compile(
            Kernels kernels,
            String device,
            Graph graph,
            WeightSource source,
            CompileOptions options,
            boolean mapped,
            Runnable onClose) {
        SizeBounds bounds = SizeBounds.of(graph, options);
        WeightStore weights = new WeightStore(kernels, graph, source, mapped);
        try {
            return new CompiledGraph(kernels, device, graph, weights, bounds, onClose);
        } catch (RuntimeException e) {
            weights.close();
            throw e;
        }
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
        symbols.forEach((symbol, index) -> sizes[index] = bounds.size(symbol, bindings));
        bound.forEach((name, value) -> bind(name, value, bindings));
        for (Lowering.Cache cache : caches) {
            put(cache, "data", address(cache.state(), bindings));
            put(cache, "pages", cache.pages().size(bindings.dims()));
            put(cache, "page_table", address(cache.pageTable(), bindings));
            put(cache, "sequences", cache.sequences().size(bindings.dims()));
            put(cache, "table_stride", cache.perSequence().size(bindings.dims()));
        }
        try {
            program.run(sizes);
        } catch (CpuKernelException e) {
            throw CpuBackend.translated(named(e), device);
        }
    }

    /** Names the node behind the instruction that the library names by its number. */
    private CpuKernelException named(CpuKernelException e) {
        Matcher matcher = INSTRUCTION.matcher(String.valueOf(e.getMessage()));
        if (!matcher.matches()) {
            return e;
        }
        String node = origin.apply(Integer.parseInt(matcher.group(1)));
        return e.withMessage(
                "graph '" + graph.name() + "', node " + node + " (" + matcher.group(2) + "): " + matcher.group(3));
    }

    @Override
    public void close() {
        if (closed) {
            return;
        }
        closed = true;
        program.close();
        kernels.free(scratch);
        weights.close();
        arena.close();
        onClose.run();
    }

    private void bind(String name, Value value, Bindings bindings) {
        Buffer buffer = bindings.buffer(name);
        long wanted = value.type().bytes(bindings.dims());
        if (buffer.sizeBytes() < wanted) {
            throw new IllegalArgumentException("the buffer bound to '" + name + "' has " + buffer.sizeBytes()
                    + " bytes; " + value.type() + " takes " + wanted + " in this run");
        }
        long address = address(name, bindings);
        Long last = lastAddresses.put(name, address);
        if (last == null || last != address) {
            for (Instructions.Patch patch : patches.getOrDefault(name, List.of())) {
                store(patch, address + patch.offsetBytes());
            }
        }
    }

    private long address(String name, Bindings bindings) {
        Buffer buffer = bindings.buffer(name);
        if (buffer instanceof CpuBuffer own && own.belongsTo(kernels)) {
            return own.address();
        }
        throw new IllegalArgumentException(
                "the buffer bound to '" + name + "' was not allocated by this backend " + device);
    }

    @SuppressWarnings("restricted") // the address is that of a field of an instruction that this program owns
    private static void store(Instructions.Patch patch, long pointer) {
        MemorySegment.ofAddress(patch.address()).reinterpret(8).set(ValueLayout.JAVA_LONG, 0, pointer);
    }

    private void put(Lowering.Cache cache, String field, long value) {
        cache.structure().set(ValueLayout.JAVA_LONG, layout.offset("cache." + field), value);
    }

    /** Returns the memory that this program holds, in bytes, by what it is for. */
    Map<String, Long> memory() {
        Map<String, Long> memory = new TreeMap<>();
        memory.put("weights", weights.bytes());
        memory.put("scratch", scratch.byteSize() + program.scratchBytes());
        return memory;
    }
}
