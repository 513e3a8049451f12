package dev.heng.conformance.probe;

import dev.heng.conformance.accumulate.MatrixUnit;
import dev.heng.conformance.accumulate.SummationOrder;
import dev.heng.conformance.format.FloatFormat;

/**
 * Products of an emulated unit, in a given order, rounded to a format: what probes are tested with, and what a planted fault
 * that lies about its arithmetic computes with.
 *
 * @param unit the emulated unit
 * @param order the order of summation
 * @param inputFormat the format of operands
 * @param outputFormat the format of results
 */
public record EmulatedProduct(MatrixUnit unit, SummationOrder order, FloatFormat inputFormat, FloatFormat outputFormat)
        implements MatrixProduct {

    @Override
    public double[] multiply(double[] a, double[] b, int m, int n, int k) {
        double[] sums = unit.multiply(a, b, m, n, k, order);
        for (int index = 0; index < sums.length; index++) {
            sums[index] = outputFormat.round(sums[index]);
        }
        return sums;
    }
}
