package dev.heng.spi.tensor;

import java.util.Map;

/**
 * The type of a value: element type, shape and, for weights, the quantisation.
 *
 * @param dtype the type of a stored element
 * @param shape the logical shape; for quantised weights the shape of the dequantised matrix
 * @param quantization how elements stand for numbers
 * @since 1.0
 */
public record TensorType(DType dtype, Shape shape, Quantization quantization) {

    public TensorType {
        boolean agrees = switch (quantization) {
            case Quantization.None _ -> dtype != DType.I4 && dtype != DType.F8_E4M3;
            case Quantization.Fp8Blocks _ -> dtype == DType.F8_E4M3;
            case Quantization.Int8Channels _ -> dtype == DType.I8;
            case Quantization.Int4Groups _ -> dtype == DType.I4;
        };
        if (!agrees) {
            throw new IllegalArgumentException(
                    "elements of type " + dtype + " cannot be quantised as '" + quantization + "'");
        }
        if (!(quantization instanceof Quantization.None) && (shape.rank() < 2 || !shape.isFixed())) {
            throw new IllegalArgumentException("a quantised weight needs a fixed shape [.., N, K], not " + shape);
        }
    }

    /** Returns the type of a value that is not quantised. */
    public static TensorType of(DType dtype, Shape shape) {
        return new TensorType(dtype, shape, Quantization.NONE);
    }

    /** Returns the type of a value that is not quantised. */
    public static TensorType of(DType dtype, Dim... dims) {
        return of(dtype, Shape.of(dims));
    }

    /** Returns the same type with other elements, not quantised. */
    public TensorType withDtype(DType other) {
        return of(other, shape);
    }

    /** Returns whether elements are the numbers themselves. */
    public boolean isPlain() {
        return quantization instanceof Quantization.None;
    }

    /** Returns the size in bytes of the elements alone, without scales, row-major and dense, under {@code bindings}. */
    public long bytes(Map<String, Long> bindings) {
        if (quantization instanceof Quantization.Int4Groups) {
            long columns = shape.dim(-1).size();
            long rows = shape.elements() / Math.max(1, columns);
            return Math.multiplyExact(Math.multiplyExact(rows, Math.ceilDiv(columns, 8L)), 4L);
        }
        return dtype.bytes(shape.elements(bindings));
    }

    @Override
    public String toString() {
        return isPlain() ? dtype + shape.toString() : dtype + shape.toString() + " (" + quantization + ")";
    }
}
