package dev.heng.backend.ascend;

import dev.heng.backend.ascend.lowering.Lowering;
import dev.heng.spi.Backend;
import dev.heng.spi.BackendException;
import dev.heng.spi.Buffer;
import dev.heng.spi.BufferRequest;
import dev.heng.spi.Communicator;
import dev.heng.spi.CompileOptions;
import dev.heng.spi.DeviceInfo;
import dev.heng.spi.NumericsProfile;
import dev.heng.spi.NumericsProfile.Accumulation;
import dev.heng.spi.NumericsProfile.Product;
import dev.heng.spi.NumericsProfile.Rounding;
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

/** One Ascend device, opened: everything happens in order on one stream. */
final class AscendBackend implements Backend {

    private final AscendDevice device;
    private final DeviceInfo info;
    private final AscendOptions asked;
    private final WeightForms forms;
    private final AscendSupport support;
    private final Set<String> open = new LinkedHashSet<>();
    private long serial;
    private boolean closed;

    AscendBackend(AscendDevice device, DeviceInfo info, AscendOptions asked) {
        this.device = device;
        this.info = info;
        this.asked = asked;
        this.forms = new WeightForms(info.name(), asked);
        this.support = new AscendSupport(device.chips(), forms);
    }

    @Override
    public DeviceInfo device() {
        return info;
    }

    /**
     * Declares float32 sums of exact products, and scalar functions to two units in the last place of float32. A weight in int8 or int4 that meets float activations is
     * rounded to their type on its way to the cube: 8 bits in BF16, which is what is declared, 11 in F16. No document of the vendor gives these numbers and no device was
     * measured: on a device the conformance suite's probes have to confirm them. Where latent attention in BF16 is one operator, the absorbed query, context and
     * probabilities have 8 bits, which is declared apart; option {@code attention=fused} declares it of all attention.
     */
    @Override
    public NumericsProfile numerics() {
        Map<Product, Accumulation> products = new EnumMap<>(Product.class);
        for (Product product : List.of(Product.F32, Product.F16, Product.BF16, Product.ATTENTION)) {
            products.put(product, Accumulation.f32());
        }
        boolean fused = Lowering.fusesAttention(device.chips(), device.operators());
        Accumulation through16Bits = new Accumulation(8, 8, 1, 24, Rounding.NEAREST_EVEN, 24, Rounding.NEAREST_EVEN, 0);
        boolean all = fused && asked.attention() == Lowering.Attention.FUSED;
        if (all) {
            products.put(Product.ATTENTION, through16Bits);
        }
        if (fused && asked.attention() != Lowering.Attention.UNFUSED) {
            products.put(Product.LATENT_ATTENTION_BF16, through16Bits);
        }
        products.put(Product.INT8, Accumulation.f32());
        Accumulation throughBf16 = new Accumulation(24, 8, 1, 24, Rounding.NEAREST_EVEN, 24, Rounding.NEAREST_EVEN, 0);
        products.put(Product.INT8_WEIGHT, throughBf16);
        products.put(Product.INT4_WEIGHT, throughBf16);
        if (forms.requantisesFp8()) {
            products.put(Product.FP8_WEIGHT, throughBf16);
        }
        Map<ScalarFunction, Double> ulp = new EnumMap<>(ScalarFunction.class);
        for (ScalarFunction function : ScalarFunction.values()) {
            ulp.put(function, 2.0);
        }
        return new NumericsProfile(
                products, ulp, all ? DType.BF16 : DType.F32, false, NumericsProfile.Determinism.RUN_TO_RUN);
    }

    /** The runtime's context and the two phases of an operator belong to one thread. */
    @Override
    public Threading threading() {
        return Threading.CONFINED;
    }

    @Override
    public MemoryInfo memory() {
        requireOpen();
        long[] memory = device.runtime().memory();
        return new MemoryInfo(memory[1], memory[0]);
    }

    @Override
    public Support supports(Node node, CompileOptions options) {
        return support.of(node);
    }

    @Override
    public Buffer allocate(BufferRequest request) {
        requireOpen();
        String name = "buffer '" + request.name() + "' #" + ++serial;
        Buffer buffer = new AscendBuffer(device, request, () -> open.remove(name));
        open.add(name);
        return buffer;
    }

    @Override
    public Program compile(Graph graph, WeightSource weights, CompileOptions options) {
        requireOpen();
        options.options().requireKnown(info.backend(), Set.of());
        for (Node node : graph.nodes()) {
            if (supports(node, options) instanceof Support.Declined declined) {
                throw BackendException.of(
                        BackendException.Code.DECLINED,
                        info.address() + " does not execute node '" + node.name() + "' ("
                                + node.op().name() + "): " + declined.text(),
                        "run this graph on another backend, or let the CPU execute what is declined (--fallback cpu)");
            }
        }
        String name = "program '" + graph.name() + "' #" + ++serial;
        Program program = new AscendProgram(device, graph, weights, options, asked, forms, () -> open.remove(name));
        open.add(name);
        return program;
    }

    @Override
    public byte[] newGroupId() {
        requireOpen();
        return device.newGroupId();
    }

    /** Joins through HCCL. Every rank has a device of its own. */
    @Override
    public Communicator join(Communicator.Group group) {
        requireOpen();
        String name = "communicator #" + ++serial;
        Communicator joined = new AscendCommunicator(
                device, device.join(group.id(), group.rank(), group.size()), group, () -> open.remove(name));
        open.add(name);
        return joined;
    }

    @Override
    public void close() {
        if (closed) {
            return;
        }
        if (!open.isEmpty()) {
            throw new IllegalStateException(
                    "backend " + info.address() + " is closed before " + String.join(", ", new ArrayList<>(open)));
        }
        closed = true;
        device.close();
    }

    private void requireOpen() {
        if (closed) {
            throw new IllegalStateException("backend " + info.address() + " is closed");
        }
    }
}
