package dev.heng.backend.ascend;

import dev.heng.backend.ascend.device.AclRuntime.CopyKind;
import dev.heng.backend.ascend.device.HostInputs;
import dev.heng.backend.ascend.device.Recording;
import dev.heng.backend.ascend.device.TensorView;
import dev.heng.backend.ascend.lowering.Lowering;
import dev.heng.backend.ascend.lowering.Products;
import dev.heng.backend.ascend.lowering.Run;
import dev.heng.backend.ascend.lowering.Unit;
import dev.heng.spi.BackendException;
import dev.heng.spi.Bindings;
import dev.heng.spi.Buffer;
import dev.heng.spi.CompileOptions;
import dev.heng.spi.Program;
import dev.heng.spi.SizeBounds;
import dev.heng.spi.WeightSource;
import dev.heng.spi.graph.Graph;
import dev.heng.spi.graph.Node;
import dev.heng.spi.graph.Op;
import dev.heng.spi.graph.Value;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.jspecify.annotations.Nullable;

/** A graph on the device: its weights, the memory of its results, and unit after unit as CANN's operators. */
final class AscendProgram implements Program {

    private final AscendDevice device;
    private final Graph graph;
    private final SizeBounds bounds;
    private final List<Unit> units;
    private final DeviceWeights weights;
    private final ResultMemory plan;
    private final long scratch;
    private final List<Step> steps;
    private final Replays replays;
    private final Runnable onClose;
    private boolean closed;

    AscendProgram(
            AscendDevice device,
            Graph graph,
            WeightSource source,
            CompileOptions options,
            AscendOptions asked,
            WeightForms forms,
            Runnable onClose) {
        this.device = device;
        this.graph = graph;
        this.bounds = SizeBounds.of(graph, options);
        this.onClose = onClose;
        this.units = Lowering.units(graph, device.chips(), device.operators(), asked.attention());
        this.plan = ResultMemory.of(units, graph, bounds.maxima());
        this.replays = new Replays(device, graph, units, asked.launch());
        this.weights = new DeviceWeights(device, graph, source, forms, units);
        try {
            this.scratch = device.allocate("the results of graph '" + graph.name() + "'", plan.bytes());
        } catch (RuntimeException e) {
            weights.close();
            throw e;
        }
        List<Step> made = new ArrayList<>();
        for (Unit unit : units) {
            made.add(new Step(unit.kernel() + notes(unit, forms), unit.nodes(), device.address()));
        }
        this.steps = List.copyOf(made);
    }

    /** What the plan says of weights that are not multiplied as they are stored. */
    private static String notes(Unit unit, WeightForms forms) {
        StringBuilder notes = new StringBuilder();
        for (Node node : unit.nodes()) {
            for (Value operand : node.operands()) {
                if (operand.role() == Value.Role.WEIGHT && !operand.type().isPlain()) {
                    notes.append(Products.note(forms.of(node, operand)));
                }
            }
        }
        return notes.toString();
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
        bounds.sizes(bindings);
        Inputs inputs = new Inputs(bindings);
        for (Value value : graph.inputs()) {
            bound(value.name(), value, bindings);
        }
        for (Value value : graph.states()) {
            bound(value.name(), value, bindings);
        }
        graph.outputs().forEach((name, value) -> bound(name, value, bindings));
        device.stage().begin(inputs);
        Replays.Shape shape = replays.shape(bindings, inputs);
        if (shape == null) {
            queue(bindings);
        } else {
            replay(shape, bindings, inputs);
        }
        store(bindings);
    }

    /** Replays a run that was recorded, or records it if its like was seen before. */
    private void replay(Replays.Shape shape, Bindings bindings, Inputs inputs) {
        Recording known = replays.known(shape);
        if (known != null) {
            named(() -> known.replay(inputs, shape.addresses()));
            return;
        }
        Recording fresh = replays.begin(shape, bindings);
        if (fresh == null) {
            queue(bindings);
            return;
        }
        boolean complete = false;
        try {
            fresh.record(() -> queue(bindings));
            replays.keep(shape, fresh);
            complete = true;
        } finally {
            if (!complete) {
                fresh.close();
            }
        }
    }

