package dev.heng.runtime.checkpoint;

import dev.heng.runtime.HengException;
import dev.heng.spi.WeightSizes;
import dev.heng.spi.WeightSource.Part;
import dev.heng.spi.WeightSource.WeightData;
import dev.heng.spi.tensor.Quantization;
import dev.heng.spi.tensor.TensorType;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.List;
import org.jspecify.annotations.Nullable;

/** Cuts a rank's part out of a stored weight: of experts, rows and columns those that are the rank's if all ranks have as many. */
final class WeightSlice {

    private final String name;
    private final TensorType whole;
    private final TensorType part;
    private final int rank;
    private final long rows;
    private final long firstRow;
    private final long columns;
    private final long firstColumn;

    /**
     * Describes a part.
     *
     * @param name of the weight, for messages
     * @param whole its type as stored
     * @param part the type of the rank's part
     */
    WeightSlice(String name, TensorType whole, TensorType part, int rank) {
        this.name = name;
        this.whole = whole;
        this.part = part;
        this.rank = rank;
        int dims = whole.shape().rank();
        this.columns = part.shape().dim(-1).size();
        this.firstColumn = first(-1);
        this.rows = dims == 1 ? 1 : part.shape().dim(-2).size();
        this.firstRow = dims == 1 ? 0 : first(-2);
    }

    private long first(int dim) {
        long own = part.shape().dim(dim).size();
        return own == whole.shape().dim(dim).size() ? 0 : rank * own;
    }

    /**
     * Cuts.
     *
     * @throws HengException if the part does not begin and end where the weight's format can be cut
     */
    WeightData of(WeightData stored) {
        List<Part> parts = stored.parts();
        if (whole.shape().rank() == 3) {
            int first = Math.toIntExact(first(0));
            parts = parts.subList(
                    first, first + Math.toIntExact(part.shape().dim(0).size()));
        }
        return new WeightData(parts.stream().map(this::cut).toList());
    }

    private Part cut(Part stored) {
        return switch (whole.quantization()) {
            case Quantization.None _ ->
                new Part(
                        block(
                                stored.elements(),
                                WeightSizes.rowBytes(whole),
                                firstRow,
                                rows,
                                part.dtype().bytes(firstColumn),
                                part.dtype().bytes(columns)),
                        null,
                        null);
            case Quantization.Int8Channels channels ->
                new Part(
                        block(stored.elements(), WeightSizes.rowBytes(whole), firstRow, rows, firstColumn, columns),
                        column(stored.scales(), channels.scaleType().bytes(1), 0, 1, 1, firstRow, rows),
                        null);
            case Quantization.Fp8Blocks blocks -> fp8(stored, blocks);
            case Quantization.Int4Groups groups -> int4(stored, groups);
        };
    }

    private Part fp8(Part stored, Quantization.Fp8Blocks blocks) {
        requireMultiple("rows", -2, blocks.blockRows());
        requireMultiple("columns", -1, blocks.blockColumns());
        return new Part(
                block(stored.elements(), WeightSizes.rowBytes(whole), firstRow, rows, firstColumn, columns),
                column(
                        stored.scales(),
                        blocks.scaleType().bytes(1),
                        firstColumn / blocks.blockColumns(),
                        Math.ceilDiv(columns, (long) blocks.blockColumns()),
                        Math.ceilDiv(whole.shape().dim(-1).size(), (long) blocks.blockColumns()),
                        firstRow / blocks.blockRows(),
                        Math.ceilDiv(rows, (long) blocks.blockRows())),
                null);
    }

    private Part int4(Part stored, Quantization.Int4Groups groups) {
        requireMultiple("columns", -1, groups.groupSize());
        requireMultiple("columns", -1, 8);
        long firstGroup = firstColumn / groups.groupSize();
        long count = Math.ceilDiv(columns, (long) groups.groupSize());
        long all = Math.ceilDiv(whole.shape().dim(-1).size(), (long) groups.groupSize());
        if (groups.zeroPoints()) {
            requireMultiple("rows", -2, 8);
        }
        return new Part(
                block(
                        stored.elements(),
                        WeightSizes.rowBytes(whole),
                        firstRow,
                        rows,
                        firstColumn / 2,
                        WeightSizes.rowBytes(part)),
                column(stored.scales(), groups.scaleType().bytes(1), firstGroup, count, all, firstRow, rows),
                groups.zeroPoints()
                        ? column(stored.zeroPoints(), 4, firstGroup, count, all, firstRow / 8, Math.ceilDiv(rows, 8L))
                        : null);
    }

    /** Holds the size of a part to a step, so that all ranks refuse alike and not only those whose part begins amiss. */
    private void requireMultiple(String what, int dim, long step) {
        long own = part.shape().dim(dim).size();
        if (own != whole.shape().dim(dim).size() && own % step != 0) {
            throw new HengException(
                    "weight '" + name + "' (" + whole + ") would be cut into parts of " + own + " " + what
                            + ", which is no multiple of " + step,
                    "use fewer ranks, or split experts only");
        }
    }

    /** Cuts a block out of a matrix of numbers that stand beside the elements. */
    private MemorySegment column(
            @Nullable MemorySegment matrix, long bytes, long first, long count, long all, long row, long rowCount) {
        if (matrix == null) {
            throw new HengException("weight '" + name + "' (" + whole + ") has no scales", "use a whole checkpoint");
        }
        return block(matrix, all * bytes, row, rowCount, first * bytes, count * bytes);
    }

    /** Cuts rows, as they lie if all columns are wanted, else into memory of their own. */
    private static MemorySegment block(
            MemorySegment matrix, long rowBytes, long firstRow, long rows, long firstByte, long bytes) {
        if (bytes == rowBytes) {
            return matrix.asSlice(firstRow * rowBytes, rows * rowBytes);
        }
        MemorySegment copy =
                Arena.ofAuto().allocate(Math.max(1, rows * bytes), 64).asSlice(0, rows * bytes);
        for (long row = 0; row < rows; row++) {
            MemorySegment.copy(matrix, (firstRow + row) * rowBytes + firstByte, copy, row * bytes, bytes);
        }
        return copy;
    }
}
