package dev.heng.conformance.fault;

import dev.heng.conformance.accumulate.MatrixUnit;
import dev.heng.conformance.accumulate.SummationOrder;
import dev.heng.conformance.format.FloatFormat;
import dev.heng.conformance.probe.MatrixProduct;

/**
 * Products of an emulated unit with a fault planted.
 *
 * @param fault the fault
 * @param unit the unit it is planted in
 * @param order the order of summation
 * @param inputFormat the format of operands
 * @param outputFormat the format of results
 */
public record FaultyProduct(
        ProductFault fault, MatrixUnit unit, SummationOrder order, FloatFormat inputFormat, FloatFormat outputFormat)
        implements MatrixProduct {

    @Override
    public double[] multiply(double[] a, double[] b, int m, int n, int k) {
        return fault.multiply(unit, a, b, m, n, k, order, outputFormat);
    }
}
