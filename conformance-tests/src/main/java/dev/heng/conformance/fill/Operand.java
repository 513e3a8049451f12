package dev.heng.conformance.fill;

/** The role of a matrix in the product {@code C[M,N] = A[M,K] * B[N,K]^T}; both are row-major with K innermost. */
public enum Operand {
    /** The activations A[M,K]. */
    ACTIVATIONS,
    /** The weights B[N,K]. */
    WEIGHTS
}
