package dev.heng.backend.cuda.lowering;

import dev.heng.spi.graph.ActivationFormat;
import dev.heng.spi.graph.Value;
import dev.heng.spi.tensor.DType;
import dev.heng.spi.tensor.Quantization;
import dev.heng.spi.tensor.TensorType;

/** Dense products of many rows by cuBLASLt, where the option asks for it. */
final class LibraryProducts {

    private static final long ALIGNMENT = 16;

    private LibraryProducts() {}

    /** Returns whether cuBLASLt takes a product, by types and shapes alone: plain weights of the activations' type, in rows of multiples of 16 bytes. */
    static boolean takes(MatrixUnit unit, Value x, Value weight, DType out, ActivationFormat activation) {
        TensorType type = weight.type();
        DType operands = x.type().dtype();
        boolean asked = switch (unit.library()) {
            case NONE -> false;
            case HALVES -> operands == DType.BF16 || operands == DType.F16;
            case HALVES_AND_TF32 -> operands == DType.BF16 || operands == DType.F16 || operands == DType.F32;
        };
        return asked
                && activation == ActivationFormat.FLOAT
                && type.quantization() instanceof Quantization.None
                && type.dtype() == operands
                && (out == operands || out == DType.F32)
                && operands.bytes(type.shape().dim(-1).size()) % ALIGNMENT == 0
                && out.bytes(type.shape().dim(-2).size()) % ALIGNMENT == 0;
    }

    /** Multiplies all rows by one weight, without a bias. */
    static String linear(Lowering to, StoredWeight weight, Located from, long rows, Located y) {
        Located x = MatrixProducts.aligned(to, from, rows);
        to.multiply(new Command.LibraryProduct(
                x.type(),
                y.type(),
                rows,
                weight.rows(),
                weight.columns(),
                x.stride(),
                x.address(),
                weight.elements(),
                y.address()));
        return "cublasLtMatmul";
    }
}
