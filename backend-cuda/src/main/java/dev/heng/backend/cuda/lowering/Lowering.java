package dev.heng.backend.cuda.lowering;

import dev.heng.kernels.ScratchPlan;
import dev.heng.kernels.cuda.ArgumentBlocks;
import dev.heng.spi.Program;
import dev.heng.spi.graph.Graph;
import dev.heng.spi.graph.Node;
import dev.heng.spi.graph.Op;
import dev.heng.spi.graph.Value;
import dev.heng.spi.tensor.DType;
import java.lang.foreign.Arena;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.function.ToLongFunction;
import org.jspecify.annotations.Nullable;

/**
 * Turns a graph into launches for one set of sizes and addresses. A run whose sizes and addresses were seen before uses the launches of then.
 *
 * <p>Results lie in scratch memory in their declared type; slices are views of what they look into; inputs are read where they are bound. An output is written where it is
 * bound if nothing after it reads an input, whose buffer it may share (RUN-004), and is copied there at the end otherwise.
 */
public final class Lowering {

    /** Of every value in scratch memory, in bytes. */
    private static final long ALIGNMENT = 256;

    /**
     * What stays the same for all runs of a program.
     *
     * @param graph the graph
     * @param weights by weight
     * @param blocks the kernels' argument blocks
     * @param frequencies address of a rotation's inverse frequencies, in double
     * @param fault address of the backend's fault record
     * @param counters address of an int for each node, zero whenever no kernel runs
     * @param program the number by which a fault names this program
     * @param device {@code cuda:N}, for the plan
     * @param matrices what large products run on
     */
    public record Setting(
            Graph graph,
            Map<Value, StoredWeight> weights,
            ArgumentBlocks blocks,
            ToLongFunction<Op.Rope> frequencies,
            long fault,
            long counters,
            int program,
            String device,
            MatrixUnit matrices) {}

    /** Offset of scratch memory in a plan that is made for its size only. */
    public static final long NO_MEMORY = 1L << 20;

    final Setting setting;
    final Map<String, Long> dims;
    final Arena arena;
    private final ToLongFunction<String> bound;
    private final long scratchBase;
    private final ScratchPlan scratch = new ScratchPlan(ALIGNMENT);
    private final Map<Value, Located> located = new HashMap<>();
    private final Map<Value, Integer> lastUse = new HashMap<>();
    private final List<Long> temporaries = new ArrayList<>();
    private final List<Command> commands = new ArrayList<>();
    private final List<Program.Step> steps = new ArrayList<>();
    private final Map<Value, String> direct = new HashMap<>();
    private final Map<Object, Long> kept = new HashMap<>();
    private @Nullable Node current;

    /**
     * Lowers.
     *
     * @param dims the size of each symbol
     * @param bound address of the buffer that is bound to an input, state or output
     * @param scratchBase address of scratch memory, of at least {@link #scratchBytes()}
     * @param arena owns the argument blocks
     */
    public Lowering(
            Setting setting, Map<String, Long> dims, ToLongFunction<String> bound, long scratchBase, Arena arena) {
        this.setting = setting;
        this.dims = dims;
        this.bound = bound;
        this.scratchBase = scratchBase;
        this.arena = arena;
        lower();
    }

    /** Returns the work in order. */
    public List<Command> commands() {
        return commands;
    }

    /** Returns what became of each node. */
    public List<Program.Step> steps() {
        return steps;
    }

    /** Returns the bytes of scratch memory that the plan uses. */
    public long scratchBytes() {
        return scratch.sizeBytes();
    }

    // ---- the walk
    // ------------------------------------------------------------------------------------------------------------------------

