package dev.heng.conformance.faulty;

import dev.heng.conformance.format.FloatFormat;
import dev.heng.conformance.suite.HostTensor;
import dev.heng.spi.WeightSource;
import dev.heng.spi.graph.ActivationFormat;
import dev.heng.spi.graph.Op;
import dev.heng.spi.graph.Value;
import dev.heng.spi.tensor.DType;
import dev.heng.spi.tensor.Quantization;
import dev.heng.spi.tensor.TensorType;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import org.jspecify.annotations.Nullable;

/** Weights read in another format than they are stored in, and activations quantised in another way than asked for. */
final class QuantizationFaults {

    private QuantizationFaults() {}

    static List<Fault> all() {
        List<Fault> faults = new ArrayList<>();
        faults.addAll(fp8());
        faults.addAll(int8());
        faults.addAll(int4());
        faults.addAll(plain());
        faults.addAll(activations());
        return faults;
    }

    /** Changes one stored matrix. */
    @FunctionalInterface
    private interface PartChange<Q extends Quantization> {
        WeightSource.Part of(Q format, Matrix matrix, WeightSource.Part part);
    }

    /** The sizes of a stored matrix. */
    private record Matrix(TensorType type, int n, int k) {}

    /** Rewrites the elements, scales or zero points of weights of one format. */
    private static final class WeightFault<Q extends Quantization> extends RunFault {
        private final Class<Q> format;
        private final PartChange<Q> change;

        WeightFault(String name, String description, String rule, Class<Q> format, PartChange<Q> change) {
            super(
                    "quantization/" + name,
                    description,
                    rule,
                    List.of(Op.Linear.class, Op.GroupedLinear.class, Op.MlaAttention.class));
            this.format = format;
            this.change = change;
        }

        @Override
        protected WeightSource.WeightData weight(Value weight, WeightSource.WeightData data) {
            TensorType type = weight.type();
            if (!format.isInstance(type.quantization()) || type.shape().rank() < 2) {
                return data;
            }
            Matrix matrix = new Matrix(
                    type,
                    Math.toIntExact(type.shape().dim(-2).size()),
                    Math.toIntExact(type.shape().dim(-1).size()));
            Q quantization = format.cast(type.quantization());
            return new WeightSource.WeightData(data.parts().stream()
                    .map(part -> change.of(quantization, matrix, part))
                    .toList());
        }
    }

    /** A change of one stored byte. */
    @FunctionalInterface
    private interface ByteChange {
        int of(byte stored);
    }

    private static WeightSource.Part elements(WeightSource.Part part, ByteChange change) {
        return new WeightSource.Part(changed(part.elements(), change), part.scales(), part.zeroPoints());
    }

    private static MemorySegment changed(MemorySegment segment, ByteChange change) {
        byte[] bytes = segment.toArray(ValueLayout.JAVA_BYTE);
        for (int index = 0; index < bytes.length; index++) {
            bytes[index] = (byte) change.of(bytes[index]);
        }
        return MemorySegment.ofArray(bytes);
    }

    /** A change of a table of scales, row by row. */
    @FunctionalInterface
    private interface ScaleChange {
        double of(double[] scales, int row, int column, int across);
    }

    private static WeightSource.Part scales(WeightSource.Part part, DType dtype, int across, ScaleChange change) {
        @Nullable MemorySegment stored = part.scales();
        if (stored == null) {
            return part;
        }
        double[] scales = StoredMatrix.decoded(dtype, stored);
        double[] changed = new double[scales.length];
        for (int index = 0; index < scales.length; index++) {
            changed[index] = change.of(scales, index / across, index % across, across);
        }
        return new WeightSource.Part(part.elements(), StoredMatrix.encoded(dtype, changed), part.zeroPoints());
    }

    private static double next(double[] scales, int row, int column, int across) {
        return scales[(row * across + column + 1) % scales.length];
    }

    private static double transposed(double[] scales, int row, int column, int across) {
        int index = row * across + column;
        int down = scales.length / across;
        return scales[index % down * across + index / down];
    }

