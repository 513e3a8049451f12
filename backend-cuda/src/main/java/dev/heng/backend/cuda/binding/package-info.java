/**
 * The CUDA driver API by JNA direct mapping.
 *
 * <p>Rule: native names live here, exactly as libcuda exports them, and nothing else: no policy, no error text. Handles and addresses are {@code long}.
 */
@NullMarked
package dev.heng.backend.cuda.binding;

import org.jspecify.annotations.NullMarked;
