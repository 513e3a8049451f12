package dev.heng.backend.reference;

import dev.heng.spi.BackendException;
import dev.heng.spi.Batch;
import dev.heng.spi.Bindings;
import dev.heng.spi.Buffer;
import dev.heng.spi.CompileOptions;
import dev.heng.spi.Program;
import dev.heng.spi.WeightSource;
import dev.heng.spi.graph.Graph;
import dev.heng.spi.graph.Node;
import dev.heng.spi.graph.Op;
import dev.heng.spi.graph.Value;
import dev.heng.spi.tensor.Dim;
import dev.heng.spi.tensor.Shape;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import org.jspecify.annotations.Nullable;

/**
 * A graph executed node by node, in its own order. Outputs are copied into their buffers when all nodes have run, so that a buffer may be both an input and an output
 * (RUN-004) and a refused run leaves outputs as they were (RUN-006).
 */
final class ReferenceProgram implements Program {

    private final ReferenceBackend backend;
    private final Graph graph;
    private final Map<String, Long> maxima;
    private final Rounding rounding;
    private final @Nullable Weight[] weights;
    private final List<Step> plan;
    private final List<List<Value>> lastUses;
    private final @Nullable Node paging;
    private final ActivationMemory memory = new ActivationMemory();
    private int runs;
    private boolean closed;

    ReferenceProgram(
            ReferenceBackend backend, Graph graph, WeightSource source, CompileOptions options, Rounding rounding) {
        this.backend = backend;
        this.graph = graph;
        this.maxima = options.maxima();
        this.rounding = rounding;
        requireBounds();
        this.weights = new Weight[graph.values().size()];
        for (Value weight : graph.weights()) {
            weights[weight.id()] = new Weight(weight, source.data(weight));
        }
        List<Step> steps = new ArrayList<>();
        for (Node node : graph.nodes()) {
            steps.add(new Step(
                    "scalar " + node.op().name(),
                    List.of(node),
                    backend.device().address()));
        }
        this.plan = List.copyOf(steps);
        this.paging = firstWithPagingInputs(graph);
        this.lastUses = lastUses(graph);
    }

    @Override
    public Graph graph() {
        return graph;
    }

    @Override
    public List<Step> plan() {
        return plan;
    }

    /**
     * Executes the graph before it returns.
     *
     * @throws IllegalArgumentException if a binding is missing, too small, or out of the bounds given at compile (RUN-002, RUN-003)
     * @throws BackendException with {@link BackendException.Code#INVALID_DATA} naming node, index and value, if data is out of range (RUN-005)
     */
    @Override
    public void run(Bindings bindings) {
        requireOpen();
        requireWithinBounds(bindings.dims());
        @Nullable Tensor[] values = new Tensor[graph.values().size()];
        for (Value value : graph.values()) {
            switch (value.role()) {
                case INPUT -> values[value.id()] = bound(value.name(), value, bindings);
                case STATE -> {
                    if (graph.producer(value).isEmpty()) {
                        values[value.id()] = bound(value.name(), value, bindings);
                    }
                }
                case WEIGHT -> {
                    Weight weight = weights[value.id()];
                    values[value.id()] = weight == null ? null : weight.dense();
                }
                case RESULT -> {}
            }
        }
        Map<String, Tensor> outputs = new HashMap<>();
        for (Map.Entry<String, Value> output : graph.outputs().entrySet()) {
            outputs.put(output.getKey(), bound(output.getKey(), output.getValue(), bindings));
        }
        requireAgreement(bindings.batch(), values);
        try {
            for (Node node : graph.nodes()) {
                execute(node, values, bindings.dims());
            }
            for (Map.Entry<String, Value> output : graph.outputs().entrySet()) {
                Tensor result = present(values, output.getValue());
                Tensor target = outputs.get(output.getKey());
                if (target != null) {
                    long bytes = output.getValue().type().bytes(bindings.dims());
                    MemorySegment.copy(result.memory(), 0, target.memory(), 0, bytes);
                }
            }
        } catch (OutOfMemoryError refused) {
            throw ReferenceBackend.outOfMemory(
                    "the values of a run of " + graph.name(), String.valueOf(refused.getMessage()), refused);
        } finally {
            memory.reset();
            runs++;
        }
    }

    @Override
    public void close() {
        if (!closed) {
            closed = true;
            memory.close();
            backend.forget(this, 0);
        }
    }

