package dev.heng.runtime.parallel;

import dev.heng.spi.Backend;
import dev.heng.spi.Buffer;
import dev.heng.spi.BufferRequest;
import dev.heng.spi.Communicator;
import dev.heng.spi.graph.Node;
import dev.heng.spi.graph.Op;
import dev.heng.spi.tensor.DType;
import dev.heng.spi.tensor.Shape;
import dev.heng.spi.tensor.TensorType;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/**
 * Executes AllReduce, AllToAll and AllToAllReturn (COMM-001 to COMM-003) by a communicator.
 *
 * <p>Rows leave in the order of the ranks that own their experts, which is the order they are in, and arrive in the order of the ranks they come from; the device sorts
 * them by expert, by an index that the host works out of all ranks' counts. So an exchange waits for the device twice; a sum does not.
 *
 * <p>Threading: as the device's.
 */
final class Collectives implements AutoCloseable {

    private static final ValueLayout.OfInt INT = ValueLayout.JAVA_INT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);

    private final Backend device;
    private final Communicator communicator;
    private final Map<String, Long> maxima;
    private final Map<String, Exchange> exchanges = new HashMap<>();

    Collectives(Backend device, Communicator communicator, Map<String, Long> maxima) {
        this.device = device;
        this.communicator = communicator;
        this.maxima = maxima;
    }

    /** Memory and the program that an exchange needs: rows as they travel, counts of all ranks, and the sorting of rows. */
    private record Exchange(Buffer travelling, Buffer counts, Buffer allCounts, RowOrder order)
            implements AutoCloseable {
        @Override
        public void close() {
            travelling.close();
            counts.close();
            allCounts.close();
            order.close();
        }
    }

    /** Makes what a node needs to run: nothing for a sum. */
    void prepare(Node node) {
        if (node.op() instanceof Op.AllToAll(int ranks, int localExperts)) {
            TensorType received = node.results().getFirst().type();
            exchanges.put(node.name(), exchange(node, received, (long) ranks * localExperts));
        } else if (node.op() instanceof Op.AllToAllReturn(int ranks, int localExperts)) {
            exchanges.put(node.name(), exchange(node, node.operand(0).type(), (long) ranks * localExperts));
        }
    }

    private Exchange exchange(Node node, TensorType rows, long experts) {
        Buffer travelling = allocate(node.name() + ".travelling", rows);
        Buffer counts = allocate(node.name() + ".counts", TensorType.of(DType.I32, Shape.of(experts)));
        Buffer all =
                allocate(node.name() + ".all_counts", TensorType.of(DType.I32, Shape.of(communicator.size(), experts)));
        return new Exchange(travelling, counts, all, RowOrder.compile(device, node.name(), rows, maxima));
    }

    private Buffer allocate(String name, TensorType type) {
        return device.allocate(new BufferRequest(name, BufferRequest.Usage.TENSOR, type, maxima));
    }

    /**
     * Executes a node.
     *
     * @param operands the buffers of its operands
     * @param results the buffers of its results
     * @param dims the sizes of this run
     */
    void run(Node node, List<Buffer> operands, List<Buffer> results, Map<String, Long> dims) {
        if (node.op() instanceof Op.AllToAll op) {
            send(op, node, operands, results, dims);
        } else if (node.op() instanceof Op.AllToAllReturn op) {
            bringBack(op, node, operands, results, dims);
        } else {
            TensorType type = node.operand(0).type();
            long count = type.shape().elements(dims);
            if (count > 0) {
                communicator.allReduceSum(operands.getFirst(), results.getFirst(), type.dtype(), count);
            }
        }
    }

    private void send(Op.AllToAll op, Node node, List<Buffer> operands, List<Buffer> results, Map<String, Long> dims) {
        Exchange exchange = of(node);
        TensorType type = node.operand(0).type();
        long width = type.shape().dim(1).size(dims);
        int[] offsets = integers(operands.get(1), op.ranks() * op.localExperts() + 1);
        int[] mine = new int[offsets.length - 1];
        Arrays.setAll(mine, expert -> offsets[expert + 1] - offsets[expert]);
        Counts counts = gather(exchange, mine, op.localExperts());
        if (width > 0) {
            communicator.allToAll(
                    operands.getFirst(),
                    counts.sent(width),
                    exchange.travelling(),
                    counts.received(width),
                    type.dtype());
            exchange.order().run(exchange.travelling(), counts.byExpert(), results.get(0), dims);
        }
        results.get(1).write(segment(counts.receivedOffsets()), 0);
        results.get(2).write(segment(counts.receipt()), 0);
    }

    private void bringBack(
            Op.AllToAllReturn op, Node node, List<Buffer> operands, List<Buffer> results, Map<String, Long> dims) {
        Exchange exchange = of(node);
        TensorType type = node.operand(0).type();
        long width = type.shape().dim(1).size(dims);
        int[] receipt = integers(operands.get(1), op.ranks() * op.localExperts());
        int[] offsets = integers(operands.get(2), op.ranks() * op.localExperts() + 1);
        int[] mine = new int[offsets.length - 1];
        Arrays.setAll(mine, expert -> offsets[expert + 1] - offsets[expert]);
        Counts counts = new Counts(op.localExperts(), mine, receipt);
        if (width > 0) {
            exchange.order().run(operands.getFirst(), counts.bySource(), exchange.travelling(), dims);
            communicator.allToAll(
                    exchange.travelling(),
                    counts.received(width),
                    results.getFirst(),
                    counts.sent(width),
                    type.dtype());
        }
    }

    /** Tells all ranks how many rows this one has for each expert, and learns theirs. */
    private Counts gather(Exchange exchange, int[] mine, int localExperts) {
        exchange.counts().write(segment(mine), 0);
        communicator.allGather(exchange.counts(), exchange.allCounts(), DType.I32, mine.length);
        int[] all = integers(exchange.allCounts(), communicator.size() * mine.length);
        int[] receipt = new int[communicator.size() * localExperts];
        for (int source = 0; source < communicator.size(); source++) {
            System.arraycopy(
                    all,
                    source * mine.length + communicator.rank() * localExperts,
                    receipt,
                    source * localExperts,
                    localExperts);
        }
        return new Counts(localExperts, mine, receipt);
    }

    private Exchange of(Node node) {
        Exchange exchange = exchanges.get(node.name());
        if (exchange == null) {
            throw new IllegalStateException("node '" + node.name() + "' was not prepared");
        }
        return exchange;
    }

    private static int[] integers(Buffer buffer, int count) {
        MemorySegment bytes = MemorySegment.ofArray(new byte[4 * count]);
        buffer.read(0, bytes);
        int[] values = new int[count];
        Arrays.setAll(values, index -> bytes.get(INT, 4L * index));
        return values;
    }

    static MemorySegment segment(int[] values) {
        MemorySegment bytes = MemorySegment.ofArray(new byte[4 * values.length]);
        for (int index = 0; index < values.length; index++) {
            bytes.set(INT, 4L * index, values[index]);
        }
        return bytes;
    }

    /** Copies between buffers of the device, through the host: for the rare value that is both an output and read by other nodes. */
    void copy(Buffer from, Buffer to, long bytes) {
        if (bytes > 0) {
            MemorySegment host = MemorySegment.ofArray(new byte[Math.toIntExact(bytes)]);
            from.read(0, host);
            to.write(host, 0);
        }
    }

    @Override
    public void close() {
        exchanges.values().forEach(Exchange::close);
        exchanges.clear();
    }
}
