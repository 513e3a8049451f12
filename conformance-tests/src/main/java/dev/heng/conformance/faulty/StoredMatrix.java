package dev.heng.conformance.faulty;

import dev.heng.conformance.format.FloatFormat;
import dev.heng.conformance.suite.HostTensor;
import dev.heng.spi.WeightSource;
import dev.heng.spi.graph.Value;
import dev.heng.spi.tensor.DType;
import dev.heng.spi.tensor.Quantization;
import dev.heng.spi.tensor.TensorType;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.List;
import org.jspecify.annotations.Nullable;

/** Reads stored weights as the real numbers that their format defines, for kernels that do a real one's work again. */
final class StoredMatrix {

    private static final ValueLayout.OfInt WORD =
            ValueLayout.JAVA_INT_UNALIGNED.withOrder(java.nio.ByteOrder.LITTLE_ENDIAN);

    private StoredMatrix() {}

    /** Returns a plain weight as it is stored. */
    static HostTensor plain(Value value, WeightSource.WeightData data) {
        int[] shape = value.type().shape().dims().stream()
                .mapToInt(dim -> Math.toIntExact(dim.size()))
                .toArray();
        return new HostTensor(
                value.type().dtype(), shape, data.parts().getFirst().elements().toArray(ValueLayout.JAVA_BYTE));
    }

    /** Returns a weight's numbers: a vector [N], a matrix [N, K], or all experts' [E, N, K]. */
    static double[] numbers(TensorType type, WeightSource.WeightData data) {
        int n = type.shape().rank() == 1
                ? 1
                : Math.toIntExact(type.shape().dim(-2).size());
        int k = Math.toIntExact(type.shape().dim(-1).size());
        List<WeightSource.Part> parts = data.parts();
        double[] numbers = new double[parts.size() * n * k];
        for (int part = 0; part < parts.size(); part++) {
            double[] matrix = matrix(type, parts.get(part), n, k);
            System.arraycopy(matrix, 0, numbers, part * n * k, n * k);
        }
        return numbers;
    }

    private static double[] matrix(TensorType type, WeightSource.Part part, int n, int k) {
        return switch (type.quantization()) {
            case Quantization.None _ -> decoded(type.dtype(), part.elements());
            case Quantization.Fp8Blocks blocks -> {
                double[] elements = decoded(DType.F8_E4M3, part.elements());
                double[] scales = scales(blocks.scaleType(), part);
                int across = Math.ceilDiv(k, blocks.blockColumns());
                for (int index = 0; index < elements.length; index++) {
                    elements[index] *=
                            scales[index / k / blocks.blockRows() * across + index % k / blocks.blockColumns()];
                }
                yield elements;
            }
            case Quantization.Int8Channels channels -> {
                double[] elements = decoded(DType.I8, part.elements());
                double[] scales = scales(channels.scaleType(), part);
                for (int index = 0; index < elements.length; index++) {
                    elements[index] *= scales[index / k];
                }
                yield elements;
            }
            case Quantization.Int4Groups groups -> {
                double[] scales = scales(groups.scaleType(), part);
                int across = Math.ceilDiv(k, groups.groupSize());
                int words = Math.ceilDiv(k, 8);
                double[] elements = new double[n * k];
                for (int row = 0; row < n; row++) {
                    for (int column = 0; column < k; column++) {
                        int group = column / groups.groupSize();
                        int code = nibble(part.elements(), row * words + column / 8, column % 8);
                        int zero = part.zeroPoints() == null
                                ? 8
                                : nibble(part.zeroPoints(), row / 8 * across + group, row % 8);
                        elements[row * k + column] = (code - zero) * scales[row * across + group];
                    }
                }
                yield elements;
            }
        };
    }

    private static int nibble(MemorySegment words, int word, int place) {
        return words.get(WORD, 4L * word) >>> (4 * place) & 15;
    }

    private static double[] scales(DType dtype, WeightSource.Part part) {
        @Nullable MemorySegment scales = part.scales();
        if (scales == null) {
            throw new IllegalArgumentException("a quantised weight without scales");
        }
        return decoded(dtype, scales);
    }

    /** Returns the numbers that stored elements of any type stand for. */
    static double[] decoded(DType dtype, MemorySegment segment) {
        byte[] bytes = segment.toArray(ValueLayout.JAVA_BYTE);
        if (dtype == DType.F8_E8M0) {
            double[] values = new double[bytes.length];
            for (int index = 0; index < values.length; index++) {
                int code = Byte.toUnsignedInt(bytes[index]);
                values[index] = code == 255 ? Double.NaN : Math.scalb(1.0, code - 127);
            }
            return values;
        }
        HostTensor tensor = new HostTensor(dtype, new int[] {bytes.length * 8 / dtype.bits()}, bytes);
        if (dtype.isFloating()) {
            return tensor.doubles();
        }
        long[] bits = tensor.bits();
        double[] values = new double[bits.length];
        for (int index = 0; index < values.length; index++) {
            values[index] = bits[index];
        }
        return values;
    }

    /** Returns numbers as stored elements of {@code dtype}, rounded to nearest. */
    static MemorySegment encoded(DType dtype, double... values) {
        if (dtype == DType.F8_E8M0) {
            byte[] codes = new byte[values.length];
            for (int index = 0; index < codes.length; index++) {
                codes[index] = (byte) (Math.getExponent(values[index]) + 127);
            }
            return MemorySegment.ofArray(codes);
        }
        FloatFormat format = HostTensor.format(dtype);
        double[] rounded = new double[values.length];
        for (int index = 0; index < values.length; index++) {
            rounded[index] = format.round(values[index]);
        }
        return MemorySegment.ofArray(
                HostTensor.floats(dtype, new int[] {values.length}, rounded).bytes());
    }
}
