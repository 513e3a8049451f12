package dev.heng.backend.ascend;

import dev.heng.backend.ascend.device.TensorView;
import dev.heng.backend.ascend.lowering.Attention;
import dev.heng.backend.ascend.lowering.Basics;
import dev.heng.backend.ascend.lowering.Experts;
import dev.heng.backend.ascend.lowering.PagedCache;
import dev.heng.backend.ascend.lowering.Products;
import dev.heng.backend.ascend.lowering.Rotation;
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
import dev.heng.spi.tensor.DType;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/** A graph on the device: its weights, the memory of its results, and node after node as CANN's operators. */
final class AscendProgram implements Program {

    private final AscendDevice device;
    private final Graph graph;
    private final SizeBounds bounds;
    private final DeviceWeights weights;
    private final ResultMemory plan;
    private final long scratch;
    private final List<Step> steps;
    private final Runnable onClose;
    private final Basics basics;
    private final Rotation rotation;
    private final PagedCache caches;
    private final Attention attention;
    private final Experts experts;
    private final Products products;
    private boolean closed;

    /** What one run works on. */
    private record Run(Bindings bindings, Map<Value, TensorView> views, Map<Value, TensorView> gathers) {}

    AscendProgram(
            AscendDevice device,
            Graph graph,
            WeightSource source,
            WeightForms forms,
            CompileOptions options,
            Runnable onClose) {
        this.device = device;
        this.graph = graph;
        this.bounds = SizeBounds.of(graph, options);
        this.onClose = onClose;
        this.basics = device.basics();
        this.rotation = new Rotation(basics);
        this.caches = new PagedCache(basics, device.address());
        this.attention = new Attention(basics, caches);
        this.experts = new Experts(basics);
        this.products = new Products(basics, experts);
        this.plan = ResultMemory.of(graph, bounds.maxima());
        this.weights = new DeviceWeights(device, graph, source, forms);
        try {
            this.scratch = device.allocate("the results of graph '" + graph.name() + "'", plan.bytes());
        } catch (RuntimeException e) {
            weights.close();
            throw e;
        }
        List<Step> made = new ArrayList<>();
        for (Node node : graph.nodes()) {
            made.add(new Step(kernel(node, forms), List.of(node), device.address()));
        }
        this.steps = List.copyOf(made);
    }

    private static String kernel(Node node, WeightForms forms) {
        return switch (node.op()) {
            case Op.Embed _ -> "aclnnEmbedding";
            case Op.Add _ -> "aclnnAdd";
            case Op.Cast _, Op.Slice _, Op.AllReduce _ -> "aclnnInplaceCopy";
            case Op.SelectRows _ -> "aclnnIndexSelect";
            case Op.RmsNorm _ -> "aclnnRmsNorm";
            case Op.Linear op -> Products.kernel(op.activation(), forms.of(node, node.operand(1)));
            case Op.Rope _ -> "aclnnRotaryPositionEmbedding";
            case Op.KvAppend _ -> "aclnnScatterNdUpdate";
            case Op.MlaAttention _, Op.GroupedQueryAttention _ -> "aclnnBatchMatMul+aclnnSoftmax";
            case Op.Route _ -> "aclnnMoeGatingTopK";
            case Op.Dispatch _ -> "aclnnMoeInitRoutingV3";
            case Op.GroupedLinear op -> Products.groupedKernel(op.activation(), forms.of(node, node.operand(2)));
            case Op.Swiglu _ -> "aclnnSwiGlu";
            case Op.Combine _ -> "aclnnMoeFinalizeRoutingV2";
            case Op.Argmax _ -> "aclnnNanToNum+aclnnArgMax";
            case Op.Sample _, Op.AllToAll _, Op.AllToAllReturn _ ->
                throw new IllegalStateException("node '" + node.name() + "' was declined");
        };
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
        device.stage().begin();
        Run run = new Run(bindings, new HashMap<>(), new HashMap<>());
        for (Value value : graph.inputs()) {
            run.views().put(value, bound(value.name(), value, bindings));
        }
        for (Value value : graph.states()) {
            run.views().put(value, bound(value.name(), value, bindings));
        }
        graph.outputs().forEach((name, value) -> bound(name, value, bindings));
        for (Node node : graph.nodes()) {
            for (Value result : node.results()) {
                Long offset = plan.offsets().get(result);
                run.views()
                        .put(
                                result,
                                offset == null
                                        ? view(run, graph.stateOf(result))
                                        : TensorView.dense(
                                                result.type().dtype(), scratch + offset, dims(result, bindings)));
            }
            if (hasWork(node, bindings)) {
                executeNamed(node, run);
            }
        }
        graph.outputs().forEach((name, value) -> {
            basics.store(view(run, value), bound(name, value, bindings));
            own(name, bindings).written();
        });
    }