    private void lower() {
        List<Unit> units = Unit.of(setting.graph(), rowsOf(Unit.rowsSymbol(setting.graph())), setting.matrices());
        for (int index = 0; index < units.size(); index++) {
            for (Node node : units.get(index).nodes()) {
                for (Value operand : node.operands()) {
                    lastUse.merge(operand, index, Math::max);
                }
            }
        }
        setting.graph().outputs().values().forEach(value -> lastUse.put(value, units.size()));
        extendViews(units);
        for (Value input : setting.graph().inputs()) {
            located.put(input, at(bound.applyAsLong(input.name()), input));
        }
        findDirectOutputs(units);
        for (int index = 0; index < units.size(); index++) {
            Unit unit = units.get(index);
            current = unit.nodes().getLast();
            steps.add(new Program.Step(emit(unit), unit.nodes(), setting.device()));
            temporaries.forEach(scratch::give);
            temporaries.clear();
            release(unit, index);
        }
        current = null;
        setting.graph().outputs().values().stream().distinct().forEach(this::saveInput);
        setting.graph().outputs().forEach(this::copyOut);
    }

    private long rowsOf(@Nullable String symbol) {
        return symbol == null ? Long.MAX_VALUE : dims.getOrDefault(symbol, Long.MAX_VALUE);
    }

    /** Finds outputs that may be written where they are bound: made after the last look at an input, by a node that makes memory of its own. */
    private void findDirectOutputs(List<Unit> units) {
        int lastInput = -1;
        for (Value input : setting.graph().inputs()) {
            lastInput = Math.max(lastInput, lastUse.getOrDefault(input, -1));
        }
        for (int index = lastInput; index < units.size(); index++) {
            Unit unit = units.get(Math.max(0, index));
            for (Node node : unit.nodes()) {
                for (Map.Entry<String, Value> output : setting.graph().outputs().entrySet()) {
                    boolean here = node.results().contains(output.getValue())
                            && !(node.op() instanceof Op.Slice)
                            && !(node.op() instanceof Op.KvAppend);
                    if (here && index > lastInput) {
                        direct.putIfAbsent(output.getValue(), output.getKey());
                    }
                }
            }
        }
    }

    /** What is read through a view must live as long as the view. Views of views come later in the graph, so go backwards. */
    private void extendViews(List<Unit> units) {
        for (int index = units.size() - 1; index >= 0; index--) {
            for (Node node : units.get(index).nodes()) {
                if (node.op() instanceof Op.Slice) {
                    int use = lastUse.getOrDefault(node.result(), index);
                    lastUse.merge(node.operand(0), use, Math::max);
                }
            }
        }
    }

    private void release(Unit unit, int index) {
        for (Node node : unit.nodes()) {
            node.operands().stream().distinct().forEach(value -> releaseIfDead(value, index));
            node.results().forEach(value -> releaseIfDead(value, index));
        }
    }

    private void releaseIfDead(Value value, int index) {
        Located where = located.get(value);
        if (where == null || !where.root().equals(value) || lastUse.getOrDefault(value, -1) > index) {
            return;
        }
        if (value.role() == Value.Role.RESULT && !direct.containsKey(value) && isInScratch(where)) {
            located.remove(value);
            scratch.give(where.address() - scratchBase);
        }
    }

    private boolean isInScratch(Located where) {
        return where.address() >= scratchBase && where.address() < scratchBase + scratch.sizeBytes();
    }

    private void saveInput(Value output) {
        if (output.role() == Value.Role.STATE) {
            return;
        }
        Located where = where(output);
        if (where.root().role() == Value.Role.INPUT) {
            long rows = rows(output);
            Located saved = new Located(
                    take(rows * width(output) * where.type().bits() / 8),
                    width(output),
                    where.type(),
                    width(output),
                    output);
            located.put(output, saved);
            RowKernels.copy(this, where, saved, rows);
        }
    }

    private void copyOut(String name, Value value) {
        if (value.role() == Value.Role.STATE
                || setting.graph().producer(value).map(Node::op).orElse(null) instanceof Op.KvAppend) {
            return; // the state's buffer is the output
        }
        if (name.equals(direct.get(value))) {
            return;
        }
        RowKernels.copy(this, where(value), at(bound.applyAsLong(name), value), rows(value));
    }

