package dev.heng.backend.ascend;

import dev.heng.backend.ascend.device.TensorView;
import dev.heng.spi.BackendException;
import dev.heng.spi.WeightSizes;
import dev.heng.spi.WeightSource;
import dev.heng.spi.WeightSource.Part;
import dev.heng.spi.graph.Graph;
import dev.heng.spi.graph.Value;
import java.util.HashMap;
import java.util.Map;

/** A program's weights on the device, dense and as stored: W[N, K], vectors, and stacked experts W[E, N, K] part after part. */
final class DeviceWeights implements AutoCloseable {

    private final AscendDevice device;
    private final Map<Value, TensorView> views = new HashMap<>();

    /** Uploads; if it fails, nothing stays allocated. */
    DeviceWeights(AscendDevice device, Graph graph, WeightSource source) {
        this.device = device;
        requireFits(graph);
        try {
            for (Value weight : graph.weights()) {
                upload(weight, source.data(weight));
            }
        } catch (RuntimeException e) {
            close();
            throw e;
        }
    }

    /** Refuses before the first byte is copied, with the arithmetic shown. */
    private void requireFits(Graph graph) {
        long wanted = 0;
        for (Value weight : graph.weights()) {
            wanted += weight.type().bytes(Map.of());
        }
        long free = device.runtime().memory()[0];
        if (wanted > free) {
            throw BackendException.of(
                    BackendException.Code.OUT_OF_MEMORY,
                    device.address() + ": the weights of graph '" + graph.name() + "' take " + wanted + " bytes, and "
                            + free + " are free",
                    "use a narrower weight format or a device with more memory");
        }
    }

    private void upload(Value weight, WeightSource.WeightData stored) {
        WeightSizes.check(weight, stored);
        long bytes = weight.type().bytes(Map.of());
        long address = device.allocate("weight '" + weight.name() + "'", bytes);
        long[] dims = new long[weight.type().shape().rank()];
        for (int i = 0; i < dims.length; i++) {
            dims[i] = weight.type().shape().dim(i).size();
        }
        views.put(weight, TensorView.dense(weight.type().dtype(), address, dims));
        long at = address;
        for (Part part : stored.parts()) {
            device.stage().write(part.elements(), at);
            at += part.elements().byteSize();
        }
    }

    TensorView view(Value weight) {
        TensorView view = views.get(weight);
        if (view == null) {
            throw new IllegalStateException("weight '" + weight.name() + "' was not uploaded");
        }
        return view;
    }

    @Override
    public void close() {
        device.runtime().synchronise(device.stream());
        views.values().forEach(view -> device.runtime().free(view.address()));
        views.clear();
    }
}
