package dev.heng.backend.cpu;

import dev.heng.kernels.ScratchPlan;
import dev.heng.kernels.cpu.CpuLayout;
import dev.heng.spi.Program;
import dev.heng.spi.graph.ActivationFormat;
import dev.heng.spi.graph.Graph;
import dev.heng.spi.graph.Node;
import dev.heng.spi.graph.Op;
import dev.heng.spi.graph.Value;
import dev.heng.spi.tensor.DType;
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
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;

/**
 * Turns a graph into instructions of the kernels: cuts it into units, places every value, and writes the instructions of each unit.
 *
 * <p>Results live as float32 (or int32) in scratch memory, rounded to their declared type; slices and widening casts are views of what they
 * read. F32 and integer inputs are read where they are bound, narrower inputs are widened first, and outputs are copied out at the end.
 */
final class Lowering {

    /** Of every value in scratch memory, in bytes. */
    private static final long ALIGNMENT = 64;

    /** Where a value lies and how: rows of {@code stride} elements of 4 bytes, in memory that belongs to {@code root}. */
    private record Located(Place place, long stride, Value root) {}

    /**
     * A cache structure of the kernels, which each run fills in.
     *
     * @param structure its memory
     * @param state the state's name
     * @param pages the first dimension of the state
     * @param pageTable where the page table is bound
     * @param sequences rows of the page table
     * @param perSequence columns of the page table
     */
    record Cache(MemorySegment structure, String state, Dim pages, String pageTable, Dim sequences, Dim perSequence) {}

    private record RopeKey(Value positions, RopeFrequencies frequencies) {}

    private final Graph graph;
    private final WeightStore weights;
    private final CpuLayout layout;
    private final String kernels;
    private final Map<String, Long> maxima;
    private final Arena arena;
    private final String device;
    private final Instructions instructions;
    private final ScratchPlan scratch = new ScratchPlan(ALIGNMENT);
    private final List<Program.Step> steps = new ArrayList<>();
    private final List<Cache> caches = new ArrayList<>();
    private final Map<String, Integer> cacheIndex = new HashMap<>();
    private final Map<Value, Located> located = new HashMap<>();
    private final Map<RopeKey, Place> ropeTables = new HashMap<>();
    private final Map<Value, Place> places = new HashMap<>();
    private final Map<Value, Integer> lastUse = new HashMap<>();
    private final List<Long> temporaries = new ArrayList<>();
    private final Map<Integer, Unit> origins = new HashMap<>();

    Lowering(
            Graph graph,
            WeightStore weights,
            Kernels kernels,
            Map<String, Integer> symbols,
            Map<String, Long> maxima,
            Arena arena,
            String device) {
        this.graph = graph;
        this.weights = weights;
        this.kernels = kernels.label() + " ";
        this.layout = kernels.layout();
        this.maxima = maxima;
        this.arena = arena;
        this.device = device;
        this.instructions = new Instructions(layout, symbols);
        lower();
    }

    Instructions instructions() {
        return instructions;
    }

    List<Program.Step> steps() {
        return steps;
    }

    List<Cache> caches() {
        return caches;
    }

    /** Returns the names of the nodes that an instruction came from, for messages. */
    String origin(int instruction) {
        Unit unit = origins.get(instruction);
        return unit == null
                ? "inputs and outputs"
                : unit.nodes().stream().map(node -> "'" + node.name() + "'").collect(Collectors.joining(", "));
    }

    long scratchBytes() {
        return scratch.sizeBytes();
    }

    // ---- the walk
    // -------------------------------------------------------------------------------------------------------

    private void lower() {
        List<Unit> units = Unit.of(graph);
        for (int index = 0; index < units.size(); index++) {
            for (Node node : units.get(index).nodes()) {
                for (Value operand : node.operands()) {
                    lastUse.put(operand, index);
                }
            }
        }
        graph.outputs().values().forEach(value -> lastUse.put(value, units.size()));
        extendViews(units);
        graph.inputs().forEach(this::bindInput);
        for (int index = 0; index < units.size(); index++) {
            Unit unit = units.get(index);
            int first = instructions.count();
            String kernel = emit(unit);
            for (int instruction = first; instruction < instructions.count(); instruction++) {
                origins.put(instruction, unit);
            }
            steps.add(new Program.Step(kernel, unit.nodes(), device));
            temporaries.forEach(scratch::give);
            temporaries.clear();
            release(unit, index);
        }
        graph.outputs().values().stream().distinct().forEach(this::saveInput);
        graph.outputs().forEach(this::copyOut);
    }