    /** RUN-011: without rows there is nothing to do. */
    private boolean hasWork(Node node, Bindings bindings) {
        if (node.op() instanceof Op.Dispatch) {
            return true;
        }
        Value decisive = node.op() instanceof Op.KvAppend ? node.operand(1) : node.result();
        return Arrays.stream(dims(decisive, bindings)).allMatch(dim -> dim > 0);
    }

    /** Refusals of data name the node, wherever the datum was looked at. */
    private void executeNamed(Node node, Run run) {
        try {
            execute(node, run);
        } catch (BackendException e) {
            String message = String.valueOf(e.getMessage());
            if (e.code() == BackendException.Code.INVALID_DATA && !message.contains(node.name())) {
                throw BackendException.of(
                        BackendException.Code.INVALID_DATA,
                        "graph '" + graph.name() + "', node " + node.name() + ": " + message,
                        e.remedy(),
                        e);
            }
            throw e;
        }
    }

    private void execute(Node node, Run run) {
        switch (node.op()) {
            case Op.Embed _ -> embed(node, run);
            case Op.Add _ -> basics.add(in(node, 0, run), in(node, 1, run), out(node, run));
            case Op.Cast _, Op.AllReduce _ -> basics.store(in(node, 0, run), out(node, run));
            case Op.Slice op -> basics.slice(in(node, 0, run), op.from(), out(node, run));
            case Op.SelectRows _ -> {
                requireRange(node, 1, 0, in(node, 0, run).dim(0), run);
                basics.select(in(node, 0, run), in(node, 1, run), out(node, run));
            }
            case Op.RmsNorm op -> basics.rmsNorm(in(node, 0, run), in(node, 1, run), op.epsilon(), out(node, run));
            case Op.Linear op ->
                products.linear(
                        op.activation(),
                        in(node, 0, run),
                        weights.of(node, node.operand(1)),
                        node.operands().size() == 3 ? in(node, 2, run) : null,
                        out(node, run));
            case Op.Rope op -> rotation.rope(op, in(node, 0, run), integers(node, 1, run), out(node, run));
            case Op.KvAppend op -> append(op, node, run);
            case Op.MlaAttention op ->
                attention.latent(
                        op,
                        in(node, 0, run),
                        slots(in(node, 1, run)),
                        basics.in(DType.F32, in(node, 2, run)),
                        layout(node, 1, 3, run),
                        out(node, run));
            case Op.GroupedQueryAttention op ->
                attention.grouped(
                        op,
                        in(node, 0, run),
                        slots(in(node, 1, run)),
                        slots(in(node, 2, run)),
                        layout(node, 1, 3, run),
                        layout(node, 2, 3, run),
                        out(node, run));
            case Op.Route op ->
                experts.route(
                        op,
                        in(node, 0, run),
                        node.operands().size() == 2 ? in(node, 1, run) : null,
                        view(run, node.results().get(0)),
                        view(run, node.results().get(1)));
            case Op.Dispatch op -> dispatch(op, node, run);
            case Op.GroupedLinear op -> {
                requireOffsets(node, run);
                products.grouped(
                        op.activation(),
                        in(node, 0, run),
                        in(node, 1, run),
                        weights.of(node, node.operand(2)),
                        out(node, run));
            }
            case Op.Swiglu _ -> basics.swiglu(in(node, 0, run), in(node, 1, run), out(node, run));
            case Op.Combine _ -> experts.combine(in(node, 0, run), gather(node, run), in(node, 2, run), out(node, run));
            case Op.Argmax _ -> basics.argmax(in(node, 0, run), out(node, run));
            case Op.Sample _, Op.AllToAll _, Op.AllToAllReturn _ ->
                throw new IllegalStateException("node '" + node.name() + "' was declined");
        }
    }

    /** An id out of range would give random numbers and no error (aclnnEmbedding.md), so the host looks first. */
    private void embed(Node node, Run run) {
        requireRange(node, 1, 0, in(node, 0, run).dim(0), run);
        basics.embed(in(node, 0, run), in(node, 1, run), out(node, run));
    }

    private void append(Op.KvAppend op, Node node, Run run) {
        List<TensorView> parts = new ArrayList<>();
        for (int i = 1; i <= op.parts(); i++) {
            parts.add(in(node, i, run));
        }
        caches.append(slots(in(node, 0, run)), parts, layout(node, 0, 1 + op.parts(), run));
    }

