package dev.heng.runtime.checkpoint;

import dev.heng.spi.tensor.DType;
import java.util.Arrays;
import java.util.Map;
import java.util.function.Function;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;

/**
 * The element types of the safetensors format, by the names that files use. Source: safetensors 0.6, enum Dtype.
 *
 * <p>All are known, so that a file that holds one that Heng computes nothing with is still read for its other tensors.
 */
public enum StoredType {
    /** One byte, 0 or 1. */
    BOOL(8, null),
    /** OCP FP4. */
    F4(4, null),
    /** OCP FP6, two mantissa bits more exponent. */
    F6_E3M2(6, null),
    /** OCP FP6, three mantissa bits. */
    F6_E2M3(6, null),
    /** Unsigned byte. */
    U8(8, null),
    /** Signed byte. */
    I8(8, DType.I8),
    /** OCP E5M2. */
    F8_E5M2(8, null),
    /** OCP E4M3. */
    F8_E4M3(8, DType.F8_E4M3),
    /** OCP E8M0. */
    F8_E8M0(8, DType.F8_E8M0),
    /** Signed 16-bit integer. */
    I16(16, null),
    /** Unsigned 16-bit integer. */
    U16(16, null),
    /** IEEE 754 binary16. */
    F16(16, DType.F16),
    /** bfloat16. */
    BF16(16, DType.BF16),
    /** Signed 32-bit integer. */
    I32(32, DType.I32),
    /** Unsigned 32-bit integer. */
    U32(32, null),
    /** IEEE 754 binary32. */
    F32(32, DType.F32),
    /** Two binary32, real and imaginary. */
    C64(64, null),
    /** IEEE 754 binary64. */
    F64(64, DType.F64),
    /** Signed 64-bit integer. */
    I64(64, DType.I64),
    /** Unsigned 64-bit integer. */
    U64(64, null);

    private static final Map<String, StoredType> BY_NAME =
            Arrays.stream(values()).collect(Collectors.toMap(StoredType::name, Function.identity()));

    private final int bits;
    private final @Nullable DType dtype;

    StoredType(int bits, @Nullable DType dtype) {
        this.bits = bits;
        this.dtype = dtype;
    }

    /** Returns the size of one element in bits. */
    public int bits() {
        return bits;
    }

    /** Returns the same type in the words of the SPI, or null where it has none. */
    public @Nullable DType dtype() {
        return dtype;
    }

    /** Returns whether these are floating-point numbers that a plain weight may consist of: F32, F16 or BF16. */
    public boolean isPlainWeight() {
        return this == F32 || this == F16 || this == BF16;
    }

    static @Nullable StoredType ofName(String name) {
        return BY_NAME.get(name);
    }
}