    @Override
    public String toString() {
        return "program of graph '" + graph.name() + "'";
    }

    private void execute(Node node, @Nullable Tensor[] values, Map<String, Long> dims) {
        List<@Nullable Tensor> operands = new ArrayList<>();
        List<@Nullable Weight> operandWeights = new ArrayList<>();
        for (Value operand : node.operands()) {
            operands.add(values[operand.id()]);
            operandWeights.add(weights[operand.id()]);
        }
        List<Tensor> results = new ArrayList<>();
        for (Value result : node.results()) {
            Tensor tensor = node.op() instanceof Op.KvAppend
                    ? present(values, node.operand(0)) // KV-001: the cache itself.
                    : tensor(result, memory.take(result.type().bytes(dims)), dims);
            values[result.id()] = tensor;
            results.add(tensor);
        }
        Invocation in = new Invocation(
                node, operands, operandWeights, results, rounding.at(runs, node.index()), backend.workers());
        switch (node.op()) {
            case Op.Embed _ -> Elementwise.embed(in);
            case Op.Add _ -> Elementwise.add(in);
            case Op.Cast _ -> Elementwise.cast(in);
            case Op.Slice op -> Elementwise.slice(in, op.from());
            case Op.SelectRows _ -> Elementwise.selectRows(in);
            case Op.RmsNorm op -> Norm.rmsNorm(in, op);
            case Op.Linear op -> Linear.linear(in, op);
            case Op.Rope op -> Rope.rope(in, op);
            case Op.KvAppend op -> PagedCache.append(in, op.parts());
            case Op.MlaAttention op -> Attention.mla(in, op);
            case Op.GroupedQueryAttention op -> Attention.groupedQuery(in, op);
            case Op.Route op -> Router.route(in, op);
            case Op.Dispatch op -> Experts.dispatch(in, op);
            case Op.GroupedLinear op -> Experts.groupedLinear(in, op);
            case Op.Swiglu _ -> Elementwise.swiglu(in);
            case Op.Combine _ -> Experts.combine(in);
            case Op.Argmax _ -> Sampling.argmax(in);
            case Op.Sample _ -> Sampling.sample(in);
            case Op.AllReduce _ -> Collectives.allReduce(in);
            case Op.AllToAll op -> Collectives.allToAll(in, op.localExperts());
            case Op.AllToAllReturn _ -> Collectives.allToAllReturn(in);
        }
        for (Value dead : lastUses.get(node.index())) {
            memory.giveBack(present(values, dead).memory());
        }
    }

    /** Returns, for each node, the results that nothing reads after it. */
    private static List<List<Value>> lastUses(Graph graph) {
        Map<Value, Integer> last = new HashMap<>();
        for (Node node : graph.nodes()) {
            for (Value result : node.results()) {
                last.put(result, node.index());
            }
            for (Value operand : node.operands()) {
                last.replace(operand, node.index());
            }
        }
        graph.outputs().values().forEach(last::remove);
        List<List<Value>> byNode = new ArrayList<>();
        for (Node _ : graph.nodes()) {
            byNode.add(new ArrayList<>());
        }
        last.forEach((value, node) -> {
            if (value.role() == Value.Role.RESULT) {
                byNode.get(node).add(value);
            }
        });
        return byNode;
    }

    private static Tensor tensor(Value value, MemorySegment memory, Map<String, Long> dims) {
        Shape shape = value.type().shape();
        long columns = shape.rank() == 0 ? 1 : shape.dim(-1).size(dims);
        long rows = 1;
        for (int dim = 0; dim < shape.rank() - 1; dim++) {
            rows = Math.multiplyExact(rows, shape.dim(dim).size(dims));
        }
        return new Tensor(memory, value.type().dtype(), rows, Math.toIntExact(columns));
    }

    /** RUN-003: a buffer of this backend, open, and large enough. */
    private Tensor bound(String name, Value value, Bindings bindings) {
        Buffer buffer = bindings.buffers().get(name);
        if (buffer == null) {
            throw new IllegalArgumentException(this + ": no buffer is bound to '" + name + "'");
        }
        if (!(buffer instanceof ReferenceBuffer own)) {
            throw new IllegalArgumentException(this + ": the buffer bound to '" + name + "' is of another backend");
        }
        long bytes = value.type().bytes(bindings.dims());
        if (own.sizeBytes() < bytes) {
            throw new IllegalArgumentException(this + ": " + own + " of " + own.sizeBytes() + " bytes is bound to '"
                    + name + "', which takes " + bytes + " in this run: " + value.type() + " with " + bindings.dims());
        }
        return tensor(value, own.memory(backend), bindings.dims());
    }

