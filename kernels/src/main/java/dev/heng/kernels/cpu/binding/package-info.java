/**
 * The functions of libheng_cpu, names verbatim.
 *
 * <p>Rule: JNA is used here and nowhere else in the CPU kernels; addresses are {@code long}.
 */
@NullMarked
package dev.heng.kernels.cpu.binding;

import org.jspecify.annotations.NullMarked;
