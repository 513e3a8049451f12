package dev.heng.conformance.probe;

import dev.heng.conformance.format.FloatFormat;

/**
 * What a probe may ask of a device: products of small matrices. A linear operation of the SPI implements it, and so does the emulator.
 *
 * <p>An implementation must run every call on the unit whose profile is in question, with nothing between the unit's result and
 * the returned values but the rounding to {@link #outputFormat()}.
 */
public interface MatrixProduct {

    /** Returns the format in which the left operand is handed to the device, and the right one too unless {@link #weights()} differ. */
    FloatFormat inputFormat();

    /** Returns the numbers that the right operand can be. */
    default OperandRange weights() {
        return OperandRange.of(inputFormat());
    }

    /** Returns the format in which the device returns results. */
    FloatFormat outputFormat();

    /**
     * Returns {@code C[M,N] = A[M,K] * B[N,K]^T}, row-major.
     *
     * @param a row-major A[M,K], numbers of the input format
     * @param b row-major B[N,K], numbers of {@link #weights()}
     * @param m rows of A, positive
     * @param n rows of B, positive
     * @param k length along K, positive
     */
    double[] multiply(double[] a, double[] b, int m, int n, int k);
}
