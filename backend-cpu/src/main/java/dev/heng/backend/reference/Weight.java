package dev.heng.backend.reference;

import dev.heng.spi.BackendException;
import dev.heng.spi.WeightSource;
import dev.heng.spi.graph.Value;
import dev.heng.spi.tensor.DType;
import dev.heng.spi.tensor.Quantization;
import dev.heng.spi.tensor.TensorType;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * A weight W[N, K], W[E, N, K] or [N] read where it lies, one dequantised row at a time: {@code (element - zero) * scale}, which a double holds exactly in every
 * format (QUANT-001).
 */
final class Weight {

    private final String name;
    private final TensorType type;
    private final List<WeightSource.Part> parts;
    private final int rows;
    private final int columns;

    /**
     * Checks the stored parts against the declared type (QUANT-002).
     *
     * @throws BackendException with {@link BackendException.Code#INVALID_DATA}, naming the weight, what is stored and what its type asks for
     */
    Weight(Value value, WeightSource.WeightData data) {
        this.name = value.name();
        this.type = value.type();
        this.parts = data.parts();
        int rank = type.shape().rank();
        if (rank < 1 || rank > 3) {
            throw invalid("has " + rank + " dimensions", "declare it as [N], [N, K] or [E, N, K]");
        }
        this.rows = rank == 1 ? 1 : dimension(-2);
        this.columns = dimension(-1);
        int experts = rank == 3 ? dimension(0) : 1;
        if (parts.size() != experts) {
            throw invalid(
                    "is stored in " + parts.size() + " parts, and its type " + type + " asks for " + experts,
                    "hand over one part for each expert, in their order");
        }
        for (int part = 0; part < experts; part++) {
            check(part);
        }
    }

    /** Returns a plain weight that lies in memory as a dense tensor: one that is bound or computed at run time. */
    static Weight of(Value value, Tensor tensor) {
        int experts = value.type().shape().rank() == 3
                ? Math.toIntExact(value.type().shape().dim(0).size())
                : 1;
        long bytes = value.type().bytes(Map.of()) / experts;
        List<WeightSource.Part> parts = new ArrayList<>();
        for (int expert = 0; expert < experts; expert++) {
            parts.add(new WeightSource.Part(tensor.memory().asSlice(expert * bytes, bytes), null, null));
        }
        return new Weight(value, new WeightSource.WeightData(parts));
    }

    /** Returns N. */
    int rows() {
        return rows;
    }

    /** Returns K, or the length of a vector. */
    int columns() {
        return columns;
    }

    /** Returns the matrix of a plain weight in one part, as a dense tensor; null for any other. */
    @Nullable
    Tensor dense() {
        return type.isPlain() && parts.size() == 1
                ? new Tensor(parts.getFirst().elements(), type.dtype(), rows, columns)
                : null;
    }

    /** Returns how elements stand for numbers. */
    Quantization quantization() {
        return type.quantization();
    }

    /** Writes row {@code n} of one expert's matrix into {@code target}, dequantised. */
    void row(int expert, int n, double[] target) {
        WeightSource.Part part = parts.get(expert);
        switch (type.quantization()) {
            case Quantization.None _ ->
                new Tensor(part.elements(), type.dtype(), rows, columns).read(n, 0, columns, target, 0);
            case Quantization.Fp8Blocks blocks -> fp8Row(part, blocks, n, target);
            case Quantization.Int8Channels channels -> {
                codes(expert, n, target);
                double scale = scale(part, channels.scaleType(), n);
                for (int k = 0; k < columns; k++) {
                    target[k] *= scale;
                }
            }
            case Quantization.Int4Groups groups -> int4Row(part, groups, n, target);
        }
    }

    /** Writes the integers of row {@code n} of an int8 matrix into {@code target}, without their scale (QUANT-020). */
    void codes(int expert, int n, double[] target) {
        MemorySegment elements = parts.get(expert).elements();
        long first = (long) n * columns;
        for (int k = 0; k < columns; k++) {
            target[k] = elements.get(ValueLayout.JAVA_BYTE, first + k);
        }
    }

    /** Returns the multiplier of row {@code n} of an int8 matrix (QUANT-020). */
    double channelScale(int expert, int n) {
        if (type.quantization() instanceof Quantization.Int8Channels channels) {
            return scale(parts.get(expert), channels.scaleType(), n);
        }
        throw new IllegalStateException("weight '" + name + "' has no channel scales: " + type);
    }

    /** Returns a plain vector. */
    double[] vector() {
        double[] values = new double[columns];
        row(0, 0, values);
        return values;
    }

    /** QUANT-010, QUANT-011: one multiplier for each block of rows and columns; the last blocks may be partial. */
    private void fp8Row(WeightSource.Part part, Quantization.Fp8Blocks blocks, int n, double[] target) {
        long first = (long) n * columns;
        int blocksInRow = Math.ceilDiv(columns, blocks.blockColumns());
        long firstScale = (long) (n / blocks.blockRows()) * blocksInRow;
        for (int block = 0; block < blocksInRow; block++) {
            double scale = scale(part, blocks.scaleType(), firstScale + block);
            int from = block * blocks.blockColumns();
            int to = Math.min(columns, from + blocks.blockColumns());
            for (int k = from; k < to; k++) {
                target[k] = FloatFormats.fromE4m3(part.elements().get(ValueLayout.JAVA_BYTE, first + k)) * scale;
            }
        }
    }

