package dev.heng.conformance.suite;

import dev.heng.conformance.fill.MatrixFill;
import dev.heng.conformance.fill.Operand;
import dev.heng.conformance.format.FloatFormat;
import dev.heng.conformance.random.RandomStream;
import dev.heng.spi.WeightSource;
import dev.heng.spi.tensor.DType;
import dev.heng.spi.tensor.Quantization;
import dev.heng.spi.tensor.TensorType;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/**
 * A weight as stored and as the real numbers that its format defines (QUANT-001), computed here and not by any backend.
 *
 * @param type the type
 * @param data what a backend gets
 * @param real the matrix [N, K], or all experts' [E, N, K], in double; owned by this record and not to be changed
 */
@SuppressWarnings("ArrayRecordComponent") // Weights are large: identity is the right equality, and a copy a waste.
public record StoredWeight(TensorType type, WeightSource.WeightData data, double[] real) {

    /** How scales of quantised weights are drawn. */
    public enum Scales {
        /** Independent numbers within a factor of two: products stay exchangeable along K, as F6 asks. */
        ALIKE,
        /** A power of two for each block, unlike all of its neighbours': a scale of the wrong block is off by a factor. */
        DISTINCT
    }

    /** Returns a plain vector or matrix that holds {@code values} rounded to the type. */
    public static StoredWeight plain(TensorType type, double... values) {
        HostTensor tensor = HostTensor.floats(type.dtype(), new int[] {values.length}, values);
        return new StoredWeight(
                type, WeightSource.WeightData.of(MemorySegment.ofArray(tensor.bytes())), tensor.doubles());
    }

    /**
     * Returns a matrix that holds {@code values} exactly: with scales of one where elements are numbers, and with the power of two for which the
     * largest integers lie between 1 and 2 where they are integers.
     *
     * @param type [N, K]; int4 groups without zero points
     * @throws IllegalArgumentException if the format has no such number
     */
    static StoredWeight exactly(TensorType type, double... values) {
        WeightSource.Part part = switch (type.quantization()) {
            case Quantization.None _ -> new WeightSource.Part(segment(type.dtype(), values), null, null);
            case Quantization.Fp8Blocks blocks -> {
                int down = Math.ceilDiv((int) type.shape().dim(0).size(), blocks.blockRows());
                int across = Math.ceilDiv((int) type.shape().dim(1).size(), blocks.blockColumns());
                yield new WeightSource.Part(
                        segment(DType.F8_E4M3, values), alike(blocks.scaleType(), down * across, 1), null);
            }
            case Quantization.Int8Channels channels -> {
                byte[] elements = new byte[values.length];
                for (int index = 0; index < elements.length; index++) {
                    elements[index] = (byte) integer(values[index] * 64, Byte.MAX_VALUE);
                }
                int rows = (int) type.shape().dim(0).size();
                yield new WeightSource.Part(
                        MemorySegment.ofArray(elements), alike(channels.scaleType(), rows, 0x1p-6), null);
            }
            case Quantization.Int4Groups groups -> {
                int rows = (int) type.shape().dim(0).size();
                int columns = (int) type.shape().dim(1).size();
                int words = Math.ceilDiv(columns, 8);
                int[] codes = new int[rows * words];
                for (int index = 0; index < values.length; index++) {
                    int column = index % columns;
                    codes[index / columns * words + column / 8] |=
                            (integer(values[index] * 4, 7) + 8) << (4 * (column % 8));
                }
                int scales = rows * Math.ceilDiv(columns, groups.groupSize());
                yield new WeightSource.Part(segment(codes), alike(groups.scaleType(), scales, 0x1p-2), null);
            }
        };
        return new StoredWeight(type, new WeightSource.WeightData(List.of(part)), values);
    }

    private static MemorySegment alike(DType scaleType, int count, double scale) {
        double[] scales = new double[count];
        Arrays.fill(scales, scale);
        return segment(scaleType, scales);
    }

