package dev.heng.backend.reference;

import dev.heng.spi.tensor.DType;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.SplittableRandom;

/** Bytes of tensors for tests, written with the JDK's own conversions and not with the code under test. */
final class Data {

    private Data() {}

    /** Returns numbers as elements of a floating type; each must be one already, so that tests know what they hand over. */
    static MemorySegment of(DType dtype, double... values) {
        ByteBuffer bytes = ByteBuffer.allocate(values.length * dtype.bits() / 8).order(ByteOrder.LITTLE_ENDIAN);
        for (double value : values) {
            switch (dtype) {
                case F64 -> bytes.putDouble(value);
                case F32 -> bytes.putFloat((float) value);
                case F16 -> bytes.putShort(Float.floatToFloat16((float) value));
                case BF16 -> bytes.putShort((short) (Float.floatToRawIntBits((float) value) >>> 16));
                case I8 -> bytes.put((byte) value);
                case F8_E4M3, F8_E8M0, I4, I32, I64 -> throw new IllegalArgumentException("" + dtype);
            }
        }
        MemorySegment segment = MemorySegment.ofArray(bytes.array());
        double[] back = dtype == DType.I8 ? values : doubles(dtype, segment);
        for (int i = 0; i < values.length; i++) {
            if (Double.compare(back[i], values[i]) != 0) {
                throw new IllegalArgumentException(values[i] + " is not of type " + dtype);
            }
        }
        return segment;
    }

    static MemorySegment ints(int... values) {
        ByteBuffer bytes = ByteBuffer.allocate(values.length * 4).order(ByteOrder.LITTLE_ENDIAN);
        for (int value : values) {
            bytes.putInt(value);
        }
        return MemorySegment.ofArray(bytes.array());
    }

    static MemorySegment longs(long... values) {
        ByteBuffer bytes = ByteBuffer.allocate(values.length * 8).order(ByteOrder.LITTLE_ENDIAN);
        for (long value : values) {
            bytes.putLong(value);
        }
        return MemorySegment.ofArray(bytes.array());
    }

    static MemorySegment bytes(int... values) {
        byte[] bytes = new byte[values.length];
        for (int i = 0; i < values.length; i++) {
            bytes[i] = (byte) values[i];
        }
        return MemorySegment.ofArray(bytes);
    }

    static double[] doubles(DType dtype, MemorySegment segment) {
        ByteBuffer bytes = segment.asByteBuffer().order(ByteOrder.LITTLE_ENDIAN);
        double[] values = new double[(int) (segment.byteSize() * 8 / dtype.bits())];
        for (int i = 0; i < values.length; i++) {
            values[i] = switch (dtype) {
                case F64 -> bytes.getDouble();
                case F32 -> bytes.getFloat();
                case F16 -> Float.float16ToFloat(bytes.getShort());
                case BF16 -> Float.intBitsToFloat(bytes.getShort() << 16);
                case F8_E4M3, F8_E8M0, I8, I4, I32, I64 -> throw new IllegalArgumentException("" + dtype);
            };
        }
        return values;
    }

    static int[] ints(MemorySegment segment) {
        ByteBuffer bytes = segment.asByteBuffer().order(ByteOrder.LITTLE_ENDIAN);
        int[] values = new int[(int) (segment.byteSize() / 4)];
        for (int i = 0; i < values.length; i++) {
            values[i] = bytes.getInt();
        }
        return values;
    }

    /** Returns signed numbers of magnitude below 2 with at most 7 significant bits, which every activation type holds exactly. */
    static double[] random(SplittableRandom random, int count) {
        double[] values = new double[count];
        for (int i = 0; i < count; i++) {
            values[i] = random.nextInt(-127, 128) * 0x1p-6;
        }
        return values;
    }
}
