package dev.heng.backend.cuda;

import dev.heng.backend.cuda.device.CublasLtProducts;
import dev.heng.backend.cuda.device.CudaDevice;
import dev.heng.backend.cuda.device.NcclGroup;
import dev.heng.backend.cuda.device.Staging;
import dev.heng.backend.cuda.lowering.Command;
import dev.heng.backend.cuda.lowering.Conversions;
import dev.heng.backend.cuda.lowering.MatrixUnit;
import dev.heng.kernels.cuda.ArgumentBlocks;
import dev.heng.kernels.cuda.CudaKernels;
import dev.heng.spi.Backend;
import dev.heng.spi.BackendException;
import dev.heng.spi.BackendOptions;
import dev.heng.spi.Buffer;
import dev.heng.spi.BufferRequest;
import dev.heng.spi.Communicator;
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
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.EnumMap;
import java.util.HashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import org.jspecify.annotations.Nullable;

/**
 * One opened GPU. Everything goes through one stream, so that the order of calls is the order of effects; kernels note data out of range in a fault record that every read
 * looks at.
 */
final class CudaBackend implements Backend {

    /** Option of {@link #compile}: "on" (the default) replays repeated runs as device graphs, "off" launches each kernel. */
    static final String GRAPHS = "graphs";

    private static final long STAGING_BYTES = 64L << 20;

    private final CudaDevice device;
    private final DeviceInfo info;
    private final Staging staging;
    private final FaultRecord faults;
    private final ArgumentBlocks blocks = CudaKernels.argumentBlocks();
    private final Set<String> open = new LinkedHashSet<>();
    private final Map<Integer, Graph> programs = new HashMap<>();
    private final LinearChoice linear;
    private final MatrixUnit matrices;
    private @Nullable CublasLtProducts library;
    private long serial;
    private boolean closed;

    /** Takes over the device, and closes it. */
    CudaBackend(CudaDevice device, DeviceInfo described, LinearChoice linear) {
        this.device = device;
        this.linear = linear;
        Map<String, String> facts = new TreeMap<>(described.facts());
        facts.put("kernels", device.target());
        facts.put(LinearChoice.OPTION, linear.name().toLowerCase(Locale.ROOT));
        boolean opened = false;
        try {
            this.staging = new Staging(device, STAGING_BYTES);
            this.faults = new FaultRecord(device, blocks);
            this.matrices = linear.unit(device, described);
            if (linear.usesLibrary()) {
                device.enter();
                this.library = new CublasLtProducts(device);
                facts.put("cublasLt", library.description());
            }
            this.info = new DeviceInfo(
                    described.backend(), described.ordinal(), described.name(), described.memoryBytes(), false, facts);
            opened = true;
        } finally {
            if (!opened) {
                device.close();
            }
        }
    }

    @Override
    public DeviceInfo device() {
        return info;
    }

    /**
     * On the ordinary units every product is a float32 sum of float32 factors, so is attention; {@link LinearChoice} says what matrix units change. Int8 by int8 is exact. Norms,
     * rotations and router scores are evaluated in double and rounded once; SiLU and attention's exponential in float32.
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
            ulp.put(
                    function,
                    switch (function) {
                        case EXP -> 2.0;
                        case SILU -> 4.0;
                        case SIGMOID, SOFTPLUS, RSQRT, DIVIDE, SINCOS -> 0.51;
                    });
        }
        return linear.profile(
                new NumericsProfile(products, ulp, DType.F32, false, NumericsProfile.Determinism.RUN_TO_RUN), info);
    }

    @Override
    public Threading threading() {
        return Threading.SERIAL;
    }

    @Override
    public MemoryInfo memory() {
        requireOpen();
        enter();
        return device.memory();
    }

    @Override
    public Support supports(Node node, CompileOptions options) {
        return CudaSupport.of(node, options);
    }

    @Override
    public Buffer allocate(BufferRequest request) {
        requireOpen();
        enter();
        String name = "buffer '" + request.name() + "' #" + ++serial;
        long bytes;
        try {
            bytes = request.type().bytes(request.dims());
        } catch (ArithmeticException tooLarge) {
            throw BackendException.of(
                    BackendException.Code.OUT_OF_MEMORY,
                    name + " of " + request.type() + " for " + request.dims() + " takes more than 2^63 bytes",
                    "allow fewer tokens or pages",
                    tooLarge);
        }
        long address = device.allocate(bytes, name);
        open.add(name);
        return new CudaBuffer(this, request, bytes, address, () -> open.remove(name));
    }

    @Override
    public Program compile(Graph graph, WeightSource weights, CompileOptions options) {
        requireOpen();
        options.options().requireKnown(CudaBackendProvider.ID, Set.of(GRAPHS));
        boolean graphs = isOn(options.options());
        for (Node node : graph.nodes()) {
            if (supports(node, options) instanceof Support.Declined declined) {
                throw BackendException.of(
                        BackendException.Code.DECLINED,
                        info.address() + " does not execute node '" + node.name() + "' ("
                                + node.op().name() + "): " + declined.text(),
                        "run this graph on another backend");
            }
        }
        enter();
        int number = Math.toIntExact(++serial);
        String name = "program '" + graph.name() + "' #" + number;
        CudaWeights stored = new CudaWeights(device, staging, graph, weights);
        boolean compiled = false;
        try {
            CudaProgram program = new CudaProgram(
                    this, device, graph, stored, blocks, matrices, options, faults.address(), number, graphs, () -> {
                        open.remove(name);
                        programs.remove(number);
                    });
            open.add(name);
            programs.put(number, graph);
            compiled = true;
            return program;
        } finally {
            if (!compiled) {
                stored.close();
            }
        }
    }

    private static boolean isOn(BackendOptions options) {
        String text = options.settings().getOrDefault(GRAPHS, "on");
        return switch (text) {
            case "on" -> true;
            case "off" -> false;
            default ->
                throw BackendException.of(
                        BackendException.Code.INVALID_OPTION,
                        "backend 'cuda': option '" + GRAPHS + "' is '" + text + "'",
                        "give on or off");
        };
    }

    @Override
    public byte[] newGroupId() {
        requireOpen();
        return NcclGroup.newId(info.address());
    }

    @Override
    public Communicator join(Communicator.Group group) {
        requireOpen();
        enter();
        String name = "rank " + group.rank() + " of " + group.size() + " #" + ++serial;
        NcclGroup joined = NcclGroup.join(device, group.id(), group.rank(), group.size());
        open.add(name);
        return new NcclCommunicator(this, joined, group, () -> open.remove(name));
    }

    /** Allocates memory that {@link #free} gives back; the calling thread has entered. */
    long allocate(long bytes, String what) {
        return device.allocate(bytes, what);
    }