    /** Moves an output that lies in an input's buffer out of the way of other outputs, whose buffer that may be (RUN-004). */
    private void saveInput(Value output) {
        if (output.role() == Value.Role.STATE || !(where(output).place() instanceof Place.Bound)) {
            return;
        }
        instructions.next("COPY", rows(output));
        read("x", output);
        instructions.set("x_type", DType.F32);
        Located saved = place(output);
        instructions
                .writes("y", saved.place(), extent(output, saved))
                .set("y_stride", saved.stride())
                .set("y_type", DType.F32)
                .set("columns", width(output))
                .set("round_to", DType.F32);
    }

    /** What is read through a view must live as long as the view. Views of views come later in the graph, so go backwards. */
    private void extendViews(List<Unit> units) {
        for (int index = units.size() - 1; index >= 0; index--) {
            if (units.get(index) instanceof Unit.Single single && isView(single.node())) {
                int use = lastUse.getOrDefault(single.node().result(), index);
                lastUse.merge(single.node().operand(0), use, Math::max);
            }
        }
    }

    private static boolean isView(Node node) {
        return switch (node.op()) {
            case Op.Slice _ -> true;
            case Op.Cast cast -> widens(node.operand(0).type().dtype(), cast.to());
            default -> false;
        };
    }

    private static boolean widens(DType from, DType to) {
        return from == to || to == DType.F32;
    }

