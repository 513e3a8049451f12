package com.acme.heng;

import dev.heng.spi.Backend;
import dev.heng.spi.BackendException;
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
import dev.heng.spi.tensor.DType;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.stream.Collectors;

/** One opened Acme device. It adds F32 tensors and says no to everything else: the first day of a backend. */
final class AcmeBackend implements Backend {

    private final DeviceInfo device;
    /** Buffers and programs that are open, in the order in which they were made. */
    private final List<Object> open = new ArrayList<>();

    private boolean closed;

    AcmeBackend(DeviceInfo device) {
        this.device = device;
    }

    private void requireOpen() {
        if (closed) {
            throw new IllegalStateException("backend " + device.address() + " is closed");
        }
    }

    void forget(Object made) {
        open.remove(made);
    }

    @Override
    public DeviceInfo device() {
        return device;
    }

    @Override
    public NumericsProfile numerics() {
        return new NumericsProfile(Map.of(), Map.of(), DType.F32, false, NumericsProfile.Determinism.BATCH_INVARIANT);
    }

    @Override
    public Threading threading() {
        return Threading.SERIAL;
    }

    @Override
    public MemoryInfo memory() {
        Runtime heap = Runtime.getRuntime();
        return new MemoryInfo(heap.maxMemory(), heap.maxMemory() - heap.totalMemory() + heap.freeMemory());
    }

    @Override
    public Support supports(Node node, CompileOptions options) {
        if (!(node.op() instanceof Op.Add)) {
            return Support.declined(
                    Support.Code.OPERATOR, node.op().getClass().getSimpleName() + " is not written yet");
        }
        return node.result().type().dtype() == DType.F32
                ? Support.SUPPORTED
                : Support.declined(Support.Code.DTYPE, "only F32 is written yet");
    }

    @Override
    public Buffer allocate(BufferRequest request) {
        requireOpen();
        long bytes;
        try {
            bytes = request.type().bytes(request.dims());
        } catch (ArithmeticException overflow) {
            throw outOfMemory(request, "more than 2^63 bytes");
        }
        if (bytes > memory().freeBytes() || bytes > Integer.MAX_VALUE - 8) {
            throw outOfMemory(request, bytes + " bytes");
        }
        AcmeBuffer buffer = new AcmeBuffer(this, request, (int) bytes);
        open.add(buffer);
        return buffer;
    }

    private static BackendException outOfMemory(BufferRequest request, String size) {
        return BackendException.of(
                BackendException.Code.OUT_OF_MEMORY,
                "buffer '" + request.name() + "' needs " + size + ", which the device does not have",
                "ask for less");
    }

    @Override
    public Program compile(Graph graph, WeightSource weights, CompileOptions options) {
        requireOpen();
        for (Node node : graph.nodes()) {
            if (supports(node, options) instanceof Support.Declined declined) {
                throw BackendException.of(
                        BackendException.Code.DECLINED,
                        "node '" + node.name() + "': " + declined.text(),
                        "run it on another backend");
            }
        }
        AcmeProgram program = new AcmeProgram(this, graph, options);
        open.add(program);
        return program;
    }

    @Override
    public void close() {
        if (closed) {
            return;
        }
        if (!open.isEmpty()) {
            throw new IllegalStateException("backend " + device.address() + " still has "
                    + open.stream().map(Object::toString).collect(Collectors.joining(", ")));
        }
        closed = true;
    }
}