    // ---- places
    // --------------------------------------------------------------------------------------------------------------------------

    /** Returns the number of rows of a value in this run. */
    long rows(Value value) {
        return value.type().shape().dim(0).size(dims);
    }

    /** Returns the elements of a row; a vector is a column of rows of one element. */
    int width(Value value) {
        return value.type().shape().rank() == 1
                ? 1
                : Math.toIntExact(value.type().shape().dim(-1).size(dims));
    }

    private Located at(long address, Value value) {
        return new Located(address, width(value), value.type().dtype(), width(value), value);
    }

    /** Returns where an operand lies. */
    Located where(Value value) {
        Located found = located.get(value);
        if (found == null) {
            throw new IllegalStateException("value '" + value.name() + "' has no place");
        }
        return found;
    }

    /** Gives a result its place. */
    Located place(Value value) {
        String output = direct.get(value);
        Located place = at(
                output != null
                        ? bound.applyAsLong(output)
                        : take(value.type().dtype().bytes(value.type().shape().elements(dims))),
                value);
        located.put(value, place);
        return place;
    }

    /** Makes a value a view of another. */
    void view(Value value, Located into, int from) {
        located.put(
                value,
                new Located(
                        into.address() + (long) from * into.type().bits() / 8,
                        into.stride(),
                        into.type(),
                        width(value),
                        into.root()));
    }

    private long take(long bytes) {
        return scratchBase + scratch.take(bytes);
    }

    /** Takes memory until the unit that is being emitted ends. */
    long temporary(long bytes) {
        long address = take(bytes);
        temporaries.add(address - scratchBase);
        return address;
    }

    /** Returns memory that stays to the end of the run, made by the first who asks for it. */
    long keep(Object key, long bytes, java.util.function.LongConsumer fill) {
        Long known = kept.get(key);
        if (known == null) {
            known = take(bytes);
            kept.put(key, known);
            fill.accept(known);
        }
        return known;
    }

    /** Returns a row-shaped temporary. */
    Located temporaryRows(long rows, int columns, DType type, Value root) {
        return new Located(temporary(rows * columns * type.bits() / 8), columns, type, columns, root);
    }

    /** Returns a weight in device memory. */
    StoredWeight weight(Value value) {
        StoredWeight found = setting.weights().get(value);
        if (found == null) {
            throw new IllegalStateException("'" + value.name() + "' is not a weight of this program");
        }
        return found;
    }

    /** Returns the address of a node's counter, which a kernel finds zero and leaves zero. */
    long counter(Node node) {
        return setting.counters() + 4L * node.index();
    }

    /** Returns the address of the buffer that a state lies in. */
    long state(Value value) {
        return bound.applyAsLong(setting.graph().stateOf(value).name());
    }

    // ---- commands
    // ------------------------------------------------------------------------------------------------------------------------

    /** Begins a kernel's argument block; a block with an origin has it set to the current node. */
    Arguments arguments(String block) {
        ArgumentBlocks.Block layout = setting.blocks().block(block);
        Arguments arguments = new Arguments(layout, arena);
        if (layout.fields().containsKey("origin.fault")) {
            arguments
                    .set("origin.fault", setting.fault())
                    .set("origin.program", setting.program())
                    .set("origin.node", current == null ? -1 : current.index());
        }
        return arguments;
    }

    /** Sets for which node faults are raised; the last of a unit until set. */
    void originIs(Node node) {
        current = node;
    }

    /** Queues a kernel; nothing if its grid is empty. */
    void launch(String kernel, long gridX, long gridY, long gridZ, int block, long sharedBytes, Arguments arguments) {
        launch(kernel, gridX, gridY, gridZ, block, sharedBytes, arguments, false);
    }

    /** Queues a kernel that waits by itself for the one before it, and may start before that has ended. */
    void launchOverlapping(
            String kernel, long gridX, long gridY, long gridZ, int block, long sharedBytes, Arguments arguments) {
        boolean after = !commands.isEmpty() && commands.getLast() instanceof Command.Launch;
        launch(kernel, gridX, gridY, gridZ, block, sharedBytes, arguments, after);
    }

