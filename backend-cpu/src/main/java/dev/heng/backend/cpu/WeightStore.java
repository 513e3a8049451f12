package dev.heng.backend.cpu;

import dev.heng.kernels.cpu.CpuLayout;
import dev.heng.spi.WeightSizes;
import dev.heng.spi.WeightSource;
import dev.heng.spi.graph.Graph;
import dev.heng.spi.graph.Value;
import dev.heng.spi.tensor.DType;
import dev.heng.spi.tensor.Quantization;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * A program's weights: one block of memory on huge pages that holds every byte as stored, or the caller's own memory, and a
 * descriptor for each matrix in the layout that the kernels read.
 *
 * <p>Nothing is repacked: the kernels read the checkpoint's layouts at the speed of memory, so the block is as large as the weights are.
 */
final class WeightStore implements AutoCloseable {

    private static final long ALIGNMENT = 64;

    private final Kernels kernels;
    private final CpuLayout layout;
    private final Arena arena = Arena.ofShared();
    private final MemorySegment block;
    private final Map<Value, MemorySegment> descriptors = new HashMap<>();
    private final Map<Value, Long> data = new HashMap<>();
    private final boolean mapped;
    private long used;

    WeightStore(Kernels kernels, Graph graph, WeightSource source, boolean mapped) {
        this.kernels = kernels;
        this.mapped = mapped;
        this.layout = kernels.layout();
        Map<Value, WeightSource.WeightData> stored = new LinkedHashMap<>();
        long bytes = ALIGNMENT;
        for (Value weight : graph.weights()) {
            WeightSource.WeightData found = source.data(weight);
            WeightSizes.check(weight, found);
            stored.put(weight, found);
            for (WeightSource.Part part : found.parts()) {
                bytes += copied(part.elements()) + copied(part.scales()) + copied(part.zeroPoints());
            }
        }
        this.block = kernels.allocate(bytes);
        stored.forEach(this::add);
    }

    /** Returns the address of a weight's descriptors, one for each expert. */
    long descriptor(Value weight) {
        MemorySegment found = descriptors.get(weight);
        if (found == null) {
            throw new IllegalArgumentException("'" + weight.name() + "' is not a weight of this program");
        }
        return found.address();
    }

    /** Returns the address of the elements of a weight of one part. */
    long elements(Value weight) {
        Long found = data.get(weight);
        if (found == null) {
            throw new IllegalArgumentException("'" + weight.name() + "' is not a weight of this program");
        }
        return found;
    }

    /** Returns the bytes that weights occupy. */
    long bytes() {
        return block.byteSize();
    }

    @Override
    public void close() {
        kernels.free(block);
        arena.close();
    }

    private void add(Value weight, WeightSource.WeightData stored) {
        int rank = weight.type().shape().rank();
        long columns = weight.type().shape().dim(-1).size();
        long rows = rank >= 2 ? weight.type().shape().dim(-2).size() : 1;
        long size = layout.size("weight");
        MemorySegment all = arena.allocate(Math.max(1, stored.parts().size()) * size, ALIGNMENT);
        long expert = 0;
        for (WeightSource.Part part : stored.parts()) {
            MemorySegment at = all.asSlice(expert++ * size, size);
            long address = copy(part.elements());
            data.put(weight, address);
            put(at, "rows", rows);
            put(at, "columns", columns);
            put(at, "row_bytes", WeightSizes.rowBytes(weight.type()));
            put(at, "data", address);
            put(at, "scales", copy(part.scales()));
            put(at, "zero_points", copy(part.zeroPoints()));
            at.set(
                    ValueLayout.JAVA_INT,
                    layout.offset("weight.type"),
                    layout.constant(elementType(weight.type().dtype())));
            switch (weight.type().quantization()) {
                case Quantization.None _ -> {}
                case Quantization.Fp8Blocks blocks -> {
                    scale(at, blocks.scaleType());
                    put(at, "block_rows", blocks.blockRows());
                    put(at, "block_columns", blocks.blockColumns());
                }
                case Quantization.Int8Channels channels -> scale(at, channels.scaleType());
                case Quantization.Int4Groups groups -> {
                    scale(at, groups.scaleType());
                    put(at, "block_columns", groups.groupSize());
                }
            }
        }
        descriptors.put(weight, all);
    }

    private static String elementType(DType type) {
        return switch (type) {
            case F32 -> "F32";
            case BF16 -> "BF16";
            case F16 -> "F16";
            case F8_E4M3 -> "E4M3";
            case I8 -> "I8";
            case I4 -> "I4";
            case F64, F8_E8M0, I32, I64 ->
                throw new IllegalArgumentException("the kernels have no weights of type " + type);
        };
    }

    private void scale(MemorySegment at, DType type) {
        String name = switch (type) {
            case F32 -> "F32";
            case BF16 -> "BF16";
            case F16 -> "F16";
            case F8_E8M0 -> "E8M0";
            case F64, F8_E4M3, I8, I4, I32, I64 -> throw new IllegalArgumentException("scales of type " + type);
        };
        at.set(ValueLayout.JAVA_INT, layout.offset("weight.scale_type"), layout.constant(name));
    }

    private void put(MemorySegment at, String field, long value) {
        at.set(ValueLayout.JAVA_LONG, layout.offset("weight." + field), value);
    }

    private long copy(@Nullable MemorySegment source) {
        if (source == null) {
            return 0;
        }
        if (copied(source) == 0) {
            return source.address();
        }
        MemorySegment target = block.asSlice(used, source.byteSize());
        MemorySegment.copy(source, 0, target, 0, source.byteSize());
        used += padded(source);
        return target.address();
    }

    /** Returns the bytes of the block that a segment takes: none if it is read where it lies, which memory of the Java heap cannot be. */
    private long copied(@Nullable MemorySegment segment) {
        return segment == null || (mapped && segment.isNative()) ? 0 : padded(segment);
    }

    private static long padded(@Nullable MemorySegment segment) {
        return segment == null ? 0 : (segment.byteSize() + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    }
}