    private static Tensor present(@Nullable Tensor[] values, Value value) {
        Tensor tensor = values[value.id()];
        if (tensor == null) {
            throw new IllegalStateException("value '" + value.name() + "' is not a dense matrix in memory");
        }
        return tensor;
    }

    private Set<String> symbols() {
        Set<String> symbols = new TreeSet<>();
        for (Value value : graph.values()) {
            for (Dim dim : value.type().shape().dims()) {
                String symbol = dim.symbol();
                if (symbol != null) {
                    symbols.add(symbol);
                }
            }
        }
        return symbols;
    }

    private void requireBounds() {
        for (String symbol : symbols()) {
            Long most = maxima.get(symbol);
            if (most == null || most < 0 || most > Integer.MAX_VALUE) {
                throw new IllegalArgumentException("graph '" + graph.name() + "': the compile options bound '" + symbol
                        + "' by " + most + "; a bound from 0 to 2^31-1 is needed");
            }
        }
    }

    /** RUN-002. */
    private void requireWithinBounds(Map<String, Long> dims) {
        for (String symbol : symbols()) {
            Long size = dims.get(symbol);
            Long most = maxima.get(symbol);
            if (size == null || most == null || size < 0 || size > most) {
                throw new IllegalArgumentException(
                        this + ": '" + symbol + "' is " + size + " in this run; it was compiled for 0 to " + most);
            }
        }
    }

    /** RUN-007: the host's mirror says what positions and sequences say, and rows that it does not have are padding. */
    private void requireAgreement(Batch batch, @Nullable Tensor[] values) {
        Node node = paging;
        if (node == null || batch.spans().isEmpty()) {
            return;
        }
        Tensor positions = present(values, node.operand(firstPagingOperand(node)));
        Tensor sequences = present(values, node.operand(firstPagingOperand(node) + 1));
        int row = 0;
        for (Batch.Span span : batch.spans()) {
            for (int i = 0; i < span.rows(); i++) {
                row = nextRow(positions, row);
                if (row == positions.columns()
                        || positions.integer(row) != span.firstPosition() + i
                        || sequences.integer(row) != span.sequence()) {
                    throw new IllegalArgumentException(this + ": the batch has position " + (span.firstPosition() + i)
                            + " of sequence " + span.sequence() + " at row " + row
                            + ", and the bound positions and sequences have not");
                }
                row++;
            }
        }
        row = nextRow(positions, row);
        if (row < positions.columns()) {
            throw new IllegalArgumentException(this + ": row " + row + " has position " + positions.integer(row)
                    + ", and the batch ends before it");
        }
    }

    /** Returns the first row from {@code row} that is not padding. */
    private static int nextRow(Tensor positions, int row) {
        int next = row;
        while (next < positions.columns() && positions.integer(next) < 0) {
            next++;
        }
        return next;
    }

    private static @Nullable Node firstWithPagingInputs(Graph graph) {
        for (Node node : graph.nodes()) {
            int first = firstPagingOperand(node);
            if (first >= 0
                    && node.operand(first).role() == Value.Role.INPUT
                    && node.operand(first + 1).role() == Value.Role.INPUT) {
                return node;
            }
        }
        return null;
    }

    /** Returns which operand holds positions, followed by sequences and the page table; -1 for an operator without a cache. */
    private static int firstPagingOperand(Node node) {
        return switch (node.op()) {
            case Op.KvAppend append -> append.parts() + 1;
            case Op.MlaAttention _, Op.GroupedQueryAttention _ -> 3;
            case Op.Embed _,
                    Op.Add _,
                    Op.Cast _,
                    Op.Slice _,
                    Op.SelectRows _,
                    Op.RmsNorm _,
                    Op.Linear _,
                    Op.Rope _,
                    Op.Route _,
                    Op.Dispatch _,
                    Op.GroupedLinear _,
                    Op.Swiglu _,
                    Op.Combine _,
                    Op.Argmax _,
                    Op.Sample _,
                    Op.AllReduce _,
                    Op.AllToAll _,
                    Op.AllToAllReturn _ -> -1;
        };
    }

    private void requireOpen() {
        if (closed) {
            throw new IllegalStateException(this + " is closed");
        }
    }
}
