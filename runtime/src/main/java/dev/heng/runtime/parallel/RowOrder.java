package dev.heng.runtime.parallel;

import dev.heng.spi.Backend;
import dev.heng.spi.Batch;
import dev.heng.spi.Bindings;
import dev.heng.spi.Buffer;
import dev.heng.spi.BufferRequest;
import dev.heng.spi.CompileOptions;
import dev.heng.spi.Program;
import dev.heng.spi.WeightSource;
import dev.heng.spi.graph.Graph;
import dev.heng.spi.graph.GraphBuilder;
import dev.heng.spi.graph.Value;
import dev.heng.spi.tensor.DType;
import dev.heng.spi.tensor.Dim;
import dev.heng.spi.tensor.TensorType;
import java.lang.foreign.MemorySegment;
import java.util.Map;

/** Puts rows into another order on the device: a program of one SelectRows. */
final class RowOrder implements AutoCloseable {

    private final Program program;
    private final Buffer index;
    private final TensorType rows;

    private RowOrder(Program program, Buffer index, TensorType rows) {
        this.program = program;
        this.index = index;
        this.rows = rows;
    }

    /**
     * Compiles it.
     *
     * @param rows the type of the rows, with the capacity of an exchange
     * @param maxima the largest sizes of the symbols of {@code rows}
     */
    static RowOrder compile(Backend device, String name, TensorType rows, Map<String, Long> maxima) {
        Dim width = rows.shape().dim(1);
        GraphBuilder builder = new GraphBuilder(name + ".order");
        Value from = builder.input("from", TensorType.of(rows.dtype(), Dim.of(Dim.TOKENS), width));
        Value index = builder.input("index", TensorType.of(DType.I32, Dim.of(Dim.OUTPUTS)));
        builder.output("to", builder.selectRows("select", from, index));
        Graph graph = builder.build();
        long capacity = rows.shape().dim(0).size(maxima);
        Map<String, Long> bounds = Map.of(Dim.TOKENS, capacity, Dim.OUTPUTS, capacity);
        Program program = device.compile(
                graph, weight -> WeightSource.WeightData.of(MemorySegment.NULL), CompileOptions.of(bounds));
        try {
            return new RowOrder(
                    program,
                    device.allocate(new BufferRequest(
                            "index",
                            BufferRequest.Usage.TENSOR,
                            graph.value("index").type(),
                            bounds)),
                    rows);
        } catch (RuntimeException e) {
            program.close();
            throw e;
        }
    }

    /**
     * Copies rows.
     *
     * @param order for each row of {@code to} the row of {@code from}
     * @param dims the sizes of the run
     */
    void run(Buffer from, int[] order, Buffer to, Map<String, Long> dims) {
        if (order.length == 0) {
            return;
        }
        index.write(Collectives.segment(order), 0);
        Map<String, Long> sizes = Map.of(Dim.TOKENS, rows.shape().dim(0).size(dims), Dim.OUTPUTS, (long) order.length);
        program.run(new Bindings(sizes, Batch.NONE, Map.of("from", from, "index", index, "to", to)));
    }

    @Override
    public void close() {
        program.close();
        index.close();
    }
}
