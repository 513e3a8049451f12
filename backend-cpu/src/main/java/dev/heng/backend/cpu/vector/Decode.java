package dev.heng.backend.cpu.vector;

import jdk.incubator.vector.ByteVector;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.IntVector;
import jdk.incubator.vector.ShortVector;
import jdk.incubator.vector.VectorOperators;
import jdk.incubator.vector.VectorShape;
import jdk.incubator.vector.VectorSpecies;

/** Stored elements as float32. */
final class Decode {

    /** As many shorts as there are floats in a vector. */
    private static final VectorSpecies<Short> HALF_SHORTS =
            VectorSpecies.of(short.class, VectorShape.forBitSize(Math.max(64, Simd.FLOATS.vectorBitSize() / 2)));

    /** Eight codes of a word, one to a lane. */
    private static final VectorSpecies<Integer> EIGHT = IntVector.SPECIES_256;

    private static final IntVector NIBBLES = IntVector.fromArray(EIGHT, new int[] {0, 4, 8, 12, 16, 20, 24, 28}, 0);

    private static final float[] E4M3 = e4m3();

    private Decode() {}

    /** {@code out[offset ..] = W[row][column ..]}, scaled. */
    static void scaled(Weight w, long row, int column, int count, float[] out, int offset) {
        unscaled(w, row, column, count, out, offset);
        if (w.type() == Element.I8) {
            float scale = w.scale(row);
            for (int i = offset; i < offset + count; i++) {
                out[i] *= scale;
            }
        }
    }

    /** As {@link #scaled}, but int8 without its scale: who multiplies at the end keeps integers exact. */
    static void unscaled(Weight w, long row, int column, int count, float[] out, int offset) {
        switch (w.type()) {
            case F32, BF16, F16 ->
                plain(w.type(), w.row(row) + (long) column * w.type().bytes(), count, out, offset);
            case I8 -> int8(w.row(row) + column, count, out, offset);
            case E4M3 -> e4m3(w, row, column, count, out, offset);
            case I4 -> int4(w, row, column, count, out, offset);
            case E8M0 -> throw new IllegalArgumentException("weights of type E8M0");
        }
    }

    /** Floats of one type in a row. */
    static void plain(Element type, long address, int count, float[] out, int offset) {
        switch (type) {
            case F32 -> Memory.load(address, out, offset, count);
            case BF16 -> bf16(address, count, out, offset);
            case F16 -> {
                for (int i = 0; i < count; i++) {
                    out[offset + i] = Float.float16ToFloat(Memory.i16(address + 2L * i));
                }
            }
            case E4M3, E8M0, I8, I4 -> throw new IllegalArgumentException(type + " is not a plain type");
        }
    }

    private static void bf16(long address, int count, float[] out, int offset) {
        int whole = count / Simd.LANES * Simd.LANES;
        for (int i = 0; i < whole; i += Simd.LANES) {
            ShortVector bits = ShortVector.fromMemorySegment(HALF_SHORTS, Memory.ALL, address + 2L * i, Simd.ORDER);
            IntVector wide = (IntVector) bits.convertShape(VectorOperators.ZERO_EXTEND_S2I, Simd.INTS, 0);
            wide.lanewise(VectorOperators.LSHL, 16).reinterpretAsFloats().intoArray(out, offset + i);
        }
        for (int i = whole; i < count; i++) {
            out[offset + i] = Float.intBitsToFloat(Memory.i16(address + 2L * i) << 16);
        }
    }

    private static void int8(long address, int count, float[] out, int offset) {
        // A load may reach beyond the lanes that it fills, see Simd.QUARTER_BYTES.
        int whole = Math.max(0, count - (Simd.BYTES_LOADED - Simd.LANES)) / Simd.LANES * Simd.LANES;
        for (int i = 0; i < whole; i += Simd.LANES) {
            ByteVector bytes = ByteVector.fromMemorySegment(Simd.QUARTER_BYTES, Memory.ALL, address + i, Simd.ORDER);
            ((FloatVector) bytes.convertShape(VectorOperators.B2F, Simd.FLOATS, 0)).intoArray(out, offset + i);
        }
        for (int i = whole; i < count; i++) {
            out[offset + i] = Memory.i8(address + i);
        }
    }

    private static void e4m3(Weight w, long row, int column, int count, float[] out, int offset) {
        int blocks = w.columnBlocks();
        int end = column + count;
        int at = offset;
        for (int k = column; k < end; ) {
            int block = k / w.blockColumns();
            int stop = Math.min(end, (block + 1) * w.blockColumns());
            float scale = w.scale(row / w.blockRows() * blocks + block);
            long address = w.row(row);
            for (; k < stop; k++) {
                out[at++] = E4M3[Memory.i8(address + k) & 0xff] * scale;
            }
        }
    }

    private static void int4(Weight w, long row, int column, int count, float[] out, int offset) {
        int groups = w.columnBlocks();
        int end = column + count;
        long words = w.row(row);
        int at = offset;
        for (int k = column; k < end; ) {
            int group = k / w.blockColumns();
            int stop = (int) Math.min(end, (group + 1L) * w.blockColumns());
            float scale = w.scale(row * groups + group);
            // Codes and zero points are small integers: their difference is exact before it is multiplied.
            int zero = 8 - (int) w.zeroOffset(row, groups, group);
            for (; k < stop && k % 8 != 0; k++) {
                out[at++] = ((Memory.i32(words + k / 8 * 4L) >>> (4 * (k % 8)) & 15) - zero) * scale;
            }
            int whole = Math.max(0, stop - k) / 8;
            int4Words(words + k / 8 * 4L, whole, zero, scale, out, at);
            k += 8 * whole;
            at += 8 * whole;
            for (; k < stop; k++) {
                out[at++] = ((Memory.i32(words + k / 8 * 4L) >>> (4 * (k % 8)) & 15) - zero) * scale;
            }
        }
    }

    private static void int4Words(long words, int count, int zero, float scale, float[] out, int offset) {
        for (int i = 0; i < count; i++) {
            IntVector codes = IntVector.broadcast(EIGHT, Memory.i32(words + 4L * i))
                    .lanewise(VectorOperators.LSHR, NIBBLES)
                    .and(15)
                    .sub(zero);
            ((FloatVector) codes.convert(VectorOperators.I2F, 0)).mul(scale).intoArray(out, offset + 8 * i);
        }
    }

    private static float[] e4m3() {
        float[] values = new float[256];
        for (int code = 0; code < 256; code++) {
            int exponent = code >> 3 & 15;
            int fraction = code & 7;
            float magnitude = exponent == 0 ? fraction * 0x1p-9f : Math.scalb(1 + fraction / 8f, exponent - 7);
            if ((code & 0x7f) == 0x7f) {
                magnitude = Float.NaN;
            }
            values[code] = code >= 128 ? -magnitude : magnitude;
        }
        return values;
    }
}