    private void launch(
            String kernel,
            long gridX,
            long gridY,
            long gridZ,
            int block,
            long sharedBytes,
            Arguments arguments,
            boolean overlapping) {
        if (gridX > 0 && gridY > 0 && gridZ > 0) {
            commands.add(new Command.Launch(
                    kernel,
                    Math.toIntExact(gridX),
                    Math.toIntExact(gridY),
                    Math.toIntExact(gridZ),
                    block,
                    Math.toIntExact(sharedBytes),
                    arguments.finished(),
                    overlapping,
                    arguments.maps()));
        }
    }

    /** Queues a product by the library; nothing if it has no rows. */
    void multiply(Command.LibraryProduct product) {
        if (product.rows() > 0) {
            commands.add(product);
        }
    }

    /** Queues a fill. */
    void fill(long address, int value, long bytes) {
        if (bytes > 0) {
            commands.add(new Command.Fill(address, (byte) value, bytes));
        }
    }

    // ---- units
    // ---------------------------------------------------------------------------------------------------------------------------

    private String emit(Unit unit) {
        return switch (unit) {
            case Unit.Single single -> emitSingle(single.node());
            case Unit.LinearAdd fused -> ProductKernels.linear(this, fused.linear(), fused, fused.result());
            case Unit.Gated gated ->
                rows(gated.swiglu().result()) <= Unit.FEW_ROWS
                        ? FewRowsKernels.gated(this, gated)
                        : MatrixProducts.gated(this, gated);
            case Unit.Experts experts ->
                rows(experts.result()) <= Unit.FEW_ROWS
                        ? FewRowsKernels.experts(this, experts)
                        : MatrixExperts.experts(this, experts);
            case Unit.SharedExperts experts -> FewRowsKernels.sharedExperts(this, experts);
            case Unit.Projections projections -> FewRowsKernels.projections(this, projections);
            case Unit.Router router -> FewRowsKernels.router(this, router);
            case Unit.Latent latent -> AttentionKernels.latent(this, latent);
        };
    }

    private String emitSingle(Node node) {
        return switch (node.op()) {
            case Op.Embed _ -> RowKernels.embed(this, node);
            case Op.Add _ -> RowKernels.add(this, node);
            case Op.Cast _ -> RowKernels.cast(this, node);
            case Op.Slice slice -> {
                view(node.result(), where(node.operand(0)), slice.from());
                yield "view";
            }
            case Op.SelectRows _ -> RowKernels.select(this, node);
            case Op.RmsNorm norm -> RowKernels.norm(this, node, norm);
            case Op.Swiglu _ -> RowKernels.swiglu(this, node);
            case Op.Rope rope -> RowKernels.rope(this, node, rope);
            case Op.Linear _ -> ProductKernels.linear(this, node, null, node.result());
            case Op.GroupedLinear grouped -> ProductKernels.grouped(this, node, grouped);
            case Op.KvAppend append -> AttentionKernels.append(this, node, append);
            case Op.MlaAttention attention -> AttentionKernels.latent(this, node, attention, null);
            case Op.GroupedQueryAttention attention -> AttentionKernels.grouped(this, node, attention);
            case Op.Route route -> ExpertKernels.route(this, node, route);
            case Op.Dispatch dispatch -> ExpertKernels.dispatch(this, node, dispatch);
            case Op.Combine _ -> ExpertKernels.combine(this, node);
            case Op.Argmax _ -> RowKernels.argmax(this, node);
            case Op.Sample _ -> RowKernels.sample(this, node);
            case Op.AllReduce _ -> ExpertKernels.allReduce(this, node);
            case Op.AllToAll exchange -> ExpertKernels.allToAll(this, node, exchange);
            case Op.AllToAllReturn _ -> ExpertKernels.allToAllReturn(this, node);
        };
    }
}