    /** Queues a copy of numbers from one type to another; the calling thread has entered. */
    void convert(long source, DType from, long target, DType to, long count) {
        try (Arena arena = Arena.ofConfined()) {
            for (Command.Launch launch : Conversions.of(blocks, source, from, target, to, count, arena)) {
                device.launch(
                        launch.kernel(),
                        launch.gridX(),
                        launch.gridY(),
                        launch.gridZ(),
                        launch.block(),
                        launch.sharedBytes(),
                        launch.arguments(),
                        launch.overlapping());
            }
        }
    }

    /** Queues a product by cuBLASLt; the calling thread has entered. */
    void multiply(Command.LibraryProduct product) {
        if (library == null) {
            throw new IllegalStateException("a product by cuBLASLt in a backend that was opened without it");
        }
        library.multiply(
                new CublasLtProducts.Sizes(
                        typeOf(product.type()),
                        typeOf(product.out()),
                        product.type() == DType.F32 ? CublasLtProducts.Sums.FAST : CublasLtProducts.Sums.FULL,
                        product.rows(),
                        product.features(),
                        product.k(),
                        product.stride()),
                product.x(),
                product.w(),
                product.y());
    }

    private static CublasLtProducts.Type typeOf(DType type) {
        return switch (type) {
            case F32 -> CublasLtProducts.Type.F32;
            case F16 -> CublasLtProducts.Type.F16;
            case BF16 -> CublasLtProducts.Type.BF16;
            case F64, F8_E4M3, F8_E8M0, I8, I4, I32, I64 ->
                throw new IllegalArgumentException("no product of " + type + " goes to cuBLASLt");
        };
    }

    /** Makes the device the calling thread's. */
    void enter() {
        device.enter();
    }

    /** Queues a copy to the device; the calling thread has entered. */
    void stage(long target, MemorySegment source) {
        staging.upload(target, source);
    }

    /** Queues a copy to the device. */
    void upload(long target, MemorySegment source) {
        requireOpen();
        enter();
        staging.upload(target, source);
    }

    /** Waits and copies from the device; throws what kernels found wrong since the last read. */
    void download(MemorySegment target, long source) {
        requireOpen();
        enter();
        faults.fetch();
        staging.download(target, source);
        faults.check(programs, info.address());
    }

    void fill(long target, byte value, long bytes) {
        requireOpen();
        enter();
        device.fill(target, value, bytes);
    }

    void free(long address) {
        enter();
        device.free(address);
    }

    @Override
    public void close() {
        if (closed) {
            return;
        }
        if (!open.isEmpty()) {
            List<String> names = new ArrayList<>(open);
            throw new IllegalStateException(
                    "backend " + info.address() + " is closed before " + String.join(", ", names));
        }
        closed = true;
        enter();
        if (library != null) {
            library.close();
        }
        faults.close();
        staging.close();
        device.close();
    }

    private void requireOpen() {
        if (closed) {
            throw new IllegalStateException("backend " + info.address() + " is closed");
        }
    }
}
