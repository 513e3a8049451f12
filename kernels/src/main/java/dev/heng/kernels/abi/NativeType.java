package dev.heng.kernels.abi;

/**
 * How a C type travels through a call on the 64-bit Linux ABIs of x86-64 and AArch64. Signedness does not matter there: a register is a register.
 */
public enum NativeType {
    /** No value. */
    VOID,
    /** One byte: {@code int8_t}, and C++ {@code bool}, which must be 0 or 1. */
    INT8,
    /** Four bytes: {@code int32_t}, {@code uint32_t}, and every enumeration. */
    INT32,
    /** Eight bytes: {@code int64_t}, {@code uint64_t}, {@code size_t}. */
    INT64,
    /** {@code float}. */
    FLOAT,
    /** {@code double}. */
    DOUBLE,
    /** An address: pointers and handles. */
    POINTER
}