    /** Queues every unit. */
    private void queue(Bindings bindings) {
        Run run = new Run(device.basics(), device.address(), weights);
        for (Value value : graph.inputs()) {
            run.put(value, bound(value.name(), value, bindings));
        }
        for (Value value : graph.states()) {
            run.put(value, bound(value.name(), value, bindings));
        }
        for (Unit unit : units) {
            for (Node node : unit.nodes()) {
                if (node.op() instanceof Op.KvAppend) {
                    run.put(node.result(), run.view(graph.stateOf(node.result())));
                }
            }
            for (Value result : unit.results()) {
                run.put(result, result(result, bindings));
            }
            if (Arrays.stream(dims(unit.decisive(), bindings)).allMatch(dim -> dim > 0)) {
                named(unit, () -> unit.run(run));
            }
        }
    }

    private TensorView result(Value value, Bindings bindings) {
        return TensorView.dense(value.type().dtype(), scratch + plan.offset(value), dims(value, bindings));
    }

    /** Copies outputs to where the caller wants them: after everything, since a buffer may be an input of the same run too (RUN-004). */
    private void store(Bindings bindings) {
        graph.outputs().forEach((name, value) -> {
            TensorView to = bound(name, value, bindings);
            long bytes = value.type().bytes(bindings.dims());
            if (bytes > 0) {
                long from = value.role() == Value.Role.RESULT
                        ? scratch + plan.offset(value)
                        : bound(value.name(), value, bindings).address();
                device.runtime().copyAsync(to.address(), from, bytes, CopyKind.DEVICE_TO_DEVICE, device.stream());
            }
            own(name, bindings).written(choices(value));
        });
    }

    /** Returns the columns that a value's elements choose from, or -1. */
    private long choices(Value value) {
        Node maker = graph.producer(value).orElse(null);
        return maker != null && (maker.op() instanceof Op.Argmax || maker.op() instanceof Op.Sample)
                ? maker.operand(0).type().shape().dim(1).size()
                : -1;
    }

    private void named(Runnable work) {
        named(null, work);
    }

    /** Refusals of data name graph and node, wherever the datum was looked at. */
    private void named(@Nullable Unit unit, Runnable work) {
        try {
            work.run();
        } catch (BackendException e) {
            String message = String.valueOf(e.getMessage());
            if (e.code() == BackendException.Code.INVALID_DATA && !message.contains(graph.name())) {
                String node =
                        unit == null ? "" : ", node " + unit.nodes().getLast().name();
                throw BackendException.of(
                        BackendException.Code.INVALID_DATA,
                        "graph '" + graph.name() + "'" + node + ": " + message,
                        e.remedy(),
                        e);
            }
            throw e;
        }
    }

    /** The integers of a run's inputs. */
    private final class Inputs implements HostInputs {
        private final Bindings bindings;

        Inputs(Bindings bindings) {
            this.bindings = bindings;
        }

        @Override
        public int[] integers(Value value) {
            int count = Math.toIntExact(value.type().shape().elements(bindings.dims()));
            return own(value.name(), bindings).integers(count);
        }

        @Override
        public long bound(Value value) {
            return own(value.name(), bindings).bound();
        }

        @Override
        public MemorySegment bytes(Value value) {
            return own(value.name(), bindings).bytes(value.type().bytes(bindings.dims()));
        }
    }

    private TensorView bound(String name, Value value, Bindings bindings) {
        AscendBuffer buffer = own(name, bindings);
        long wanted = value.type().bytes(bindings.dims());
        if (buffer.sizeBytes() < wanted) {
            throw new IllegalArgumentException("the buffer bound to '" + name + "' has " + buffer.sizeBytes()
                    + " bytes; " + value.type() + " takes " + wanted + " in this run");
        }
        return buffer.view(value.type().dtype(), dims(value, bindings));
    }

    private AscendBuffer own(String name, Bindings bindings) {
        Buffer buffer = bindings.buffer(name);
        if (buffer instanceof AscendBuffer own && own.belongsTo(device)) {
            return own;
        }
        throw new IllegalArgumentException(
                "the buffer bound to '" + name + "' was not allocated by this backend " + device.address());
    }

    private static long[] dims(Value value, Bindings bindings) {
        return value.type().shape().dims().stream()
                .mapToLong(dim -> dim.size(bindings.dims()))
                .toArray();
    }

    @Override
    public void close() {
        if (!closed) {
            closed = true;
            replays.close();
            weights.close();
            device.runtime().free(scratch);
            onClose.run();
        }
    }
}