    /** Gives back the memory of values that no later unit reads, results that nobody reads included. */
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
        if (where.place() instanceof Place.Scratch memory) {
            located.remove(value);
            scratch.give(memory.offsetBytes());
        }
        if (places.remove(value) instanceof Place.Scratch memory) {
            scratch.give(memory.offsetBytes());
        }
    }

    private void bindInput(Value input) {
        DType type = input.type().dtype();
        Place bound = new Place.Bound(input.name(), 0);
        if (type != DType.BF16 && type != DType.F16) {
            located.put(input, new Located(bound, width(input), input));
            return;
        }
        Located wide = place(input);
        instructions
                .next("COPY", rows(input))
                .reads("x", bound, 1)
                .set("x_stride", width(input))
                .set("x_type", type)
                .writes("y", wide.place(), extent(input, wide))
                .set("y_stride", wide.stride())
                .set("y_type", DType.F32)
                .set("columns", width(input))
                .set("round_to", DType.F32);
    }

    private void copyOut(String output, Value value) {
        Place target = new Place.Bound(output, 0);
        if (value.role() == Value.Role.STATE) {
            return; // the state's buffer is the output
        }
        DType type =
                value.type().dtype() == DType.I32 ? DType.F32 : value.type().dtype();
        instructions.next("COPY", rows(value));
        read("x", value);
        instructions
                .set("x_type", DType.F32)
                .writes("y", target, 1)
                .set("y_stride", width(value))
                .set("y_type", type)
                .set("columns", width(value))
                .set("round_to", DType.F32);
    }

    // ---- places
    // ---------------------------------------------------------------------------------------------------------

    /** Returns the number of rows; a vector is a column of rows of one element. */
    private static Dim rows(Value value) {
        return value.type().shape().dim(0);
    }

    private long width(Value value) {
        if (value.type().shape().rank() == 1) {
            return 1;
        }
        Dim last = value.type().shape().dim(-1);
        return last.isFixed() ? last.size() : last.size(maxima);
    }

    private Located place(Value value) {
        long bytes = Math.multiplyExact(value.type().shape().elements(maxima), 4L);
        Located where = new Located(new Place.Scratch(scratch.take(bytes)), width(value), value);
        located.put(value, where);
        return where;
    }

    /** Takes memory until the unit that is being emitted ends. */
    private Place temporary(long elements) {
        long offset = scratch.take(Math.multiplyExact(elements, 4L));
        temporaries.add(offset);
        return new Place.Scratch(offset);
    }

    private Located where(Value value) {
        Located found = located.get(value);
        if (found == null) {
            throw new IllegalStateException("value '" + value.name() + "' has no place");
        }
        return found;
    }

    private long extent(Value value, Located where) {
        long rows = rows(value).size(maxima);
        return rows == 0 ? 0 : ((rows - 1) * where.stride() + width(value)) * 4;
    }

    /** Sets {@code field} and {@code field_stride} of the instruction being written to an operand. */
    private void read(String field, Value value) {
        Located where = where(value);
        instructions.reads(field, where.place(), extent(value, where)).set(field + "_stride", where.stride());
    }

    /** Sets a pointer field, of something that has no stride, to an operand. */
    private void readDense(String field, Value value) {
        Located where = where(value);
        instructions.reads(field, where.place(), extent(value, where));
    }

    private void write(String field, Value value) {
        Located where = place(value);
        instructions.writes(field, where.place(), extent(value, where)).set(field + "_stride", where.stride());
    }

    private void writeDense(String field, Value value) {
        Located where = place(value);
        instructions.writes(field, where.place(), extent(value, where));
    }

    private void weight(String field, Value value) {
        instructions.set(field, weights.descriptor(value));
    }

    // ---- units
    // ----------------------------------------------------------------------------------------------------------

    /** Writes a unit's instructions and returns the name of what executes it. */
    private String emit(Unit unit) {
        return switch (unit) {
            case Unit.Single single -> emitSingle(single.node());
            case Unit.LinearAdd fused -> {
                linear(fused.linear(), fused.addend(), fused.add().result());
                yield kernels + "LINEAR+ADD " + formatOf(fused.linear().operand(1));
            }
            case Unit.Gated gated -> {
                gated(gated);
                yield kernels + "GATED_LINEAR " + formatOf(gated.gate().operand(1));
            }
            case Unit.Experts experts -> {
                experts(experts);
                yield kernels + "GROUP+EXPERT_GATE_UP+EXPERT_DOWN "
                        + formatOf(experts.gate().operand(2));
            }
        };
    }

    private static String formatOf(Value weight) {
        return weight.type().isPlain()
                ? weight.type().dtype().toString()
                : weight.type().quantization().toString();
    }

    private String emitSingle(Node node) {
        switch (node.op()) {
            case Op.Embed _ -> {
                instructions.next("EMBED", rows(node.result()));
                weight("table", node.operand(0));
                readDense("tokens", node.operand(1));
                write("y", node.result());
                instructions.set("round_to", node.result().type().dtype());
            }
            case Op.Add _ -> {
                instructions.next("ADD", rows(node.result()));
                read("a", node.operand(0));
                read("b", node.operand(1));
                write("y", node.result());
                instructions
                        .set("columns", width(node.result()))
                        .set("round_to", node.result().type().dtype());
            }
            case Op.Cast cast -> {
                if (isView(node)) {
                    Located x = where(node.operand(0));
                    located.put(node.result(), x);
                    return "view";
                }
                instructions.next("COPY", rows(node.result()));
                read("x", node.operand(0));
                instructions.set("x_type", DType.F32);
                write("y", node.result());
                instructions
                        .set("y_type", DType.F32)
                        .set("columns", width(node.result()))
                        .set("round_to", cast.to());
            }
            case Op.Slice slice -> {
                Located x = where(node.operand(0));
                located.put(node.result(), new Located(x.place().plus(slice.from() * 4L), x.stride(), x.root()));
                return "view";
            }
            case Op.SelectRows _ -> {
                gather(
                        node.operand(0),
                        rows(node.operand(0)),
                        where(node.operand(1)).place(),
                        node.result(),
                        1,
                        false);
            }
            case Op.RmsNorm norm -> {
                Value weight = node.operand(1);
                instructions.next("RMS_NORM", rows(node.result()));
                read("x", node.operand(0));
                weight("weight", weight);
                write("y", node.result());
                instructions
                        .set(
                                "groups",
                                width(node.result())
                                        / weight.type().shape().dim(0).size())
                        .set("epsilon", norm.epsilon())
                        .set("round_to", node.result().type().dtype());
            }
            case Op.Linear _ -> linear(node, null, node.result());
            case Op.Rope rope -> rope(node, rope);
            case Op.KvAppend append -> kvAppend(node, append);
            case Op.MlaAttention attention -> mla(node, attention);
            case Op.GroupedQueryAttention attention -> groupedQuery(node, attention);
            case Op.Route route -> route(node, route);
            case Op.Dispatch dispatch -> {
                Place group = group(node, dispatch);
                gather(
                        node.operand(0),
                        rows(node.operand(0)),
                        where(node.results().get(2)).place(),
                        node.results().get(0),
                        width(node.operand(1)),
                        true);
                places.put(node.results().get(2), group);
                return kernels + "GROUP+GATHER";
            }
            case Op.GroupedLinear grouped -> groupedLinear(node, grouped);
            case Op.Swiglu _ -> {
                instructions.next("SWIGLU", rows(node.result()));
                read("gate", node.operand(0));
                read("up", node.operand(1));
                write("y", node.result());
                instructions
                        .set("columns", width(node.result()))
                        .set("round_to", node.result().type().dtype());
            }
            case Op.Combine _ -> {
                Value origins = node.operand(1);
                Place inverse = places.get(origins);
                long slots = origins.type().shape().elements(maxima);
                if (inverse == null) {
                    inverse = temporary(slots);
                    instructions.next("INVERT", origins.type().shape().dim(0));
                    readDense("origins", origins);
                    instructions.writes("places", inverse, slots * 4);
                }
                instructions.next("COMBINE", rows(node.result()));
                read("x", node.operand(0));
                instructions.reads("places", inverse, slots * 4);
                readDense("weights", node.operand(2));
                write("y", node.result());
                instructions
                        .set("top_k", width(node.operand(2)))
                        .set("columns", width(node.result()))
                        .set("round_to", node.result().type().dtype());
            }
            case Op.Argmax _ -> {
                instructions.next("ARGMAX", rows(node.operand(0)));
                read("x", node.operand(0));
                instructions.set("columns", width(node.operand(0)));
                writeDense("ids", node.result());
            }
            case Op.Sample _ -> {
                instructions.next("SAMPLE", rows(node.operand(0)));
                read("x", node.operand(0));
                instructions.set("columns", width(node.operand(0)));
                readDense("temperature", node.operand(1));
                readDense("top_k", node.operand(2));
                readDense("top_p", node.operand(3));
                readDense("seed", node.operand(4));
                readDense("counter", node.operand(5));
                writeDense("ids", node.result());
            }
            case Op.AllReduce _, Op.AllToAll _, Op.AllToAllReturn _ ->
                throw new IllegalStateException(node.op().name() + " was declined and is lowered all the same");
        }
        return kernels + instructions.opcode(instructions.count() - 1);
    }

    private void gather(Value x, Dim rowsOfX, Place indices, Value y, long divisor, boolean skipNegative) {
        instructions.next("GATHER", rows(y));
        read("x", x);
        instructions
                .set("x_rows", rowsOfX)
                .reads("rows_of", indices, rows(y).size(maxima) * 4)
                .set("divisor", divisor)
                .set("skip_negative", skipNegative);
        write("y", y);
        instructions.set("columns", width(y));
    }

    /** Rounds activations as FP8 where the graph says so, and returns where the products find them. */
    private @Nullable Place quantized(ActivationFormat format, Value x) {
        boolean powerOfTwo = format == ActivationFormat.FP8_PER_TOKEN_128_POWER_OF_TWO;
        if (!powerOfTwo && format != ActivationFormat.FP8_PER_TOKEN_128) {
            return null;
        }
        long elements = x.type().shape().elements(maxima);
        Place rounded = temporary(elements);
        instructions.next("QUANTIZE_E4M3", rows(x));
        read("x", x);
        instructions
                .writes("y", rounded, elements * 4)
                .set("y_stride", width(x))
                .set("columns", width(x))
                .set("power_of_two", powerOfTwo);
        return rounded;
    }

    private void readX(Value x, @Nullable Place rounded) {
        if (rounded == null) {
            read("x", x);
        } else {
            instructions
                    .reads("x", rounded, x.type().shape().elements(maxima) * 4)
                    .set("x_stride", width(x));
        }
    }

    private void linear(Node node, @Nullable Value addend, Value result) {
        Op.Linear op = (Op.Linear) node.op();
        Place rounded = quantized(op.activation(), node.operand(0));
        instructions.next("LINEAR", rows(result));
        weight("weight", node.operand(1));
        readX(node.operand(0), rounded);
        if (node.operands().size() == 3) {
            weight("bias", node.operand(2));
        }
        if (addend != null) {
            read("addend", addend);
        }
        write("y", result);
        instructions
                .set("round_to", op.out())
                .set("sum_round_to", result.type().dtype())
                .set("quantize_activations", op.activation() == ActivationFormat.INT8_PER_TOKEN);
    }

    private void gated(Unit.Gated unit) {
        Op.Linear op = (Op.Linear) unit.gate().op();
        Value result = unit.swiglu().result();
        instructions.next("GATED_LINEAR", rows(result));
        weight("gate", unit.gate().operand(1));
        weight("up", unit.up().operand(1));
        read("x", unit.gate().operand(0));
        write("y", result);
        instructions
                .set("gate_round_to", op.out())
                .set("round_to", result.type().dtype())
                .set("quantize_activations", op.activation() == ActivationFormat.INT8_PER_TOKEN);
    }

    private void groupedLinear(Node node, Op.GroupedLinear op) {
        Place rounded = quantized(op.activation(), node.operand(0));
        instructions.next("EXPERT_LINEAR", rows(node.result()));
        weight("weights", node.operand(2));
        instructions.set("experts", node.operand(2).type().shape().dim(0).size());
        readDense("offsets", node.operand(1));
        instructions.set("top_k", 1);
        readX(node.operand(0), rounded);
        write("y", node.result());
        instructions
                .set("round_to", op.out())
                .set("quantize_activations", op.activation() == ActivationFormat.INT8_PER_TOKEN);
    }

    /** Writes GROUP for a dispatch and returns where the places are, which the graph does not name. */
    private Place group(Node node, Op.Dispatch dispatch) {
        Value ids = node.operand(1);
        long slots = ids.type().shape().elements(maxima);
        Place inverse = new Place.Scratch(scratch.take(slots * 4));
        instructions.next("GROUP", rows(ids));
        readDense("ids", ids);
        instructions
                .set("top_k", width(ids))
                .set("first_expert", dispatch.firstExpert())
                .set("experts", dispatch.localExperts());
        writeDense("offsets", node.results().get(1));
        writeDense("origins", node.results().get(2));
        instructions.writes("places", inverse, slots * 4);
        return inverse;
    }

    private void experts(Unit.Experts unit) {
        Node dispatch = unit.dispatch();
        Op.Dispatch dispatchOp = (Op.Dispatch) dispatch.op();
        Op.GroupedLinear gate = (Op.GroupedLinear) unit.gate().op();
        Op.GroupedLinear down = (Op.GroupedLinear) unit.down().op();
        Value ids = dispatch.operand(1);
        Value offsets = dispatch.results().get(1);
        Value origins = dispatch.results().get(2);
        long topK = width(ids);
        long slots = ids.type().shape().elements(maxima);
        long middle = width(unit.swiglu().result());
        Place inverse = group(dispatch, dispatchOp);
        Place h = temporary(slots * middle);
        instructions.next("EXPERT_GATE_UP", origins.type().shape().dim(0));
        weight("gate", unit.gate().operand(2));
        weight("up", unit.up().operand(2));
        instructions.set("experts", dispatchOp.localExperts());
        readDense("offsets", offsets);
        readDense("origins", origins);
        instructions.set("top_k", topK);
        read("x", dispatch.operand(0));
        instructions
                .writes("h", h, slots * middle * 4)
                .set("h_stride", middle)
                .set("gate_round_to", gate.out())
                .set("round_to", unit.swiglu().result().type().dtype())
                .set("quantize_activations", gate.activation() == ActivationFormat.INT8_PER_TOKEN);
        Value result = unit.result();
        instructions.next("EXPERT_DOWN", rows(result));
        weight("down", unit.down().operand(2));
        instructions.set("first_expert", dispatchOp.firstExpert()).set("experts", dispatchOp.localExperts());
        readDense("ids", ids);
        readDense("offsets", offsets);
        instructions
                .reads("places", inverse, slots * 4)
                .set("top_k", topK)
                .reads("h", h, slots * middle * 4)
                .set("h_stride", middle);
        readDense("weights", unit.combine().operand(2));
        Node add = unit.add();
        if (add != null) {
            read("addend", add.operand(0).equals(unit.combine().result()) ? add.operand(1) : add.operand(0));
        }
        write("y", result);
        instructions
                .set("down_round_to", down.out())
                .set("round_to", unit.combine().result().type().dtype())
                .set("sum_round_to", result.type().dtype())
                .set("quantize_activations", down.activation() == ActivationFormat.INT8_PER_TOKEN);
        if (inverse instanceof Place.Scratch memory) {
            temporaries.add(memory.offsetBytes());
        }
    }

    private void rope(Node node, Op.Rope rope) {
        Value positions = node.operand(1);
        RopeFrequencies frequencies = rope.frequencies();
        long tableBytes = positionsDim(positions).size(maxima) * 2 * frequencies.pairs() * 8;
        Place table = ropeTables.get(new RopeKey(positions, frequencies));
        if (table == null) {
            // One table serves all layers, so that its memory is never given back.
            table = new Place.Scratch(scratch.take(tableBytes));
            ropeTables.put(new RopeKey(positions, frequencies), table);
            MemorySegment inverse = arena.allocate(ValueLayout.JAVA_DOUBLE, frequencies.pairs());
            for (int pair = 0; pair < frequencies.pairs(); pair++) {
                inverse.setAtIndex(ValueLayout.JAVA_DOUBLE, pair, frequencies.inverse(pair));
            }
            instructions.next("ROPE_TABLE", positionsDim(positions));
            readDense("positions", positions);
            instructions
                    .set("inverse", inverse.address())
                    .set("pairs", frequencies.pairs())
                    .set("factor", frequencies.attentionFactor())
                    .writes("table", table, tableBytes);
        }
        instructions.next("ROPE", rows(node.result()));
        read("x", node.operand(0));
        write("y", node.result());
        instructions
                .reads("table", table, tableBytes)
                .set("x_head_stride", rope.headDim())
                .set("y_head_stride", rope.headDim())
                .set("heads", width(node.result()) / rope.headDim())
                .set("width", rope.headDim())
                .set("offset", rope.offset())
                .set("pairs", frequencies.pairs())
                .set("interleaved", rope.pairing() == Op.Pairing.INTERLEAVED)
                .set("round_to", node.result().type().dtype());
    }

    private static Dim positionsDim(Value positions) {
        return positions.type().shape().dim(0);
    }

    // ---- caches
    // ---------------------------------------------------------------------------------------------------------

    private long cache(Value state, Value pageTable) {
        Value root = graph.stateOf(state);
        Integer known = cacheIndex.get(root.name() + "\n" + pageTable.name());
        if (known != null) {
            return caches.get(known).structure().address();
        }
        if (pageTable.role() != Value.Role.INPUT) {
            throw new IllegalArgumentException("page table '" + pageTable.name() + "' is not an input");
        }
        MemorySegment structure = arena.allocate(layout.size("cache"), 8);
        structure.set(
                ValueLayout.JAVA_LONG,
                layout.offset("cache.type"),
                instructions.typeOf(root.type().dtype()));
        structure.set(
                ValueLayout.JAVA_LONG,
                layout.offset("cache.row_stride"),
                root.type().shape().dim(2).size());
        structure.set(
                ValueLayout.JAVA_LONG,
                layout.offset("cache.page_size"),
                root.type().shape().dim(1).size());
        cacheIndex.put(root.name() + "\n" + pageTable.name(), caches.size());
        caches.add(new Cache(
                structure,
                root.name(),
                root.type().shape().dim(0),
                pageTable.name(),
                pageTable.type().shape().dim(0),
                pageTable.type().shape().dim(1)));
        return structure.address();
    }

    private void kvAppend(Node node, Op.KvAppend append) {
        Value state = node.operand(0);
        Value positions = node.operand(append.parts() + 1);
        Value sequences = node.operand(append.parts() + 2);
        long address = cache(state, node.operand(append.parts() + 3));
        long column = 0;
        for (int part = 1; part <= append.parts(); part++) {
            Value x = node.operand(part);
            // Parts write different columns of the same rows: each is a state of its own as far as order is concerned.
            String own = graph.stateOf(state).name();
            instructions.next("CACHE_APPEND", rows(x));
            read("x", x);
            instructions.set("columns", width(x)).set("column_offset", column).set("cache", address);
            readDense("positions", positions);
            readDense("sequences", sequences);
            instructions.writesState(own + "\ncolumn " + column);
            column += width(x);
        }
    }

    private void readsCache(Value state) {
        String name = graph.stateOf(state).name();
        Node producer = graph.producer(state).orElse(null);
        if (producer != null && producer.op() instanceof Op.KvAppend append) {
            long column = 0;
            for (int part = 1; part <= append.parts(); part++) {
                instructions.readsState(name + "\ncolumn " + column);
                column += width(producer.operand(part));
            }
        }
    }

    private void attention(Node node, int paging, int heads, int valueDim, double scale, Value state) {
        Value pageTable = node.operand(paging + 2);
        long pageSize = graph.stateOf(state).type().shape().dim(1).size();
        long context = Math.multiplyExact(pageTable.type().shape().dim(1).size(maxima), pageSize);
        instructions.next("ATTENTION", rows(node.result()));
        read("q", node.operand(0));
        instructions
                .set("q_head_stride", width(node.operand(0)) / heads)
                .set("heads", heads)
                .set("value_width", valueDim)
                .set("keys", cache(state, pageTable))
                .set("max_context", context)
                .set("scale", scale)
                .set("round_to", node.result().type().dtype());
        readDense("positions", node.operand(paging));
        readDense("sequences", node.operand(paging + 1));
        readsCache(state);
        write("y", node.result());
    }

    private void mla(Node node, Op.MlaAttention op) {
        Value kvB = node.operand(2);
        attention(node, 3, op.heads(), op.valueDim(), op.scale(), node.operand(1));
        weight("kv_b", kvB);
        instructions.set("latent", width(kvB)).set("nope", op.nopeDim()).set("rope", op.ropeDim());
    }

    private void groupedQuery(Node node, Op.GroupedQueryAttention op) {
        attention(node, 3, op.heads(), op.valueDim(), op.scale(), node.operand(1));
        instructions
                .set("kv_heads", op.kvHeads())
                .set("key_width", op.headDim())
                .set("values", cache(node.operand(2), node.operand(5)));
        readsCache(node.operand(2));
    }

    // ---- routing
    // --------------------------------------------------------------------------------------------------------

    private void route(Node node, Op.Route op) {
        instructions.next("ROUTE", rows(node.operand(0)));
        read("logits", node.operand(0));
        if (node.operands().size() == 2) {
            instructions.set("bias", weights.elements(node.operand(1)));
        }
        String score = switch (op.score()) {
            case SIGMOID -> "SCORE_SIGMOID";
            case SOFTMAX -> "SCORE_SOFTMAX";
            case SQRT_SOFTPLUS -> "SCORE_SQRT_SOFTPLUS";
        };
        String groupScore = switch (op.groupScore()) {
            case TOP_TWO_SUM -> "GROUP_TOP2_SUM";
            case MAXIMUM -> "GROUP_MAXIMUM";
        };
        instructions
                .set("experts", op.experts())
                .set("top_k", op.topK())
                .set("score", layout.constant(score))
                .set("groups", op.groups())
                .set("kept_groups", op.keptGroups())
                .set("group_score", layout.constant(groupScore))
                .set("masked_to_zero", op.masked() == Op.Route.Masked.ZERO)
                .set("normalize", op.normalize())
                .set("scaling", op.scale());
        writeDense("ids", node.results().get(0));
        writeDense("weights", node.results().get(1));
    }

    /** Returns the names that a run must bind, with the values they stand for. */
    static Map<String, Value> bindings(Graph graph) {
        Map<String, Value> names = new LinkedHashMap<>();
        graph.inputs().forEach(value -> names.put(value.name(), value));
        graph.states().forEach(value -> names.put(value.name(), value));
        graph.outputs().forEach((name, value) -> {
            if (value.role() != Value.Role.STATE) {
                names.putIfAbsent(name, value);
            }
        });
        return names;
    }
}
