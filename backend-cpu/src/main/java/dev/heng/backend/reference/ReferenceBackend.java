package dev.heng.backend.reference;

import dev.heng.spi.Backend;
import dev.heng.spi.BackendException;
import dev.heng.spi.BackendOptions;
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
import dev.heng.spi.graph.Op;
import dev.heng.spi.graph.Value;
import dev.heng.spi.tensor.DType;
import java.util.EnumMap;
import java.util.LinkedHashSet;
import java.util.Map;
import java.util.Set;
import java.util.stream.Collectors;

/** The opened oracle. Everything runs in the calling thread and its helpers before the call returns. */
final class ReferenceBackend implements Backend {

    /** Alignment of every buffer in bytes: a cache line, and the widest vector register there is. */
    static final long ALIGNMENT_BYTES = 64;

    private final DeviceInfo device;
    private final long memoryLimitBytes;
    private final Rounding rounding;
    private final Workers workers;
    private final Set<Object> open = new LinkedHashSet<>();
    private long allocatedBytes;
    private boolean closed;

    ReferenceBackend(DeviceInfo device, int threads, long memoryLimitBytes, Rounding rounding) {
        this.device = device;
        this.memoryLimitBytes = memoryLimitBytes;
        this.rounding = rounding;
        this.workers = new Workers(threads);
    }

    @Override
    public DeviceInfo device() {
        return device;
    }

    /** Double everywhere: one rounding at each result is all there is. */
    @Override
    public NumericsProfile numerics() {
        Map<NumericsProfile.Product, NumericsProfile.Accumulation> products =
                new EnumMap<>(NumericsProfile.Product.class);
        for (NumericsProfile.Product product : NumericsProfile.Product.values()) {
            products.put(product, NumericsProfile.Accumulation.f64());
        }
        Map<NumericsProfile.ScalarFunction, Double> scalarUlp = new EnumMap<>(NumericsProfile.ScalarFunction.class);
        for (NumericsProfile.ScalarFunction function : NumericsProfile.ScalarFunction.values()) {
            // Half a unit for the one rounding, and a few units of double, 2^-29 of those of F32, for the function.
            scalarUlp.put(function, 0.5 + 0x1p-26);
        }
        return new NumericsProfile(products, scalarUlp, DType.F64, false, NumericsProfile.Determinism.BATCH_INVARIANT);
    }

    @Override
    public Threading threading() {
        return Threading.SERIAL;
    }

    /** Returns the limit that was set, or else the machine's memory. */
    @Override
    public MemoryInfo memory() {
        requireOpen();
        if (memoryLimitBytes != Long.MAX_VALUE) {
            return new MemoryInfo(memoryLimitBytes, memoryLimitBytes - allocatedBytes);
        }
        return new MemoryInfo(HostMemory.totalBytes(), HostMemory.availableBytes());
    }

    /** Every operator, format and type; of communication, that of one rank. */
    @Override
    public Support supports(Node node, CompileOptions options) {
        int ranks = switch (node.op()) {
            case Op.AllReduce op -> op.ranks();
            case Op.AllToAll op -> op.ranks();
            case Op.AllToAllReturn op -> op.ranks();
            case Op.Embed _,
                    Op.Add _,
                    Op.Cast _,
                    Op.Slice _,
                    Op.SelectRows _,
                    Op.RmsNorm _,
                    Op.Linear _,
                    Op.Rope _,
                    Op.KvAppend _,
                    Op.MlaAttention _,
                    Op.GroupedQueryAttention _,
                    Op.Route _,
                    Op.Dispatch _,
                    Op.GroupedLinear _,
                    Op.Swiglu _,
                    Op.Combine _,
                    Op.Argmax _,
                    Op.Sample _ -> 1;
        };
        if (ranks > 1) {
            return Support.declined(
                    Support.Code.ATTRIBUTE,
                    node.op().name() + " over " + ranks + " ranks: the oracle is one device and has no communication");
        }
        for (Value operand : node.operands()) {
            // A weight that is used as an activation is read as one dense matrix, which experts stored apart are not.
            if (operand.role() == Value.Role.WEIGHT
                    && operand.type().shape().rank() > 2
                    && !(node.op() instanceof Op.GroupedLinear)) {
                return Support.declined(
                        Support.Code.SHAPE, node.op().name() + " of the stacked weight '" + operand.name() + "'");
            }
        }
        return Support.SUPPORTED;
    }

    @Override
    public Buffer allocate(BufferRequest request) {
        requireOpen();
        long bytes;
        try {
            bytes = request.type().bytes(request.dims());
        } catch (ArithmeticException tooLarge) {
            throw outOfMemory(request.name(), "more than 2^63 bytes", tooLarge);
        }
        if (bytes > memoryLimitBytes - allocatedBytes) {
            throw outOfMemory(
                    request.name(),
                    bytes + " bytes, and " + (memoryLimitBytes - allocatedBytes) + " of " + memoryLimitBytes
                            + " are left",
                    null);
        }
        ReferenceBuffer buffer;
        try {
            buffer = new ReferenceBuffer(this, request, bytes);
        } catch (OutOfMemoryError refused) {
            throw outOfMemory(request.name(), bytes + " bytes: " + refused.getMessage(), refused);
        }
        allocatedBytes += bytes;
        open.add(buffer);
        return buffer;
    }

    /** Compiles a graph; the option {@code rounding} overrides the backend's. Weights are read where they lie (RUN-010). */
    @Override
    public Program compile(Graph graph, WeightSource weights, CompileOptions options) {
        requireOpen();
        BackendOptions settings = options.options();
        settings.requireKnown(ReferenceBackendProvider.ID, Set.of("rounding"));
        String setting = settings.settings().get("rounding");
        for (Node node : graph.nodes()) {
            if (supports(node, options) instanceof Support.Declined declined) {
                throw BackendException.of(
                        BackendException.Code.DECLINED,
                        "backend 'reference' declines node '" + node.name() + "': " + declined.text(),
                        "ask supports() before compiling, and give such nodes to another backend");
            }
        }
        ReferenceProgram program = new ReferenceProgram(
                this, graph, weights, options, setting == null ? rounding : Rounding.parse(setting));
        open.add(program);
        return program;
    }

    /**
     * Releases the threads.
     *
     * @throws IllegalStateException naming the buffers and programs that are still open (RUN-008)
     */
    @Override
    public void close() {
        if (closed) {
            return;
        }
        if (!open.isEmpty()) {
            throw new IllegalStateException("backend 'reference' is closed before what it made: "
                    + open.stream().map(Object::toString).collect(Collectors.joining(", ")));
        }
        closed = true;
        workers.close();
    }

    /** Returns who computes rows. */
    Workers workers() {
        return workers;
    }

    /** Strikes a closed buffer or program off the list of what is open. */
    void forget(Object closedThing, long bytes) {
        open.remove(closedThing);
        allocatedBytes -= bytes;
    }

    /** Returns the typed error of a refused allocation (RUN-014). */
    static BackendException outOfMemory(
            String what, String detail, @org.jspecify.annotations.Nullable Throwable cause) {
        String message = "backend 'reference' cannot allocate '" + what + "': " + detail;
        String remedy = "allow fewer tokens or pages, or give the JVM more (-XX:MaxDirectMemorySize)";
        return cause == null
                ? BackendException.of(BackendException.Code.OUT_OF_MEMORY, message, remedy)
                : BackendException.of(BackendException.Code.OUT_OF_MEMORY, message, remedy, cause);
    }

    private void requireOpen() {
        if (closed) {
            throw new IllegalStateException("backend 'reference' is closed");
        }
    }
}
