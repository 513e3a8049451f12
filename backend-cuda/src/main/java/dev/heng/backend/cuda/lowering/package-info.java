/**
 * From a graph of operators to launches of kernels.
 *
 * <p>Rule: works on numbers only, addresses among them; it calls no driver, so that all of it is tested without a GPU.
 */
@NullMarked
package dev.heng.backend.cuda.lowering;

import org.jspecify.annotations.NullMarked;