    private static Fault fp8(String name, String description, String rule, PartChange<Quantization.Fp8Blocks> change) {
        return new WeightFault<>(name, description, rule, Quantization.Fp8Blocks.class, change);
    }

    private static Fault fp8Scales(String name, String description, String rule, ScaleChange change) {
        return fp8(
                name,
                description,
                rule,
                (format, matrix, part) ->
                        scales(part, format.scaleType(), Math.ceilDiv(matrix.k(), format.blockColumns()), change));
    }

    private static List<Fault> fp8() {
        return List.of(
                fp8(
                        "fp8-read-as-fnuz",
                        "E4M3 elements are read with a bias of 8, half their size.",
                        "FORMAT-007",
                        (_, _, part) -> elements(part, code -> (code & 0x78) == 0 ? code : code - 8)),
                fp8(
                        "fp8-read-as-e5m2",
                        "Elements are read as E5M2.",
                        "FORMAT-007",
                        (_, _, part) -> elements(part, QuantizationFaults::asE5M2)),
                fp8(
                        "fp8-sign-lost",
                        "The sign of elements is lost.",
                        "FORMAT-007",
                        (_, _, part) -> elements(part, code -> code & 0x7f)),
                fp8(
                        "fp8-subnormals-flushed",
                        "Subnormal elements count as zero.",
                        "FORMAT-007",
                        (_, _, part) -> elements(part, code -> (code & 0x78) == 0 ? code & 0x80 : code)),
                fp8(
                        "fp8-largest-read-as-nan",
                        "The largest codes are taken for NaN, as in formats that have infinities.",
                        "FORMAT-007",
                        (_, _, part) -> elements(part, code -> (code & 0x7f) >= 0x78 ? 0x7f : code)),
                fp8Scales(
                        "fp8-scales-of-the-next-block",
                        "Each block is multiplied with its neighbour's scale.",
                        "QUANT-010",
                        QuantizationFaults::next),
                fp8Scales(
                        "fp8-scales-transposed",
                        "The table of scales is read column by column.",
                        "QUANT-010",
                        QuantizationFaults::transposed),
                fp8Scales(
                        "fp8-scales-divided",
                        "Scales are divided by, since their tensor is called an inverse.",
                        "QUANT-010",
                        (scales, row, column, across) -> 1 / scales[row * across + column]),
                fp8Scales(
                        "fp8-one-scale-for-all",
                        "The first block's scale is used for the whole tensor.",
                        "QUANT-010",
                        (scales, _, _, _) -> scales[0]),
                fp8Scales(
                        "fp8-partial-columns-share-a-scale",
                        "The last block of columns uses the scale of the one before it.",
                        "QUANT-011",
                        (scales, row, column, across) ->
                                scales[row * across + (column == across - 1 && column > 0 ? column - 1 : column)]),
                fp8Scales(
                        "fp8-partial-rows-share-a-scale",
                        "The last block of rows uses the scales of the one before it.",
                        "QUANT-011",
                        (scales, row, column, across) -> scales[
                                (row + 1 == scales.length / across && row > 0 ? row - 1 : row) * across + column]),
                fp8Scales(
                        "fp8-scales-through-bfloat16",
                        "F32 scales are rounded to bfloat16.",
                        "QUANT-012",
                        (scales, row, column, across) -> FloatFormat.BF16.round(scales[row * across + column])),
                fp8(
                        "e8m0-bias-126",
                        "E8M0 scales are read with a bias of 126.",
                        "FORMAT-008",
                        (format, matrix, part) -> format.scaleType() == DType.F8_E8M0
                                ? scales(part, DType.F8_E8M0, 1, (scales, row, _, _) -> 2 * scales[row])
                                : part),
                fp8(
                        "fp8-block-size-from-the-shape",
                        "The rows of a block are the rows of the matrix over the rows of scales.",
                        "QUANT-011",
                        QuantizationFaults::evenBlocks));
    }

