/**
 * Runs a compiled model: sequences in paged caches, prefill in chunks, decoding, and text as it is made.
 *
 * <p>Rule: everything here goes through {@link dev.heng.spi.Backend}; no number of a model is computed on the host.
 */
@NullMarked
package dev.heng.runtime.generate;

import org.jspecify.annotations.NullMarked;