    /** QUANT-030 to QUANT-033: eight codes in a word, the lowest nibble first; groups along K; zero points packed along N. */
    private void int4Row(WeightSource.Part part, Quantization.Int4Groups groups, int n, double[] target) {
        long firstWord = (long) n * Math.ceilDiv(columns, 8);
        int groupsInRow = Math.ceilDiv(columns, groups.groupSize());
        MemorySegment zeroPoints = part.zeroPoints();
        for (int group = 0; group < groupsInRow; group++) {
            double scale = scale(part, groups.scaleType(), (long) n * groupsInRow + group);
            int zero = zeroPoints == null
                    ? 8
                    : nibble(zeroPoints.get(Tensor.INT, ((long) (n / 8) * groupsInRow + group) * 4), n % 8);
            int from = group * groups.groupSize();
            int to = Math.min(columns, from + groups.groupSize());
            for (int k = from; k < to; k++) {
                int word = part.elements().get(Tensor.INT, (firstWord + k / 8) * 4);
                target[k] = (nibble(word, k % 8) - zero) * scale;
            }
        }
    }

    private static int nibble(int word, int position) {
        return (word >>> (4 * position)) & 0xf;
    }

    private double scale(WeightSource.Part part, DType scaleType, long index) {
        MemorySegment scales = present(part.scales(), "scales");
        return switch (scaleType) {
            case F32 -> scales.get(Tensor.FLOAT, index * 4);
            case F16 -> FloatFormats.fromF16(scales.get(Tensor.SHORT, index * 2));
            case BF16 -> FloatFormats.fromBf16(scales.get(Tensor.SHORT, index * 2));
            case F8_E8M0 -> FloatFormats.fromE8m0(scales.get(ValueLayout.JAVA_BYTE, index));
            case F64, F8_E4M3, I8, I4, I32, I64 ->
                throw new IllegalStateException("weight '" + name + "' has scales of type " + scaleType);
        };
    }

    private void check(int index) {
        WeightSource.Part part = parts.get(index);
        long n = rows;
        long k = columns;
        switch (type.quantization()) {
            case Quantization.None _ -> {
                size(index, "elements", part.elements(), type.dtype().bytes(Math.multiplyExact(n, k)));
                absent(part.scales(), "scales");
                absent(part.zeroPoints(), "zero points");
            }
            case Quantization.Fp8Blocks blocks -> {
                size(index, "elements", part.elements(), Math.multiplyExact(n, k));
                long count = Math.ceilDiv(n, blocks.blockRows()) * Math.ceilDiv(k, blocks.blockColumns());
                size(
                        index,
                        "scales",
                        present(part.scales(), "scales"),
                        blocks.scaleType().bytes(count));
                absent(part.zeroPoints(), "zero points");
            }
            case Quantization.Int8Channels channels -> {
                size(index, "elements", part.elements(), Math.multiplyExact(n, k));
                size(
                        index,
                        "scales",
                        present(part.scales(), "scales"),
                        channels.scaleType().bytes(n));
                absent(part.zeroPoints(), "zero points");
            }
            case Quantization.Int4Groups groups -> {
                long inRow = Math.ceilDiv(k, groups.groupSize());
                size(index, "elements", part.elements(), Math.multiplyExact(n, Math.ceilDiv(k, 8L) * 4));
                size(
                        index,
                        "scales",
                        present(part.scales(), "scales"),
                        groups.scaleType().bytes(n * inRow));
                if (groups.zeroPoints()) {
                    size(
                            index,
                            "zero points",
                            present(part.zeroPoints(), "zero points"),
                            Math.ceilDiv(n, 8L) * inRow * 4);
                } else {
                    absent(part.zeroPoints(), "zero points");
                }
            }
        }
    }

    private MemorySegment present(@Nullable MemorySegment segment, String what) {
        if (segment == null) {
            throw invalid(
                    "is stored without its " + what, "hand over the tensor that holds them: they are never guessed");
        }
        return segment;
    }

    private void absent(@Nullable MemorySegment segment, String what) {
        if (segment != null) {
            throw invalid("is stored with " + what + ", and its type " + type + " has none", "declare the format");
        }
    }

    private void size(int part, String what, MemorySegment segment, long bytes) {
        if (segment.byteSize() != bytes) {
            throw invalid(
                    "has " + segment.byteSize() + " bytes of " + what + " in part " + part + ", and its type " + type
                            + " asks for " + bytes,
                    "compare the checkpoint's shapes with the graph's");
        }
        if (!segment.isAccessibleBy(new Thread())) {
            throw invalid(
                    "is in memory that one thread only may read",
                    "map it in a shared, automatic or global arena: weights are read by worker threads");
        }
    }

    private int dimension(int index) {
        long size = type.shape().dim(index).size();
        if (size > Integer.MAX_VALUE - 64) {
            throw invalid("has a dimension of " + size + " elements", "split it: one dimension may have 2^31 - 65");
        }
        return (int) size;
    }

    private BackendException invalid(String what, String remedy) {
        return BackendException.of(BackendException.Code.INVALID_DATA, "weight '" + name + "' " + what, remedy);
    }
}