    /** Re-codes elements so that they stand for what blocks of N / ceil(N / b) rows would make of them, where that is exact. */
    private static WeightSource.Part evenBlocks(Quantization.Fp8Blocks format, Matrix matrix, WeightSource.Part part) {
        int down = Math.ceilDiv(matrix.n(), format.blockRows());
        int across = Math.ceilDiv(matrix.k(), format.blockColumns());
        int even = Math.max(1, matrix.n() / Math.max(1, down));
        @Nullable MemorySegment stored = part.scales();
        if (stored == null) {
            return part;
        }
        double[] scales = StoredMatrix.decoded(format.scaleType(), stored);
        double[] values = StoredMatrix.decoded(DType.F8_E4M3, part.elements());
        for (int index = 0; index < values.length; index++) {
            int row = index / matrix.k();
            int column = index % matrix.k() / format.blockColumns();
            double right = scales[row / format.blockRows() * across + column];
            double wrong = scales[Math.min(down - 1, row / even) * across + column];
            values[index] = Math.clamp(values[index] * wrong / right, -448, 448);
        }
        return new WeightSource.Part(StoredMatrix.encoded(DType.F8_E4M3, values), stored, part.zeroPoints());
    }

    private static int asE5M2(byte code) {
        double value = FloatFormat.F8_E5M2.decode(code & 0xff);
        return (int) FloatFormat.F8_E4M3.encode(Double.isFinite(value) ? Math.clamp(value, -448, 448) : 448);
    }

    private static Fault int8(
            String name, String description, String rule, PartChange<Quantization.Int8Channels> change) {
        return new WeightFault<>(name, description, rule, Quantization.Int8Channels.class, change);
    }

    private static Fault int8Scales(String name, String description, ScaleChange change) {
        return int8(name, description, "QUANT-020", (format, _, part) -> scales(part, format.scaleType(), 1, change));
    }

    private static List<Fault> int8() {
        return List.of(
                int8(
                        "int8-read-as-unsigned-halves",
                        "Elements are shifted right without their sign.",
                        "QUANT-020",
                        (_, _, part) -> elements(part, code -> (code & 0xff) >> 1)),
                int8(
                        "int8-minus-128-clamped",
                        "-128 is taken for -127.",
                        "QUANT-020",
                        (_, _, part) -> elements(part, code -> code == -128 ? -127 : code)),
                int8(
                        "int8-ones-complement",
                        "Negative elements are read as one's complement, off by one.",
                        "QUANT-020",
                        (_, _, part) -> elements(part, code -> code < -1 ? code + 1 : code)),
                int8Scales(
                        "int8-scales-of-the-next-row",
                        "Each row is multiplied with its neighbour's scale.",
                        QuantizationFaults::next),
                int8Scales(
                        "int8-one-scale-for-all",
                        "The first row's scale is used for all rows.",
                        (scales, _, _, _) -> scales[0]),
                int8Scales(
                        "int8-last-odd-row-unscaled",
                        "Scales are read in pairs: the last of an odd number is 1.",
                        (scales, row, _, _) -> scales.length % 2 == 1 && row == scales.length - 1 ? 1 : scales[row]));
    }

    private static Fault int4(
            String name, String description, String rule, PartChange<Quantization.Int4Groups> change) {
        return new WeightFault<>(name, description, rule, Quantization.Int4Groups.class, change);
    }

    private static Fault int4Scales(String name, String description, ScaleChange change) {
        return int4(
                name,
                description,
                "QUANT-031",
                (format, matrix, part) ->
                        scales(part, format.scaleType(), Math.ceilDiv(matrix.k(), format.groupSize()), change));
    }

    private static WeightSource.Part zeroPoints(WeightSource.Part part, ByteChange change) {
        @Nullable MemorySegment stored = part.zeroPoints();
        return stored == null ? part : new WeightSource.Part(part.elements(), part.scales(), changed(stored, change));
    }

