package dev.heng.backend.cuda;

import dev.heng.backend.cuda.device.CudaDevice;
import dev.heng.kernels.cuda.ArgumentBlocks;
import dev.heng.spi.BackendException;
import dev.heng.spi.graph.Graph;
import dev.heng.spi.graph.Node;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.Map;

/** The one place where kernels note the first datum out of range (RUN-005). */
final class FaultRecord implements AutoCloseable {

    private final CudaDevice device;
    private final ArgumentBlocks.Block layout;
    private final MemorySegment copy;
    private final long address;

    FaultRecord(CudaDevice device, ArgumentBlocks blocks) {
        this.device = device;
        this.layout = blocks.block("Fault");
        this.copy = device.allocateHost(layout.bytes());
        this.address = device.allocate(layout.bytes(), "the fault record");
        device.fill(address, (byte) 0, layout.bytes());
    }

    /** Returns where kernels write it. */
    long address() {
        return address;
    }

    /** Queues a copy of the record to the host; {@link #check} may look at it after the stream was waited for. */
    void fetch() {
        device.download(copy, address);
    }

    /**
     * Throws what was noted, and clears the record so that programs stay usable.
     *
     * @param programs by the number in the record
     */
    void check(Map<Integer, Graph> programs, String deviceAddress) {
        if (integer("raised") == 0) {
            return;
        }
        device.fill(address, (byte) 0, layout.bytes());
        Graph graph = programs.get(integer("program"));
        int index = integer("node");
        if (graph == null || index < 0 || index >= graph.nodes().size()) {
            return; // a program that is closed by now
        }
        Node node = graph.nodes().get(index);
        long at = copy.get(ValueLayout.JAVA_LONG, offset("index"));
        double value = copy.get(ValueLayout.JAVA_DOUBLE, offset("value"));
        boolean whole = value == Math.rint(value) && Math.abs(value) < 1e15;
        String operand = node.operand(
                        Math.min(integer("operand"), node.operands().size() - 1))
                .name();
        throw BackendException.of(
                BackendException.Code.INVALID_DATA,
                deviceAddress + ": graph '" + graph.name() + "', node '" + node.name() + "' ("
                        + node.op().name() + "): '" + operand + "'[" + at + "] is "
                        + (whole ? Long.toString((long) value) : Double.toString(value)) + ", which is out of range",
                "correct the data that the run was given");
    }

    private int integer(String field) {
        return copy.get(ValueLayout.JAVA_INT, offset(field));
    }

    private long offset(String field) {
        ArgumentBlocks.Field at = layout.fields().get(field);
        if (at == null) {
            throw new IllegalStateException("Fault has no field '" + field + "'");
        }
        return at.offset();
    }

    @Override
    public void close() {
        device.free(address);
        device.freeHost(copy);
    }
}
