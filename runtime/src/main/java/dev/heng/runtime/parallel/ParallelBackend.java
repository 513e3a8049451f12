package dev.heng.runtime.parallel;

import dev.heng.runtime.partition.Partition;
import dev.heng.runtime.partition.Side;
import dev.heng.spi.Backend;
import dev.heng.spi.Buffer;
import dev.heng.spi.BufferRequest;
import dev.heng.spi.Ceiling;
import dev.heng.spi.Communicator;
import dev.heng.spi.CompileOptions;
import dev.heng.spi.DeviceInfo;
import dev.heng.spi.NumericsProfile;
import dev.heng.spi.Program;
import dev.heng.spi.Support;
import dev.heng.spi.WeightSource;
import dev.heng.spi.graph.Graph;
import dev.heng.spi.graph.Node;
import dev.heng.spi.graph.Op;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/**
 * One rank of a group: a device, and the communicator through which it takes part in the group's collectives (COMM).
 *
 * <p>A graph is cut at its collectives; the device compiles what lies between them, and all of it runs in the order of the graph. Every rank of the group has to compile
 * graphs with the same collectives and to run them with the same sizes, in the same order.
 *
 * <p>Ownership: device and communicator belong to this one and are closed with it, the communicator first. Threading: as the device's.
 */
public final class ParallelBackend implements Backend {

    private final Backend device;
    private final Communicator communicator;

    /**
     * Makes a rank.
     *
     * @param device executes everything but collectives
     * @param communicator what {@code device} joined
     */
    public ParallelBackend(Backend device, Communicator communicator) {
        this.device = device;
        this.communicator = communicator;
    }

    /** Returns the device, with its place in the group among its facts. */
    @Override
    public DeviceInfo device() {
        DeviceInfo one = device.device();
        Map<String, String> facts = new HashMap<>(one.facts());
        facts.put("rank", communicator.rank() + " of " + communicator.size());
        return new DeviceInfo(one.backend(), one.ordinal(), one.name(), one.memoryBytes(), one.simulated(), facts);
    }

    @Override
    public NumericsProfile numerics() {
        return device.numerics();
    }

    @Override
    public Threading threading() {
        return device.threading();
    }

    @Override
    public MemoryInfo memory() {
        return device.memory();
    }

    @Override
    public Support supports(Node node, CompileOptions options) {
        int ranks = ranks(node);
        if (ranks == 0) {
            return device.supports(node, options);
        }
        return ranks == communicator.size()
                ? Support.SUPPORTED
                : Support.declined(
                        Support.Code.ATTRIBUTE,
                        "a collective over " + ranks + " ranks in a group of " + communicator.size());
    }

    /** Returns the number of ranks of a collective, 0 for other nodes. */
    private static int ranks(Node node) {
        return switch (node.op()) {
            case Op.AllReduce(int ranks) -> ranks;
            case Op.AllToAll exchange -> exchange.ranks();
            case Op.AllToAllReturn exchange -> exchange.ranks();
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
                    Op.Sample _ -> 0;
        };
    }

    @Override
    public Buffer allocate(BufferRequest request) {
        return device.allocate(request);
    }

    @Override
    public Program compile(Graph graph, WeightSource weights, CompileOptions options) {
        Map<Node, Side> sides = new HashMap<>();
        graph.nodes().forEach(node -> sides.put(node, ranks(node) == 0 ? Side.FIRST : Side.SECOND));
        if (!sides.containsValue(Side.SECOND)) {
            return device.compile(graph, weights, options);
        }
        List<ParallelProgram.Piece> pieces = new ArrayList<>();
        Collectives collectives = new Collectives(device, communicator, options.maxima());
        boolean complete = false;
        try {
            for (Partition.Part part : Partition.of(graph, sides)) {
                pieces.add(
                        switch (part.side()) {
                            case FIRST ->
                                new ParallelProgram.Compiled(device.compile(
                                        part.graph(), weight -> weights.data(graph.value(weight.name())), options));
                            case SECOND -> {
                                part.graph().nodes().forEach(collectives::prepare);
                                yield new ParallelProgram.Exchanges(part.graph());
                            }
                        });
            }
            Program program = new ParallelProgram(graph, device, collectives, pieces, options.maxima());
            complete = true;
            return program;
        } finally {
            if (!complete) {
                pieces.forEach(ParallelProgram.Piece::close);
                collectives.close();
            }
        }
    }

    @Override
    public byte[] newGroupId() {
        return device.newGroupId();
    }

    @Override
    public List<Ceiling> measureCeilings() {
        return device.measureCeilings();
    }

    @Override
    public void close() {
        try {
            communicator.close();
        } finally {
            device.close();
        }
    }
}