    private static List<Fault> int4() {
        return List.of(
                int4(
                        "int4-nibbles-swapped",
                        "The high nibble of a byte comes first.",
                        "QUANT-030",
                        (_, _, part) -> elements(part, code -> code << 4 | (code & 0xff) >> 4)),
                int4(
                        "int4-halves-of-a-word-interleaved",
                        "The low nibbles of a word's bytes come first, then the high ones.",
                        "QUANT-030",
                        (_, _, part) -> interleaved(part)),
                int4(
                        "int4-words-big-endian",
                        "The bytes of a word are read from the top.",
                        "QUANT-030",
                        (_, _, part) -> reversed(part)),
                int4(
                        "int4-twos-complement",
                        "Codes 8 to 15 are read as -8 to -1.",
                        "QUANT-033",
                        (_, _, part) -> part.zeroPoints() == null ? elements(part, code -> code ^ 0x88) : part),
                int4(
                        "int4-zero-points-ignored",
                        "Stored zero points are taken for 8.",
                        "QUANT-032",
                        (_, _, part) -> zeroPoints(part, _ -> 0x88)),
                int4(
                        "int4-zero-points-off-by-one",
                        "Zero points are stored less one, as some tools do.",
                        "QUANT-032",
                        (_, _, part) -> zeroPoints(part, QuantizationFaults::plusOne)),
                int4(
                        "int4-zero-points-nibbles-swapped",
                        "The high nibble of a byte of zero points comes first.",
                        "QUANT-032",
                        (_, _, part) -> zeroPoints(part, code -> code << 4 | (code & 0xff) >> 4)),
                int4Scales(
                        "int4-scales-of-the-next-group",
                        "Each group is multiplied with its neighbour's scale.",
                        QuantizationFaults::next),
                int4Scales(
                        "int4-scales-transposed",
                        "The table of scales is read column by column.",
                        QuantizationFaults::transposed),
                int4Scales(
                        "int4-last-partial-group-shares-a-scale",
                        "The last group uses the scale of the one before it.",
                        (scales, row, column, across) ->
                                scales[row * across + (column == across - 1 && column > 0 ? column - 1 : column)]),
                int4Scales(
                        "int4-groups-twice-as-long",
                        "Two groups share the first one's scale.",
                        (scales, row, column, across) -> scales[row * across + column / 2 * 2]));
    }

    private static int plusOne(byte code) {
        return ((code & 0x0f) + 1 & 0x0f) | ((code & 0xf0) + 0x10 & 0xf0);
    }

    private static WeightSource.Part reversed(WeightSource.Part part) {
        byte[] bytes = part.elements().toArray(ValueLayout.JAVA_BYTE);
        for (int word = 0; word + 4 <= bytes.length; word += 4) {
            for (int at = 0; at < 2; at++) {
                byte kept = bytes[word + at];
                bytes[word + at] = bytes[word + 3 - at];
                bytes[word + 3 - at] = kept;
            }
        }
        return new WeightSource.Part(MemorySegment.ofArray(bytes), part.scales(), part.zeroPoints());
    }

    private static WeightSource.Part interleaved(WeightSource.Part part) {
        byte[] bytes = part.elements().toArray(ValueLayout.JAVA_BYTE);
        byte[] changed = new byte[bytes.length];
        for (int index = 0; index < bytes.length * 2; index++) {
            // Nibble i of a word is taken from byte i mod 4: its low half for the first four, its high half after.
            int word = index / 8 * 4;
            int place = index % 8;
            int nibble = bytes[word + place % 4] >> (place < 4 ? 0 : 4) & 0x0f;
            changed[word + place / 2] |= (byte) (nibble << (place % 2 * 4));
        }
        return new WeightSource.Part(MemorySegment.ofArray(changed), part.scales(), part.zeroPoints());
    }

