package dev.heng.backend.ascend;

import dev.heng.spi.WeightSizes;
import dev.heng.spi.WeightSource.Part;
import dev.heng.spi.tensor.DType;
import dev.heng.spi.tensor.Quantization;
import dev.heng.spi.tensor.TensorType;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import org.jspecify.annotations.Nullable;

/** One matrix of a quantised weight as real numbers, row after row (QUANT-010, QUANT-020, QUANT-030). */
final class WeightRows {

    private final TensorType type;
    private final Part part;
    private final int columns;
    private final long rowBytes;

    WeightRows(TensorType type, Part part) {
        this.type = type;
        this.part = part;
        this.columns = Math.toIntExact(type.shape().dim(-1).size());
        this.rowBytes = WeightSizes.rowBytes(type);
    }

    /** Computes a row exactly: a product of a code and a scale fits in double. */
    void read(long row, double[] into) {
        switch (type.quantization()) {
            case Quantization.None _ -> {
                for (int k = 0; k < columns; k++) {
                    into[k] = StoredNumbers.get(part.elements(), type.dtype(), row * columns + k);
                }
            }
            case Quantization.Fp8Blocks blocks -> {
                long perRow = Math.ceilDiv(columns, blocks.blockColumns());
                for (int k = 0; k < columns; k++) {
                    long block = row / blocks.blockRows() * perRow + k / blocks.blockColumns();
                    into[k] = (double) StoredNumbers.get(part.elements(), DType.F8_E4M3, row * columns + k)
                            * StoredNumbers.get(scales(part.scales()), blocks.scaleType(), block);
                }
            }
            case Quantization.Int8Channels channels -> {
                double scale = StoredNumbers.get(scales(part.scales()), channels.scaleType(), row);
                for (int k = 0; k < columns; k++) {
                    into[k] = StoredNumbers.get(part.elements(), DType.I8, row * columns + k) * scale;
                }
            }
            case Quantization.Int4Groups groups -> {
                long perRow = Math.ceilDiv(columns, groups.groupSize());
                for (int k = 0; k < columns; k++) {
                    int group = k / groups.groupSize();
                    into[k] = (double) (code(row, k) - zero(row, group, perRow))
                            * StoredNumbers.get(scales(part.scales()), groups.scaleType(), row * perRow + group);
                }
            }
        }
    }

    private int code(long row, int column) {
        return part.elements().get(ValueLayout.JAVA_BYTE, row * rowBytes + column / 2) >> (column % 2 * 4) & 15;
    }

    /** Returns the zero point of a row and group (QUANT-032, QUANT-033). */
    int zero(long row, int group, long groupsPerRow) {
        MemorySegment points = part.zeroPoints();
        return points == null
                ? 8
                : points.get(StoredNumbers.INT, 4 * (row / 8 * groupsPerRow + group)) >>> (4 * (row % 8)) & 15;
    }

    static MemorySegment scales(@Nullable MemorySegment scales) {
        if (scales == null) {
            throw new IllegalStateException("a quantised weight whose sizes were checked has no scales");
        }
        return scales;
    }
}
