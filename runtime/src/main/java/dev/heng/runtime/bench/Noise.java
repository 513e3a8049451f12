package dev.heng.runtime.bench;

import dev.heng.spi.tensor.DType;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import java.util.stream.LongStream;

/**
 * Random elements of one kind, never zeros, subnormals, infinities or NaN throughout: those have other speeds. The bits of an element are random within a mask, so that
 * magnitudes lie in a narrow range. Weights have 2^-7 to 2^-5, which keeps the activations of all widths from 256 to 20,000 columns near one.
 */
enum Noise {
    F32_WEIGHT(4, 0x80ff_ffffL, 0x3c00_0000L),
    BF16_WEIGHT(2, 0x80ffL, 0x3c00L),
    F16_WEIGHT(2, 0x87ffL, 0x2000L),
    /** 2^-3 to 2^1; with {@link #F32_SCALE_OF_FP8} in the range of weights. */
    E4M3_WEIGHT(1, 0x9fL, 0x20L),
    /** Odd numbers, so that there is neither 0 nor -128. */
    I8_WEIGHT(1, 0xffL, 0x01L),
    /** Odd codes, which minus 8 are as often negative as positive: a mean would grow from layer to layer until attention sees one position only. */
    I4_WEIGHT(1, 0xffL, 0x11L),
    F32_SCALE_OF_FP8(4, 0x00ff_ffffL, 0x3c00_0000L),
    F32_SCALE_OF_INT8(4, 0x00ff_ffffL, 0x3900_0000L),
    BF16_SCALE_OF_INT4(2, 0x00ffL, 0x3b00L),
    /** Norm weights: 0.5 to 2. */
    F32_NORM(4, 0x00ff_ffffL, 0x3f00_0000L),
    BF16_NORM(2, 0x00ffL, 0x3f00L),
    F16_NORM(2, 0x07ffL, 0x3800L),
    /** What a cache holds: magnitudes 0.5 to 2 of either sign. */
    F64_CACHE(8, 0x801f_ffff_ffff_ffffL, 0x3fe0_0000_0000_0000L),
    F32_CACHE(4, 0x80ff_ffffL, 0x3f00_0000L),
    BF16_CACHE(2, 0x80ffL, 0x3f00L),
    F16_CACHE(2, 0x87ffL, 0x3800L);

    private static final ValueLayout.OfLong LONG = ValueLayout.JAVA_LONG_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
    private static final long BLOCK_BYTES = 1L << 20;

    private final long keep;
    private final long set;

    Noise(int elementBytes, long keep, long set) {
        this.keep = repeated(keep, elementBytes);
        this.set = repeated(set, elementBytes);
    }

    private static long repeated(long element, int elementBytes) {
        long word = 0;
        for (int at = 0; at < Long.BYTES; at += elementBytes) {
            word |= element << (at * Byte.SIZE);
        }
        return word;
    }

    /** Returns plain weights of this type. */
    static Noise weight(DType dtype) {
        return switch (dtype) {
            case F32 -> F32_WEIGHT;
            case F16 -> F16_WEIGHT;
            case BF16 -> BF16_WEIGHT;
            case F8_E4M3 -> E4M3_WEIGHT;
            case I8 -> I8_WEIGHT;
            case I4 -> I4_WEIGHT;
            case F64, F8_E8M0, I32, I64 -> throw new IllegalArgumentException("no weight is " + dtype);
        };
    }

    /** Returns weights of a norm. */
    static Noise norm(DType dtype) {
        return switch (dtype) {
            case F32 -> F32_NORM;
            case F16 -> F16_NORM;
            case BF16 -> BF16_NORM;
            case F64, F8_E4M3, F8_E8M0, I8, I4, I32, I64 -> throw new IllegalArgumentException("no norm is " + dtype);
        };
    }

    /** Returns what a cache of this type is filled with. */
    static Noise cache(DType dtype) {
        return switch (dtype) {
            case F64 -> F64_CACHE;
            case F32 -> F32_CACHE;
            case F16 -> F16_CACHE;
            case BF16 -> BF16_CACHE;
            case F8_E4M3, F8_E8M0, I8, I4, I32, I64 -> throw new IllegalArgumentException("no cache is " + dtype);
        };
    }

    /**
     * Fills memory; the same seed gives the same bytes whatever the number of threads, because each word depends on the seed and its place alone.
     *
     * @param target a whole number of 8-byte words, of an arena that any thread may use
     */
    void fill(MemorySegment target, long seed) {
        long own = mix(seed + name().hashCode());
        LongStream.range(0, Math.ceilDiv(target.byteSize(), BLOCK_BYTES))
                .parallel()
                .forEach(block -> {
                    long end = Math.min(target.byteSize(), (block + 1) * BLOCK_BYTES);
                    for (long at = block * BLOCK_BYTES; at < end; at += Long.BYTES) {
                        target.set(LONG, at, (mix(own + at) & keep) | set);
                    }
                });
    }

    /** Steele, Lea and Flood's SplitMix64: the output function over a counter of odd steps. */
    static long mix(long counter) {
        long word = counter * 0x9e3779b97f4a7c15L;
        word = (word ^ (word >>> 30)) * 0xbf58476d1ce4e5b9L;
        word = (word ^ (word >>> 27)) * 0x94d049bb133111ebL;
        return word ^ (word >>> 31);
    }
}