    private static List<Fault> plain() {
        return List.of(
                new WeightFault<>(
                        "plain-weights-through-bfloat16",
                        "F32 weights are kept as bfloat16.",
                        "QUANT-004",
                        Quantization.None.class,
                        (_, matrix, part) -> matrix.type().dtype() == DType.F32
                                ? new WeightSource.Part(
                                        StoredMatrix.encoded(
                                                DType.F32,
                                                Rows.each(
                                                        StoredMatrix.decoded(DType.F32, part.elements()),
                                                        FloatFormat.BF16::round)),
                                        null,
                                        null)
                                : part),
                new RunFault(
                        "quantization/experts-rotated",
                        "The parts of a stacked weight are taken in another order than that of the experts.",
                        "QUANT-003",
                        List.of(Op.GroupedLinear.class)) {
                    @Override
                    protected WeightSource.WeightData weight(Value weight, WeightSource.WeightData data) {
                        List<WeightSource.Part> parts = new ArrayList<>(data.parts());
                        Collections.rotate(parts, 1);
                        return new WeightSource.WeightData(parts);
                    }
                },
                new RunFault(
                        "quantization/scales-of-the-first-expert",
                        "Scales are indexed without the expert.",
                        "QUANT-003",
                        List.of(Op.GroupedLinear.class)) {
                    @Override
                    protected WeightSource.WeightData weight(Value weight, WeightSource.WeightData data) {
                        WeightSource.Part first = data.parts().getFirst();
                        return new WeightSource.WeightData(data.parts().stream()
                                .map(part -> new WeightSource.Part(part.elements(), first.scales(), part.zeroPoints()))
                                .toList());
                    }
                });
    }

    /** Returns what a row of activations becomes. */
    @FunctionalInterface
    private interface RowRounding {
        void round(double[] x, int from, int to, boolean powerOfTwo);
    }

    /** Does a product of quantised activations again, with another rounding of rows. */
    private static Fault activation(
            String name, String description, String rule, ActivationFormat format, RowRounding rounding) {
        return new OperatorFault<>("quantization/" + name, description, rule, Op.Linear.class, run -> {
            boolean applies = run.op().activation() == format
                    || (format == ActivationFormat.FP8_PER_TOKEN_128
                            && run.op().activation() == ActivationFormat.FP8_PER_TOKEN_128_POWER_OF_TWO);
            HostTensor input = run.operand(0);
            if (!applies || input.elements() == 0) {
                return;
            }
            int k = input.shape()[1];
            double[] x = input.doubles();
            for (int row = 0; row < x.length; row += k) {
                rounding.round(
                        x, row, row + k, run.op().activation() == ActivationFormat.FP8_PER_TOKEN_128_POWER_OF_TWO);
            }
            double[] w = run.numbers(1);
            double[] bias = run.operands() == 3 ? run.numbers(2) : new double[w.length / k];
            double[] y = run.result(0).doubles();
            int n = w.length / k;
            for (int index = 0; index < y.length; index++) {
                double sum = bias[index % n];
                for (int at = 0; at < k; at++) {
                    sum += x[index / n * k + at] * w[index % n * k + at];
                }
                y[index] = Double.isFinite(y[index]) ? sum : y[index];
            }
            run.write(0, y);
        });
    }

    private static double largest(double[] x, int from, int to) {
        return Arrays.stream(x, from, to).map(Math::abs).max().orElse(0);
    }

    private static void int8(double[] x, int from, int to, double scale, java.util.function.DoubleUnaryOperator whole) {
        for (int index = from; index < to && scale > 0; index++) {
            x[index] = Math.clamp(whole.applyAsDouble(x[index] / scale), -128, 127) * scale;
        }
    }

    private static void fp8(double[] x, int from, int to, int block, double least, boolean powerOfTwo, boolean floor) {
        for (int start = from; start < to; start += block) {
            int end = Math.min(to, start + block);
            double scale = (float) (Math.max(largest(x, start, end), least) / 448);
            if (powerOfTwo) {
                int exponent = Math.getExponent(scale);
                scale = Math.scalb(1.0, floor || Math.scalb(1.0, exponent) == scale ? exponent : exponent + 1);
            }
            for (int index = start; index < end; index++) {
                x[index] = FloatFormat.F8_E4M3.round(Math.clamp(x[index] / scale, -448, 448)) * scale;
            }
        }
    }

    private static final double LEAST = 1e-4f;