    private static int integer(double value, int largest) {
        if (value != Math.rint(value) || Math.abs(value) > largest) {
            throw new IllegalArgumentException(value + " is no integer from " + -largest + " to " + largest);
        }
        return (int) value;
    }

    /**
     * Draws the plain matrices of stacked experts, each a part of its own (QUANT-003).
     *
     * @param type [E, N, K], plain
     * @param spread the standard deviation of an element
     */
    static StoredWeight normal(RandomStream stream, TensorType type, double spread) {
        int experts = (int) type.shape().dim(0).size();
        int size = Math.multiplyExact(
                (int) type.shape().dim(1).size(), (int) type.shape().dim(2).size());
        double[] real = new double[Math.multiplyExact(experts, size)];
        List<WeightSource.Part> parts = new ArrayList<>();
        for (int expert = 0; expert < experts; expert++) {
            RandomStream own = stream.split(expert);
            double[] matrix = new double[size];
            for (int index = 0; index < size; index++) {
                matrix[index] = HostTensor.format(type.dtype()).round(spread * own.normal());
            }
            System.arraycopy(matrix, 0, real, expert * size, size);
            parts.add(new WeightSource.Part(segment(type.dtype(), matrix), null, null));
        }
        return new StoredWeight(type, new WeightSource.WeightData(parts), real);
    }

    /**
     * Draws a weight.
     *
     * @param stream where randomness comes from
     * @param type [N, K] or [E, N, K]
     * @param fill of the elements of a plain weight; quantised elements are drawn uniformly from their codes
     * @param scales how scales are drawn
     */
    public static StoredWeight draw(RandomStream stream, TensorType type, MatrixFill fill, Scales scales) {
        boolean stacked = type.shape().rank() == 3;
        int experts = stacked ? (int) type.shape().dim(0).size() : 1;
        int n = (int) type.shape().dim(-2).size();
        int k = (int) type.shape().dim(-1).size();
        double[] real = new double[Math.multiplyExact(experts, Math.multiplyExact(n, k))];
        List<WeightSource.Part> parts = new ArrayList<>();
        for (int expert = 0; expert < experts; expert++) {
            RandomStream own = stream.split(expert);
            double[] matrix = new double[n * k];
            parts.add(
                    switch (type.quantization()) {
                        case Quantization.None _ -> plainPart(own, type.dtype(), fill, n, k, matrix);
                        case Quantization.Fp8Blocks blocks -> fp8Part(own, blocks, scales, n, k, matrix);
                        case Quantization.Int8Channels channels -> int8Part(own, channels, scales, n, k, matrix);
                        case Quantization.Int4Groups groups -> int4Part(own, groups, scales, n, k, matrix);
                    });
            System.arraycopy(matrix, 0, real, expert * n * k, n * k);
        }
        return new StoredWeight(type, new WeightSource.WeightData(parts), real);
    }

    private static WeightSource.Part plainPart(
            RandomStream stream, DType dtype, MatrixFill fill, int n, int k, double[] real) {
        double[] values = fill.fill(stream, HostTensor.format(dtype), Operand.WEIGHTS, n, k)
                .values();
        System.arraycopy(values, 0, real, 0, values.length);
        return new WeightSource.Part(segment(dtype, values), null, null);
    }

    private static WeightSource.Part fp8Part(
            RandomStream stream, Quantization.Fp8Blocks blocks, Scales scales, int n, int k, double[] real) {
        int across = Math.ceilDiv(k, blocks.blockColumns());
        int down = Math.ceilDiv(n, blocks.blockRows());
        double[] scale = scaleTable(stream.split("scales"), blocks.scaleType(), scales, down, across, -8);
        double[] elements = new double[n * k];
        for (int row = 0; row < n; row++) {
            for (int column = 0; column < k; column++) {
                double element = FloatFormat.F8_E4M3.round(nonZero(stream) * 256);
                elements[row * k + column] = element;
                real[row * k + column] =
                        element * scale[row / blocks.blockRows() * across + column / blocks.blockColumns()];
            }
        }
        return new WeightSource.Part(segment(DType.F8_E4M3, elements), segment(blocks.scaleType(), scale), null);
    }

