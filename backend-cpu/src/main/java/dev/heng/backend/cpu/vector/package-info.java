/**
 * The instruction stream of backend {@code cpu}, executed in Java over {@code jdk.incubator.vector}: what runs where the native library is not there.
 *
 * <p>Rule: an operation computes what the operation of the same name in {@code heng_cpu.h} computes, in the same order of sums wherever the numerics
 * profile depends on it; nothing here may reduce lanes of floating-point numbers through the Vector API, whose order of summation is not defined.
 * No class but {@link dev.heng.backend.cpu.vector.VectorModule} may be touched where the module is absent.
 */
@NullMarked
package dev.heng.backend.cpu.vector;

import org.jspecify.annotations.NullMarked;
