package dev.heng.spi;

import dev.heng.spi.graph.Value;
import dev.heng.spi.tensor.Quantization;
import dev.heng.spi.tensor.TensorType;
import java.lang.foreign.MemorySegment;
import org.jspecify.annotations.Nullable;

/**
 * The sizes in which weights are stored, in bytes, as {@link Quantization} lays them out. Every backend holds what a {@link WeightSource} gives it against them.
 *
 * @since 1.0
 */
public final class WeightSizes {

    private WeightSizes() {}

    /** Returns the bytes of one stored row of a matrix, or of a whole vector. */
    public static long rowBytes(TensorType type) {
        long columns = type.shape().dim(-1).size();
        return type.quantization() instanceof Quantization.Int4Groups
                ? Math.ceilDiv(columns, 8L) * 4
                : type.dtype().bytes(columns);
    }

    /**
     * Holds what is stored of a weight against its type (QUANT-002): parts, elements, scales and zero points, byte for byte.
     *
     * @throws BackendException with {@link BackendException.Code#INVALID_DATA} that names the weight and what is wrong
     */
    public static void check(Value weight, WeightSource.WeightData stored) {
        int rank = weight.type().shape().rank();
        long parts = rank == 3 ? weight.type().shape().dim(0).size() : 1;
        if (stored.parts().size() != parts) {
            throw wrong(weight, "has " + stored.parts().size() + " parts, not " + parts);
        }
        long columns = weight.type().shape().dim(-1).size();
        long rows = rank >= 2 ? weight.type().shape().dim(-2).size() : 1;
        for (WeightSource.Part part : stored.parts()) {
            checkSize(weight, "elements", part.elements(), rows * rowBytes(weight.type()));
            switch (weight.type().quantization()) {
                case Quantization.None _ -> {
                    checkSize(weight, "scales", part.scales(), -1);
                    checkSize(weight, "zero points", part.zeroPoints(), -1);
                }
                case Quantization.Fp8Blocks blocks -> {
                    long scales = Math.ceilDiv(rows, (long) blocks.blockRows())
                            * Math.ceilDiv(columns, (long) blocks.blockColumns());
                    checkSize(
                            weight, "scales", part.scales(), blocks.scaleType().bytes(scales));
                    checkSize(weight, "zero points", part.zeroPoints(), -1);
                }
                case Quantization.Int8Channels channels -> {
                    checkSize(
                            weight,
                            "scales",
                            part.scales(),
                            channels.scaleType().bytes(rows));
                    checkSize(weight, "zero points", part.zeroPoints(), -1);
                }
                case Quantization.Int4Groups groups -> {
                    long columnGroups = Math.ceilDiv(columns, (long) groups.groupSize());
                    checkSize(
                            weight, "scales", part.scales(), groups.scaleType().bytes(rows * columnGroups));
                    checkSize(
                            weight,
                            "zero points",
                            part.zeroPoints(),
                            groups.zeroPoints() ? Math.ceilDiv(rows, 8L) * columnGroups * 4 : -1);
                }
            }
        }
    }

    /** Checks that a segment has {@code bytes} bytes, or is not there if {@code bytes} is negative. */
    private static void checkSize(Value weight, String what, @Nullable MemorySegment segment, long bytes) {
        if (segment == null && bytes >= 0) {
            throw wrong(weight, "has no " + what);
        }
        if (segment != null && bytes < 0) {
            throw wrong(weight, "has " + what + ", which its format does not know");
        }
        if (segment != null && segment.byteSize() != bytes) {
            throw wrong(weight, "has " + segment.byteSize() + " bytes of " + what + ", not " + bytes);
        }
    }

    private static BackendException wrong(Value weight, String text) {
        return BackendException.of(
                BackendException.Code.INVALID_DATA,
                "weight '" + weight.name() + "' (" + weight.type() + ") " + text,
                "use a checkpoint whose tensors have the shapes that its config says");
    }
}