    private void dispatch(Op.Dispatch op, Node node, Run run) {
        TensorView offsets = view(run, node.results().get(1));
        Value origins = node.results().get(2);
        if (in(node, 1, run).elements() == 0) {
            device.operators().run("aclnnInplaceZero", offsets);
            return;
        }
        TensorView gather =
                experts.dispatch(op, in(node, 0, run), in(node, 1, run), out(node, run), offsets, view(run, origins));
        run.gathers().put(origins, gather);
    }

    /** The index that combining needs: kept from the dispatch of the same graph, else worked out from the origins. */
    private TensorView gather(Node node, Run run) {
        TensorView kept = run.gathers().get(node.operand(1));
        if (kept != null) {
            return kept;
        }
        int[] origins = integers(node, 1, run);
        int[] gather = new int[origins.length];
        Arrays.fill(gather, -1);
        for (int row = 0; row < origins.length; row++) {
            if (origins[row] < -1 || origins[row] >= origins.length) {
                throw invalid(node, "row " + row + " has origin " + origins[row] + " of " + origins.length);
            }
            if (origins[row] >= 0) {
                if (gather[origins[row]] >= 0) {
                    throw invalid(
                            node, "rows " + gather[origins[row]] + " and " + row + " have one origin, " + origins[row]);
                }
                gather[origins[row]] = row;
            }
        }
        return device.stage().upload(gather, gather.length);
    }

    /** Offsets that the caller gives are looked at before the device counts by them; a dispatch's own are right. */
    private void requireOffsets(Node node, Run run) {
        if (node.operand(1).role() != Value.Role.INPUT) {
            return;
        }
        int before = 0;
        int[] offsets = integers(node, 1, run);
        for (int i = 0; i < offsets.length; i++) {
            if (offsets[i] < before || offsets[i] > in(node, 0, run).dim(0) || (i == 0 && offsets[i] != 0)) {
                throw invalid(
                        node,
                        "offset " + i + " is " + offsets[i] + " after " + before + ", with "
                                + in(node, 0, run).dim(0) + " rows");
            }
            before = offsets[i];
        }
    }

    private PagedCache.Layout layout(Node node, int cache, int first, Run run) {
        TensorView pages = in(node, cache, run);
        return new PagedCache.Layout(
                integers(node, first, run),
                integers(node, first + 1, run),
                integers(node, first + 2, run),
                (int) in(node, first + 2, run).dim(1),
                pages.dim(0),
                pages.dim(1));
    }

    private static TensorView slots(TensorView cache) {
        return cache.reshaped(cache.dim(0) * cache.dim(1), cache.dim(2));
    }

    private void requireRange(Node node, int operand, int from, long to, Run run) {
        for (int value : integers(node, operand, run)) {
            if (value < from || value >= to) {
                throw invalid(
                        node,
                        "'" + node.operand(operand).name() + "' holds " + value + ", not within " + from + ".."
                                + (to - 1));
            }
        }
    }

    private BackendException invalid(Node node, String what) {
        return BackendException.of(
                BackendException.Code.INVALID_DATA,
                device.address() + ": graph '" + graph.name() + "', node " + node.name() + ": " + what,
                "correct the data that the run was given");
    }

    /** Returns an integer operand as the host knows it; one that a node of this run made is read back. */
    private int[] integers(Node node, int operand, Run run) {
        Value value = node.operand(operand);
        int count = (int) Arrays.stream(dims(value, run.bindings())).reduce(1, (a, b) -> a * b);
        if (value.role() == Value.Role.INPUT) {
            return Arrays.copyOf(own(value.name(), run.bindings()).integers(count), count);
        }
        int[] copy = new int[count];
        device.stage().read(view(run, value).address(), MemorySegment.ofArray(copy));
        return copy;
    }

    private TensorView in(Node node, int operand, Run run) {
        Value value = node.operand(operand);
        return value.role() == Value.Role.WEIGHT ? weights.of(node, value).elements() : view(run, value);
    }

    private TensorView out(Node node, Run run) {
        return view(run, node.result());
    }

    private TensorView view(Run run, Value value) {
        TensorView view = run.views().get(value);
        if (view == null) {
            throw new IllegalStateException("value '" + value.name() + "' has no memory in this run");
        }
        return view;
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
            weights.close();
            device.runtime().free(scratch);
            onClose.run();
        }
    }
}
