package dev.heng.conformance.suite;

import dev.heng.conformance.random.RandomStream;
import dev.heng.spi.tensor.DType;
import dev.heng.spi.tensor.Dim;
import dev.heng.spi.tensor.TensorType;
import java.util.List;
import java.util.Locale;
import java.util.Map;

/** Types and data that most families need. */
final class Tensors {

    /** The types of activations, in the order of ids. */
    static final List<DType> ACTIVATIONS = List.of(DType.F32, DType.BF16, DType.F16);

    private Tensors() {}

    /** Returns the name of a type as ids show it. */
    static String name(DType dtype) {
        return dtype.name().toLowerCase(Locale.ROOT);
    }

    /** Returns the type of [tokens, width]. */
    static TensorType rows(DType dtype, int width) {
        return TensorType.of(dtype, Dim.of(Dim.TOKENS), Dim.of(width));
    }

    /** Returns the size of the symbol for tokens. */
    static Map<String, Long> tokens(int count) {
        return Map.of(Dim.TOKENS, (long) count);
    }

    /** Returns normal numbers of deviation {@code scale}. */
    static HostTensor normal(RandomStream stream, DType dtype, int rows, int width, double scale) {
        double[] values = new double[rows * width];
        for (int index = 0; index < values.length; index++) {
            values[index] = stream.normal() * scale;
        }
        return HostTensor.floats(dtype, new int[] {rows, width}, values);
    }

    /** Returns indices that begin with the last and the first one, then repeat at random. */
    static int[] indices(RandomStream stream, int count, int bound) {
        int[] chosen = new int[count];
        for (int index = 0; index < count; index++) {
            chosen[index] = stream.nextInt(bound);
        }
        if (count > 0) {
            chosen[0] = bound - 1;
        }
        if (count > 1) {
            chosen[1] = 0;
        }
        return chosen;
    }
}
