/**
 * NVIDIA GPUs through the CUDA driver API.
 *
 * <p>Rule: native names live in {@code binding} only; the device wraps them; the lowering knows graphs and kernels, never pointers.
 */
@NullMarked
package dev.heng.backend.cuda;

import org.jspecify.annotations.NullMarked;
