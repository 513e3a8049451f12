package dev.heng.backend.cuda;

import dev.heng.backend.cuda.device.CudaDevice;
import dev.heng.backend.cuda.device.Staging;
import dev.heng.backend.cuda.lowering.StoredWeight;
import dev.heng.spi.Backend;
import dev.heng.spi.BackendException;
import dev.heng.spi.WeightSizes;
import dev.heng.spi.WeightSource;
import dev.heng.spi.graph.Graph;
import dev.heng.spi.graph.Value;
import java.lang.foreign.MemorySegment;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * A program's weights in one block of device memory, as stored. Sizes are added up and compared with the free memory before a byte is read, so that a checkpoint that does not fit
 * is refused at once, with the arithmetic.
 */
final class CudaWeights implements AutoCloseable {

    private static final long ALIGNMENT = 256;

    private final CudaDevice device;
    private final Map<Value, StoredWeight> stored = new LinkedHashMap<>();
    private final long bytes;
    private long block;

    CudaWeights(CudaDevice device, Staging staging, Graph graph, WeightSource source) {
        this.device = device;
        Map<Value, WeightSource.WeightData> data = new LinkedHashMap<>();
        long total = 0;
        for (Value weight : graph.weights()) {
            WeightSource.WeightData found = source.data(weight);
            WeightSizes.check(weight, found);
            data.put(weight, found);
            total += layout(found, 0).end();
        }
        this.bytes = total;
        requireRoom(device, graph, total);
        this.block = device.allocate(total, "graph '" + graph.name() + "': its weights");
        boolean uploaded = false;
        try {
            long at = block;
            for (Map.Entry<Value, WeightSource.WeightData> entry : data.entrySet()) {
                at = upload(staging, entry.getKey(), entry.getValue(), at);
            }
            device.synchronize();
            uploaded = true;
        } finally {
            if (!uploaded) {
                close();
            }
        }
    }

    private static void requireRoom(CudaDevice device, Graph graph, long total) {
        Backend.MemoryInfo memory = device.memory();
        if (total > memory.freeBytes()) {
            throw BackendException.of(
                    BackendException.Code.OUT_OF_MEMORY,
                    device.address() + ": the weights of graph '" + graph.name() + "' take " + total + " bytes, and "
                            + memory.freeBytes() + " of " + memory.totalBytes() + " are free: "
                            + (total - memory.freeBytes()) + " too few",
                    "use a smaller format (int4 takes about a quarter of bf16), or a GPU with more memory");
        }
    }

    /** Offsets of a weight's first parts; each kind of part is as far apart as the largest is, padded. */
    private record Layout(
            long elements, long scales, long zeros, long perElements, long perScales, long perZeros, long end) {}

    private static Layout layout(WeightSource.WeightData data, long at) {
        if (data.parts().isEmpty()) {
            return new Layout(at, 0, 0, 0, 0, 0, at);
        }
        WeightSource.Part first = data.parts().getFirst();
        int count = data.parts().size();
        long perElements = count == 1 ? first.elements().byteSize() : padded(first.elements());
        long perScales = padded(first.scales());
        long perZeros = padded(first.zeroPoints());
        long scales = at + roundUp(perElements * count);
        long zeros = scales + perScales * count;
        return new Layout(
                at,
                first.scales() == null ? 0 : scales,
                first.zeroPoints() == null ? 0 : zeros,
                perElements,
                perScales,
                perZeros,
                zeros + perZeros * count);
    }

    private long upload(Staging staging, Value weight, WeightSource.WeightData data, long at) {
        Layout layout = layout(data, at);
        int expert = 0;
        for (WeightSource.Part part : data.parts()) {
            staging.upload(layout.elements() + expert * layout.perElements(), part.elements());
            uploadIfThere(staging, layout.scales() + expert * layout.perScales(), part.scales());
            uploadIfThere(staging, layout.zeros() + expert * layout.perZeros(), part.zeroPoints());
            expert++;
        }
        stored.put(
                weight,
                new StoredWeight(
                        weight,
                        layout.elements(),
                        layout.scales(),
                        layout.zeros(),
                        layout.perElements(),
                        layout.perScales(),
                        layout.perZeros()));
        return layout.end();
    }

    private static void uploadIfThere(Staging staging, long target, @Nullable MemorySegment source) {
        if (source != null) {
            staging.upload(target, source);
        }
    }

    private static long padded(@Nullable MemorySegment segment) {
        return segment == null ? 0 : roundUp(segment.byteSize());
    }

    private static long roundUp(long bytes) {
        return Math.ceilDiv(bytes, ALIGNMENT) * ALIGNMENT;
    }

    Map<Value, StoredWeight> stored() {
        return Collections.unmodifiableMap(stored);
    }

    long bytes() {
        return bytes;
    }

    @Override
    public void close() {
        device.free(block);
        block = 0;
    }
}