    private static WeightSource.Part int8Part(
            RandomStream stream, Quantization.Int8Channels channels, Scales scales, int n, int k, double[] real) {
        double[] scale = scaleTable(stream.split("scales"), channels.scaleType(), scales, n, 1, -7);
        byte[] elements = new byte[n * k];
        for (int index = 0; index < elements.length; index++) {
            elements[index] = (byte) stream.between(-128, 127);
            real[index] = elements[index] * scale[index / k];
        }
        return new WeightSource.Part(MemorySegment.ofArray(elements), segment(channels.scaleType(), scale), null);
    }

    private static WeightSource.Part int4Part(
            RandomStream stream, Quantization.Int4Groups groups, Scales scales, int n, int k, double[] real) {
        int across = Math.ceilDiv(k, groups.groupSize());
        double[] scale = scaleTable(stream.split("scales"), groups.scaleType(), scales, n, across, -3);
        int words = Math.ceilDiv(k, 8);
        int[] codes = new int[n * words];
        int[] zeroWords = new int[Math.ceilDiv(n, 8) * across];
        for (int row = 0; row < n; row++) {
            int[] zero = new int[across];
            for (int group = 0; group < across; group++) {
                zero[group] = groups.zeroPoints() ? stream.nextInt(16) : 8;
                zeroWords[row / 8 * across + group] |= zero[group] << (4 * (row % 8));
            }
            for (int column = 0; column < words * 8; column++) {
                // Nibbles past K hold anything: a backend that multiplies them shows.
                int code = stream.nextInt(16);
                codes[row * words + column / 8] |= code << (4 * (column % 8));
                if (column < k) {
                    int group = column / groups.groupSize();
                    real[row * k + column] = (code - zero[group]) * scale[row * across + group];
                }
            }
        }
        return new WeightSource.Part(
                segment(codes), segment(groups.scaleType(), scale), groups.zeroPoints() ? segment(zeroWords) : null);
    }

    private static double[] scaleTable(
            RandomStream stream, DType scaleType, Scales scales, int down, int across, int exponent) {
        double[] table = new double[down * across];
        for (int row = 0; row < down; row++) {
            for (int column = 0; column < across; column++) {
                double significand = scaleType == DType.F8_E8M0 ? 1 : 1 + stream.uniform();
                table[row * across + column] = switch (scales) {
                    case ALIKE -> rounded(scaleType, Math.scalb(significand, exponent));
                    // Neighbours differ by 1 along K and by 3 along N, within 16 binades.
                    case DISTINCT -> Math.scalb(1.0, exponent + (3 * row + column) % 8 - 4);
                };
            }
        }
        return table;
    }

    private static double rounded(DType dtype, double value) {
        return dtype == DType.F8_E8M0 ? value : HostTensor.format(dtype).round(value);
    }

    private static double nonZero(RandomStream stream) {
        double value = stream.signedUniform();
        return Math.abs(value) < 0x1p-10 ? 0.5 : value;
    }

    private static MemorySegment segment(DType dtype, double[] values) {
        if (dtype == DType.F8_E8M0) {
            byte[] codes = new byte[values.length];
            for (int index = 0; index < codes.length; index++) {
                codes[index] = (byte) (Math.getExponent(values[index]) + 127);
            }
            return MemorySegment.ofArray(codes);
        }
        return MemorySegment.ofArray(
                HostTensor.floats(dtype, new int[] {values.length}, values).bytes());
    }

    private static MemorySegment segment(int[] words) {
        ByteBuffer bytes = ByteBuffer.allocate(words.length * 4).order(ByteOrder.LITTLE_ENDIAN);
        for (int word : words) {
            bytes.putInt(word);
        }
        return MemorySegment.ofArray(bytes.array());
    }
}
