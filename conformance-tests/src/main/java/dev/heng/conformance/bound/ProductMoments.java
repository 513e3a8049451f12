package dev.heng.conformance.bound;

/**
 * For each element of {@code C[M,N] = A[M,K] * B[N,K]^T}: the product in double and the sums that its error bound needs.
 *
 * <p>The inputs must be exactly what the device multiplies: rounded to the operand type, cut where the profile says that the unit
 * cuts. Arrays are row-major [M,N], owned by this record and not to be changed.
 *
 * @param m rows of A
 * @param n rows of B
 * @param k length along K
 * @param exact c, the sum of products in double
 * @param magnitudes S1, the sum of |a*b|
 * @param squares S2, the sum of (a*b)^2
 * @param signs S0, the number of positive products less the number of negative ones
 */
@SuppressWarnings("ArrayRecordComponent") // Tensors are large: identity is the right equality, and a copy a waste.
public record ProductMoments(
        int m, int n, int k, double[] exact, double[] magnitudes, double[] squares, double[] signs) {

    /**
     * Computes the moments in one pass.
     *
     * @param a row-major A[M,K]
     * @param b row-major B[N,K]
     * @param m rows of A
     * @param n rows of B
     * @param k length along K
     */
    public static ProductMoments of(double[] a, double[] b, int m, int n, int k) {
        if (a.length != Math.multiplyExact(m, k) || b.length != Math.multiplyExact(n, k)) {
            throw new IllegalArgumentException("A has " + a.length + " and B " + b.length
                    + " values, which do not fit M=" + m + " N=" + n + " K=" + k);
        }
        int elements = Math.multiplyExact(m, n);
        double[] exact = new double[elements];
        double[] magnitudes = new double[elements];
        double[] squares = new double[elements];
        double[] signs = new double[elements];
        for (int row = 0; row < m; row++) {
            for (int column = 0; column < n; column++) {
                double sum = 0;
                double magnitude = 0;
                double square = 0;
                double sign = 0;
                for (int index = 0; index < k; index++) {
                    double product = a[row * k + index] * b[column * k + index];
                    sum += product;
                    magnitude += Math.abs(product);
                    square += product * product;
                    sign += Math.signum(product);
                }
                int element = row * n + column;
                exact[element] = sum;
                magnitudes[element] = magnitude;
                squares[element] = square;
                signs[element] = sign;
            }
        }
        return new ProductMoments(m, n, k, exact, magnitudes, squares, signs);
    }

    /** Returns the number of elements of C. */
    public int size() {
        return exact.length;
    }
}
