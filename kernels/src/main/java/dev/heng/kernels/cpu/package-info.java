/**
 * The native kernels for the host processor: finding and loading libheng_cpu, and its functions behind checked Java types.
 *
 * <p>Rule: nothing here knows graphs or models; what the library's functions mean is documented in {@code kernels/cpu/include/heng_cpu.h}.
 */
@NullMarked
package dev.heng.kernels.cpu;

import org.jspecify.annotations.NullMarked;
