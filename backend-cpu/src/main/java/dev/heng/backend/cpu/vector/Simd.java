package dev.heng.backend.cpu.vector;

import java.nio.ByteOrder;
import jdk.incubator.vector.DoubleVector;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.IntVector;
import jdk.incubator.vector.VectorShape;
import jdk.incubator.vector.VectorSpecies;

/** The species of this processor, in constants, which is what lets the compiler keep vectors in registers. */
final class Simd {

    static final VectorSpecies<Float> FLOATS = FloatVector.SPECIES_PREFERRED;
    static final VectorSpecies<Integer> INTS = IntVector.SPECIES_PREFERRED;
    static final VectorSpecies<Short> SHORTS = VectorSpecies.of(short.class, FLOATS.vectorShape());
    static final VectorSpecies<Double> DOUBLES = DoubleVector.SPECIES_PREFERRED;

    /** As many floats as {@link #DOUBLES} has doubles. */
    static final VectorSpecies<Float> HALF_FLOATS = VectorSpecies.of(float.class, part(2));

    /** As many bytes as {@link #SHORTS} has shorts. */
    static final VectorSpecies<Byte> HALF_BYTES = VectorSpecies.of(byte.class, part(2));

    /**
     * As many bytes as {@link #FLOATS} has floats; twice as many where vectors are of 128 bits, since none has 32: then half of what was loaded is not
     * used, and who loads must not come nearer to the end than {@link #BYTES_LOADED}.
     */
    static final VectorSpecies<Byte> QUARTER_BYTES = VectorSpecies.of(byte.class, part(4));

    /** Floats in a vector. */
    static final int LANES = FLOATS.length();

    /** Bytes that one load of {@link #QUARTER_BYTES} touches. */
    static final int BYTES_LOADED = QUARTER_BYTES.length();

    static final ByteOrder ORDER = ByteOrder.LITTLE_ENDIAN;

    private Simd() {}

    private static VectorShape part(int parts) {
        return VectorShape.forBitSize(Math.max(64, FLOATS.vectorBitSize() / parts));
    }

    /** Sums {@link #LANES} numbers in pairs, in an order that depends on nothing; destroys them. */
    static float sum(float[] lanes, int offset) {
        for (int width = LANES / 2; width > 0; width /= 2) {
            for (int i = 0; i < width; i++) {
                lanes[offset + i] += lanes[offset + i + width];
            }
        }
        return lanes[offset];
    }

    /** Returns the next multiple of {@code unit}. */
    static int roundUp(int value, int unit) {
        return Math.ceilDiv(value, unit) * unit;
    }
}
