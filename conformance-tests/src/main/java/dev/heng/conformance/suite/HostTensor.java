package dev.heng.conformance.suite;

import dev.heng.conformance.compare.FloatTensor;
import dev.heng.conformance.compare.IntTensor;
import dev.heng.conformance.format.FloatFormat;
import dev.heng.spi.tensor.DType;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.Arrays;

/**
 * A dense row-major tensor on the host, as the bytes that a buffer holds.
 *
 * @param dtype the type of an element: an activation type, {@link DType#I32} or {@link DType#I64}
 * @param shape the sizes of its dimensions; owned by this record
 * @param bytes little-endian elements; owned by this record and not to be changed
 */
@SuppressWarnings("ArrayRecordComponent") // Tensors are large: identity is the right equality, and a copy a waste.
public record HostTensor(DType dtype, int[] shape, byte[] bytes) {

    /** Returns the codec of a floating-point type. */
    public static FloatFormat format(DType dtype) {
        return FloatFormat.valueOf(dtype.name());
    }

    /** Returns a tensor of {@code values} rounded to {@code dtype}. */
    public static HostTensor floats(DType dtype, int[] shape, double... values) {
        FloatFormat format = format(dtype);
        byte[] bytes = new byte[size(dtype, values.length)];
        ByteBuffer target = littleEndian(bytes);
        for (double value : values) {
            put(target, dtype, format.encode(value));
        }
        return new HostTensor(dtype, shape, bytes);
    }

    /** Returns an I32 tensor. */
    public static HostTensor ints(int[] shape, int... values) {
        byte[] bytes = new byte[size(DType.I32, values.length)];
        ByteBuffer target = littleEndian(bytes);
        for (int value : values) {
            target.putInt(value);
        }
        return new HostTensor(DType.I32, shape, bytes);
    }

    /** Returns an I64 tensor. */
    public static HostTensor longs(int[] shape, long... values) {
        byte[] bytes = new byte[size(DType.I64, values.length)];
        ByteBuffer target = littleEndian(bytes);
        for (long value : values) {
            target.putLong(value);
        }
        return new HostTensor(DType.I64, shape, bytes);
    }

    /** Returns a tensor of the same type and shape with every element's bits taken from {@code bits}. */
    public HostTensor withBits(long... bits) {
        byte[] elements = new byte[size(dtype, bits.length)];
        ByteBuffer target = littleEndian(elements);
        for (long element : bits) {
            put(target, dtype, element);
        }
        return new HostTensor(dtype, shape, elements);
    }

    /** Returns the number of elements. */
    public int elements() {
        return bytes.length * 8 / dtype.bits();
    }

    /** Returns the elements' bits, sign-extended from the element's width. */
    public long[] bits() {
        ByteBuffer source = ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN);
        long[] bits = new long[elements()];
        for (int index = 0; index < bits.length; index++) {
            bits[index] = switch (dtype.bits()) {
                case 8 -> source.get();
                case 16 -> source.getShort();
                case 32 -> source.getInt();
                default -> source.getLong();
            };
        }
        return bits;
    }

    /** Returns the elements of a floating-point tensor as numbers. */
    public double[] doubles() {
        FloatFormat format = format(dtype);
        long mask = dtype.bits() == 64 ? -1L : (1L << dtype.bits()) - 1;
        return Arrays.stream(bits())
                .mapToDouble(bits -> format.decode(bits & mask))
                .toArray();
    }

    /** Returns the elements of an integer tensor. */
    public int[] integers() {
        return Arrays.stream(bits()).mapToInt(Math::toIntExact).toArray();
    }

    /** Returns a floating-point tensor for comparison. */
    public FloatTensor asFloats() {
        return new FloatTensor(format(dtype), shape, doubles());
    }

    /** Returns an integer tensor, or the bits of any tensor, for comparison bit for bit. */
    public IntTensor asBits() {
        return new IntTensor(dtype.bits(), shape, bits());
    }

    /**
     * Returns the index of the first element that is not what {@code other} has there, or -1. Bit for bit, but that all NaNs are one
     * (FORMAT-004): which operand's payload and sign an instruction hands on is left open by IEEE 754 (2019, section 6.2.3), and differs
     * even between the interpreter and the compilers of one JVM.
     *
     * @throws IllegalArgumentException if the two are not of one type and size
     */
    public int mismatch(HostTensor other) {
        if (dtype != other.dtype || bytes.length != other.bytes.length) {
            throw new IllegalArgumentException("a tensor of " + dtype + " and " + bytes.length
                    + " bytes has no element in common with one of " + other.dtype + " and " + other.bytes.length);
        }
        int differing = Arrays.mismatch(bytes, other.bytes);
        if (differing < 0 || !dtype.isFloating()) {
            return differing < 0 ? -1 : differing * 8 / dtype.bits();
        }
        long[] mine = bits();
        long[] others = other.bits();
        double[] values = doubles();
        double[] otherValues = other.doubles();
        for (int index = differing * 8 / dtype.bits(); index < mine.length; index++) {
            if (mine[index] != others[index] && !(Double.isNaN(values[index]) && Double.isNaN(otherValues[index]))) {
                return index;
            }
        }
        return -1;
    }

    private static int size(DType dtype, int elements) {
        return Math.toIntExact(dtype.bytes(elements));
    }

    private static ByteBuffer littleEndian(byte[] bytes) {
        return ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN);
    }

    private static void put(ByteBuffer target, DType dtype, long bits) {
        switch (dtype.bits()) {
            case 8 -> target.put((byte) bits);
            case 16 -> target.putShort((short) bits);
            case 32 -> target.putInt((int) bits);
            default -> target.putLong(bits);
        }
    }
}