    private static List<Fault> activations() {
        ActivationFormat int8 = ActivationFormat.INT8_PER_TOKEN;
        ActivationFormat fp8 = ActivationFormat.FP8_PER_TOKEN_128;
        return List.of(
                activation(
                        "int8-activations-over-128",
                        "A row's scale is its largest magnitude over 128.",
                        "QUANT-041",
                        int8,
                        (x, from, to, _) -> int8(x, from, to, (float) (largest(x, from, to) / 128), Math::rint)),
                activation(
                        "int8-activations-truncated",
                        "Quotients are truncated.",
                        "QUANT-041",
                        int8,
                        (x, from, to, _) -> int8(
                                x,
                                from,
                                to,
                                (float) (largest(x, from, to) / 127),
                                q -> q < 0 ? Math.ceil(q) : Math.floor(q))),
                activation(
                        "int8-activations-rounded-down",
                        "Quotients are rounded toward minus infinity.",
                        "QUANT-041",
                        int8,
                        (x, from, to, _) -> int8(x, from, to, (float) (largest(x, from, to) / 127), Math::floor)),
                activation(
                        "int8-activations-not-quantized",
                        "Activations are multiplied as they are.",
                        "QUANT-041",
                        int8,
                        (_, _, _, _) -> {}),
                activation(
                        "int8-activations-by-128-columns",
                        "Each 128 columns of a row have a scale of their own.",
                        "QUANT-041",
                        int8,
                        (x, from, to, _) -> {
                            for (int start = from; start < to; start += 128) {
                                int end = Math.min(to, start + 128);
                                int8(x, start, end, (float) (largest(x, start, end) / 127), Math::rint);
                            }
                        }),
                activation(
                        "int8-activations-scale-through-bfloat16",
                        "A row's scale is rounded to bfloat16.",
                        "QUANT-041",
                        int8,
                        (x, from, to, _) ->
                                int8(x, from, to, FloatFormat.BF16.round(largest(x, from, to) / 127), Math::rint)),
                activation(
                        "fp8-activations-not-quantized",
                        "Activations are multiplied as they are.",
                        "QUANT-050",
                        fp8,
                        (_, _, _, _) -> {}),
                activation(
                        "fp8-activations-by-row",
                        "A whole row has one scale.",
                        "QUANT-050",
                        fp8,
                        (x, from, to, power) -> fp8(x, from, to, to - from, LEAST, power, false)),
                activation(
                        "fp8-activations-by-64-columns",
                        "Each 64 columns have a scale of their own.",
                        "QUANT-050",
                        fp8,
                        (x, from, to, power) -> fp8(x, from, to, 64, LEAST, power, false)),
                activation(
                        "fp8-activations-tail-shares-a-scale",
                        "The tail past a multiple of 128 uses the block before it.",
                        "QUANT-051",
                        fp8,
                        (x, from, to, power) -> {
                            int whole = from + Math.max(128, (to - from) / 128 * 128);
                            if (whole >= to) {
                                fp8(x, from, to, 128, LEAST, power, false);
                                return;
                            }
                            double[] last = Arrays.copyOfRange(x, whole - 128, whole);
                            fp8(x, from, whole, 128, LEAST, power, false);
                            double scale = (float) (Math.max(largest(last, 0, 128), LEAST) / 448);
                            for (int index = whole; index < to; index++) {
                                x[index] = FloatFormat.F8_E4M3.round(Math.clamp(x[index] / scale, -448, 448)) * scale;
                            }
                        }),
                activation(
                        "fp8-activations-scale-rounded-down",
                        "A power-of-two scale is the largest that is not larger.",
                        "QUANT-052",
                        fp8,
                        (x, from, to, power) -> fp8(x, from, to, 128, LEAST, power, true)),
                activation(
                        "fp8-activations-any-scale",
                        "Scales are not brought to powers of two where that is asked for.",
                        "QUANT-052",
                        fp8,
                        (x, from, to, _) -> fp8(x, from, to, 128, LEAST, false, false)));
    }
}
