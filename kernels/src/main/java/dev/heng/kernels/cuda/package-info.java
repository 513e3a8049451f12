/**
 * The CUDA kernels as resources: compiled modules by target, and the layout of the kernels' argument blocks.
 *
 * <p>Rule: nothing here needs a GPU, a driver or a library; what is read are files of this module's jar.
 */
@NullMarked
package dev.heng.kernels.cuda;

import org.jspecify.annotations.NullMarked;
