package dev.heng.runtime.generate;

import dev.heng.spi.tensor.DType;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;

/** Reads activations that came from a device as floats: exactly, but for F64, which is rounded once. */
final class HostFloats {

    private static final ValueLayout.OfShort SHORT =
            ValueLayout.JAVA_SHORT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
    private static final ValueLayout.OfFloat FLOAT =
            ValueLayout.JAVA_FLOAT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
    private static final ValueLayout.OfDouble DOUBLE =
            ValueLayout.JAVA_DOUBLE_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);

    private HostFloats() {}

    /** Returns {@code count} elements of {@code source} from its start. */
    static float[] read(MemorySegment source, DType dtype, int count) {
        float[] values = new float[count];
        for (int index = 0; index < count; index++) {
            values[index] = switch (dtype) {
                case F64 -> (float) source.get(DOUBLE, (long) index * Double.BYTES);
                case F32 -> source.get(FLOAT, (long) index * Float.BYTES);
                case F16 -> Float.float16ToFloat(source.get(SHORT, (long) index * Short.BYTES));
                case BF16 -> Float.intBitsToFloat(source.get(SHORT, (long) index * Short.BYTES) << 16);
                case F8_E4M3, F8_E8M0, I8, I4, I32, I64 ->
                    throw new IllegalArgumentException(dtype + " is not an activation type");
            };
        }
        return values;
    }
}
