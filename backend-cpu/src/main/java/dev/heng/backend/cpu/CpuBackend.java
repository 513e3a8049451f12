package dev.heng.backend.cpu;

import dev.heng.backend.reference.HostMemory;
import dev.heng.kernels.cpu.CpuKernelException;
import dev.heng.spi.Backend;
import dev.heng.spi.BackendException;
import dev.heng.spi.BackendOptions;
import dev.heng.spi.Buffer;
import dev.heng.spi.BufferRequest;
import dev.heng.spi.Ceiling;
import dev.heng.spi.CompileOptions;
import dev.heng.spi.DeviceInfo;
import dev.heng.spi.NumericsProfile;
import dev.heng.spi.NumericsProfile.Accumulation;
import dev.heng.spi.NumericsProfile.Product;
import dev.heng.spi.NumericsProfile.ScalarFunction;
import dev.heng.spi.Program;
import dev.heng.spi.Support;
import dev.heng.spi.WeightSource;
import dev.heng.spi.graph.Graph;
import dev.heng.spi.graph.Node;
import dev.heng.spi.tensor.DType;
import java.util.ArrayList;
import java.util.EnumMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;

/** The host's processor, opened: a team of threads and the memory that programs and buffers hold. */
final class CpuBackend implements Backend {

    /**
     * Option of {@link #compile}: "copy" (the default) keeps weights on huge pages of their own, "map" reads them where the caller has them,
     * which saves their size in memory and costs some speed.
     */
    static final String WEIGHTS = "weights";

    private final Kernels kernels;
    private final DeviceInfo device;
    private final Set<String> open = new LinkedHashSet<>();
    private long serial;
    private boolean closed;

    /** Takes over the kernels, and closes them. */
    CpuBackend(Kernels kernels, DeviceInfo described, int threads, boolean pin) {
        this.kernels = kernels;
        Map<String, String> facts = new TreeMap<>(described.facts());
        facts.put("level", kernels.level());
        facts.put("threads", Integer.toString(threads));
        facts.put("pinned", Boolean.toString(pin));
        this.device = new DeviceInfo(
                described.backend(), described.ordinal(), described.name(), described.memoryBytes(), false, facts);
    }

    @Override
    public DeviceInfo device() {
        return device;
    }

    /**
     * Every product is a float32 sum of float32 factors at least as exact as a plain loop's, so is attention; int8 by int8 is exact. Norms, gates, rotations and
     * router scores are evaluated in double and rounded once; only attention's exponential is evaluated in float32. The level of matrix tiles
     * (AMX) takes subnormals for zero.
     */
    @Override
    public NumericsProfile numerics() {
        Map<Product, Accumulation> products = new EnumMap<>(Product.class);
        for (Product product : Product.values()) {
            if (product != Product.F64) {
                products.put(product, Accumulation.f32());
            }
        }
        Map<ScalarFunction, Double> ulp = new EnumMap<>(ScalarFunction.class);
        for (ScalarFunction function : ScalarFunction.values()) {
            ulp.put(function, function == ScalarFunction.EXP ? 2.0 : 0.51);
        }
        return new NumericsProfile(
                products, ulp, DType.F32, kernels.flushesSubnormals(), NumericsProfile.Determinism.RUN_TO_RUN);
    }

    @Override
    public Threading threading() {
        return Threading.SERIAL;
    }

    @Override
    public MemoryInfo memory() {
        return new MemoryInfo(HostMemory.totalBytes(), HostMemory.availableBytes());
    }

    @Override
    public Support supports(Node node, CompileOptions options) {
        return CpuSupport.of(node);
    }

    @Override
    public Buffer allocate(BufferRequest request) {
        requireOpen();
        String name = "buffer '" + request.name() + "' #" + ++serial;
        long wanted = CpuBuffer.bytes(request);
        if (wanted > memory().totalBytes()) {
            // The system promises more than it has, and kills who takes it at its word.
            throw BackendException.of(
                    BackendException.Code.OUT_OF_MEMORY,
                    "cpu:0 cannot allocate " + name + ": " + wanted + " bytes, and the machine has "
                            + memory().totalBytes(),
                    "use a shorter context, fewer tokens a run, or a machine with more memory");
        }
        CpuBuffer buffer;
        try {
            buffer = new CpuBuffer(kernels, request, () -> open.remove(name));
        } catch (CpuKernelException e) {
            throw translated(e, device.address(), e.getMessage() + " (for " + name + ")");
        }
        open.add(name);
        return buffer;
    }

    @Override
    public Program compile(Graph graph, WeightSource weights, CompileOptions options) {
        requireOpen();
        options.options().requireKnown("cpu", Set.of(WEIGHTS));
        boolean mapped = isMapped(options.options());
        for (Node node : graph.nodes()) {
            if (supports(node, options) instanceof Support.Declined declined) {
                throw BackendException.of(
                        BackendException.Code.DECLINED,
                        "cpu:0 does not execute node '" + node.name() + "' ("
                                + node.op().name() + "): " + declined.text(),
                        "run this graph on another backend");
            }
        }
        String name = "program '" + graph.name() + "' #" + ++serial;
        try {
            CompiledGraph program = CompiledGraph.compile(
                    kernels, device.address(), graph, weights, options, mapped, () -> open.remove(name));
            open.add(name);
            return program;
        } catch (CpuKernelException e) {
            throw translated(e, device.address(), e.getMessage() + " (for " + name + ")");
        }
    }

    @Override
    public List<Ceiling> measureCeilings() {
        requireOpen();
        try {
            return kernels.measureCeilings();
        } catch (CpuKernelException e) {
            throw translated(e, device.address());
        }
    }

    @Override
    public void close() {
        if (closed) {
            return;
        }
        if (!open.isEmpty()) {
            List<String> names = new ArrayList<>(open);
            throw new IllegalStateException("backend cpu:0 is closed before " + String.join(", ", names));
        }
        closed = true;
        kernels.close();
    }

    private static boolean isMapped(BackendOptions options) {
        String text = options.settings().getOrDefault(WEIGHTS, "copy");
        return switch (text) {
            case "copy" -> false;
            case "map" -> true;
            default ->
                throw BackendException.of(
                        BackendException.Code.INVALID_OPTION,
                        "backend 'cpu': option '" + WEIGHTS + "' is '" + text + "'",
                        "give copy or map");
        };
    }

    private void requireOpen() {
        if (closed) {
            throw new IllegalStateException("backend cpu:0 is closed");
        }
    }

    /** Turns a failure of the kernels into the contract's exception. */
    static BackendException translated(CpuKernelException e, String device) {
        return translated(e, device, String.valueOf(e.getMessage()));
    }

    private static BackendException translated(CpuKernelException e, String device, String text) {
        return switch (e.kind()) {
            case INVALID ->
                BackendException.ofNative(
                        BackendException.Code.INVALID_DATA,
                        device,
                        e.function(),
                        1,
                        text,
                        "correct the data that the run was given");
            case OUT_OF_MEMORY ->
                BackendException.ofNative(
                        BackendException.Code.OUT_OF_MEMORY,
                        device,
                        e.function(),
                        2,
                        text,
                        "use a shorter context, fewer tokens a run, a smaller format, or a machine with more memory");
            case UNSUPPORTED ->
                BackendException.ofNative(
                        BackendException.Code.INVALID_OPTION,
                        device,
                        e.function(),
                        3,
                        text,
                        "choose a level that runs here");
            case SYSTEM ->
                BackendException.ofNative(
                        BackendException.Code.NATIVE_FAILURE,
                        device,
                        e.function(),
                        4,
                        text,
                        "see what the system says");
        };
    }
}
