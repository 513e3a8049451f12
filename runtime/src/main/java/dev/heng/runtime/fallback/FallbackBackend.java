package dev.heng.runtime.fallback;

import dev.heng.runtime.partition.Partition;
import dev.heng.runtime.partition.Side;
import dev.heng.spi.Backend;
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
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/**
 * Two devices as one: what the first declines, the second executes ({@code --fallback cpu}).
 *
 * <p>Buffers are allocated on a device when it first uses them, so that out of memory may show in the first run. Ownership: both devices belong to this one and are closed
 * with it. Threading: one thread at a time, and where one of the two is confined, its thread.
 */
public final class FallbackBackend implements Backend {

    private final Backend primary;
    private final Backend fallback;
    private final Map<Side, Backend> backends;

    /**
     * Joins two devices.
     *
     * @param primary the device that the user chose
     * @param fallback executes what the other declines
     */
    public FallbackBackend(Backend primary, Backend fallback) {
        this.primary = primary;
        this.fallback = fallback;
        this.backends = Map.of(Side.FIRST, primary, Side.SECOND, fallback);
    }

    /** Returns the first device, with the second among its facts. */
    @Override
    public DeviceInfo device() {
        DeviceInfo device = primary.device();
        Map<String, String> facts = new HashMap<>(device.facts());
        facts.put("fallback", fallback.device().address());
        return new DeviceInfo(
                device.backend(), device.ordinal(), device.name(), device.memoryBytes(), device.simulated(), facts);
    }

    /** Returns the profile of the first device; it says nothing of the nodes that the second executes. */
    @Override
    public NumericsProfile numerics() {
        return primary.numerics();
    }

    @Override
    public Threading threading() {
        return primary.threading() == Threading.CONFINED || fallback.threading() == Threading.CONFINED
                ? Threading.CONFINED
                : Threading.SERIAL;
    }

    /** Returns the memory of the first device. */
    @Override
    public MemoryInfo memory() {
        return primary.memory();
    }

    @Override
    public Support supports(Node node, CompileOptions options) {
        Support first = primary.supports(node, options);
        return switch (first) {
            case Support.Supported _ -> first;
            case Support.Declined no ->
                switch (fallback.supports(node, forFallback(options))) {
                    case Support.Supported yes -> yes;
                    case Support.Declined neither ->
                        Support.declined(
                                no.code(), no.text() + "; " + fallback.device().address() + ": " + neither.text());
                };
        };
    }

    @Override
    public Buffer allocate(BufferRequest request) {
        return new MirroredBuffer(backends, request);
    }

    @Override
    public Program compile(Graph graph, WeightSource weights, CompileOptions options) {
        Map<Node, Side> sides = Placement.sides(graph, primary, fallback, options);
        List<FallbackProgram.CompiledPart> compiled = new ArrayList<>();
        boolean complete = false;
        try {
            for (Partition.Part part : Partition.of(graph, sides)) {
                boolean first = part.side() == Side.FIRST;
                Program program = (first ? primary : fallback)
                        .compile(
                                part.graph(),
                                weight -> weights.data(graph.value(weight.name())),
                                first ? options : forFallback(options));
                compiled.add(new FallbackProgram.CompiledPart(part.side(), program));
            }
            FallbackProgram program = new FallbackProgram(graph, backends, compiled, options.maxima());
            complete = true;
            return program;
        } finally {
            if (!complete) {
                compiled.forEach(part -> part.program().close());
            }
        }
    }

    /** The first device's settings mean nothing to the second. */
    private static CompileOptions forFallback(CompileOptions options) {
        return new CompileOptions(options.maxima(), BackendOptions.none());
    }

    @Override
    public void close() {
        try {
            primary.close();
        } finally {
            fallback.close();
        }
    }
}
